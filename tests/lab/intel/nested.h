/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that runs a guest: a few instructions that go round until the mailbox says
 * "begin", and then enter it by VMRUN (AMD alone).  The nested one goes round for ever, and its OUT is nobody's but the VMM's.
 */
#ifndef NESTED_H
#define NESTED_H

#include <stdint.h>

/* Makes one of a vCPU whose CPUID and registers are those of a plain vm64. */
void nested_prepare(uint8_t *ram, int vcpu);

#endif

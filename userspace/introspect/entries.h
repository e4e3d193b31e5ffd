/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each vCPU of a guest enters its kernel by: LSTAR, IDTR. */
#ifndef WARDEN_ENTRIES_H
#define WARDEN_ENTRIES_H

#include "introspect/addresses.h"
#include "introspect/kernel.h"

/*
 * Entries of system calls, or tables of interrupts, that are not the kernel's, and of
 * which vCPU.  0 or -errno (-ESTALE: one has not run since this kernel was found).
 */
int entries_read(const struct kernel *k, struct addresses *ret);
int gates_read(const struct kernel *k, struct addresses *ret);

#endif

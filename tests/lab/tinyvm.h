/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a VM, as the small VMMs of the tests and benches make them: 16-bit
 * code in a little RAM.  What cannot be had ends the program.
 */
#ifndef TINYVM_H
#define TINYVM_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>
#include <stdnoreturn.h>

#define TINY_CODE 0x1000	/* where code is by custom */

/* Code that exits for ever: cpuid, which KVM serves; out, which the VMM does; again. */
extern const uint8_t tiny_exits[6];

/* A VM's file. */
int tiny_vm(void);

/* Memory: shared if it is to survive MADV_DONTNEED, or private. */
void *tiny_ram(size_t size, int map_flags);

/* A memory slot, made, moved or (size 0) deleted. */
void tiny_slot(int vm, int slot, uint64_t gpa, uint64_t size, void *at);

/* The usual VM: code at TINY_CODE in one shared slot from 0 on, which is returned. */
uint8_t *tiny_ram_with(int vm, size_t size, const void *code, size_t code_size);

/* A vCPU that begins in real mode, with these registers and segments from 0 on. */
int tiny_vcpu(int vm, int index, const struct kvm_regs *regs);
struct kvm_sregs tiny_sregs(int vcpu);
void tiny_set_sregs(int vcpu, const struct kvm_sregs *sregs);

/* One that begins at TINY_CODE. */
int tiny_vcpu_at_code(int vm, int index);

struct kvm_run *tiny_map_run(int vcpu);

/* Rests for so long after each exit that reaches it; signals do no harm. */
noreturn void tiny_run(int vcpu, unsigned rest_us);

#endif

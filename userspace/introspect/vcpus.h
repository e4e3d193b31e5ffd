/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All vCPUs of a guest whose registers can be told. */
#ifndef WARDEN_VCPUS_H
#define WARDEN_VCPUS_H

#include "introspect/memory.h"

#define CR4_LA57 (1ull << 12)
#define CR4_FRED (1ull << 32)

/* It runs 64-bit code with paging. */
bool vcpu_long_mode(const struct kvm_warden_regs *regs);

struct vcpus {
	uint32_t seen;			/* with a kernel of 64 bits on it */
	uint32_t nested;		/* run guests of their own: registers withheld */
	uint32_t unknown;		/* could not be read */
};

/*
 * fn for each that runs a 64-bit kernel; it returns 0 to go on.  One that never ran,
 * or has not come up, is none.  0, -ENODEV, or what fn returned.
 */
int vcpus_walk(struct guest_memory *mem,
	       int (*fn)(void *ctx, const struct kvm_warden_regs *regs), void *ctx,
	       struct vcpus *ret);

/*
 * It waits, or is outside the guest, and has done so since before that time: what it
 * has is of a kernel before (kexec leaves the other CPUs where they were).
 */
bool vcpu_is_left(struct guest_memory *mem, uint32_t vcpu, uint64_t since_ns);

#endif

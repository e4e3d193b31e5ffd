// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/vcpus.h"

#include <errno.h>
#include <string.h>

#define MAX_VCPUS 4096u			/* KVM's own limit */
#define CR0_PG (1ull << 31)
#define EFER_LMA (1ull << 10)

bool vcpu_long_mode(const struct kvm_warden_regs *regs)
{
	return (regs->cr0 & CR0_PG) && (regs->efer & EFER_LMA);
}

/* Any may be missing, as one that never ran. */
int vcpus_walk(struct guest_memory *mem,
	       int (*fn)(void *ctx, const struct kvm_warden_regs *regs), void *ctx,
	       struct vcpus *ret)
{
	int r = 0;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t vcpu = 0; !r && vcpu < MAX_VCPUS; vcpu++) {
		struct kvm_warden_regs regs;
		int error = memory_registers(mem, vcpu, &regs);

		if (error == -ENODEV) {
			r = error;
		} else if (error) {
			ret->unknown += error != -ENXIO;
		} else if (regs.flags & KVM_WARDEN_REGS_GUEST_MODE) {
			ret->nested++;
		} else if (vcpu_long_mode(&regs)) {
			ret->seen++;
			regs.vcpu = vcpu;
			r = fn(ctx, &regs);
		}
	}
	return r;
}

/* Whether it waits is told to who asks for it as it is now. */
bool vcpu_is_left(struct guest_memory *mem, uint32_t vcpu, uint64_t since_ns)
{
	struct kvm_warden_regs now;

	return !memory_registers_fresh(mem, vcpu, &now) &&
	       (now.flags & (KVM_WARDEN_REGS_HALTED | KVM_WARDEN_REGS_OUTSIDE)) &&
	       clock_now_ns() - now.age_ns < since_ns;
}

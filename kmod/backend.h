/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vendor's backend gives: the guest's state at the exit under way.
 * All functions run on the vCPU's thread inside the exit probe.  A probe passes
 * a constant backend down to always-inline code, so that no call is indirect.
 */
#ifndef KW_BACKEND_H
#define KW_BACKEND_H

#include <linux/types.h>

struct kvm_vcpu;
struct kvm_warden_regs;

#define KW_REASONS 256	/* slots of the histogram; the last one is "other" */

struct kw_backend {
	u64 (*cr3)(struct kvm_vcpu *vcpu);
	u64 (*lstar)(struct kvm_vcpu *vcpu);
	u64 (*idtr)(struct kvm_vcpu *vcpu);
	u32 (*reason)(struct kvm_vcpu *vcpu);
	unsigned int (*reason_slot)(u32 reason);
	u32 (*slot_reason)(unsigned int slot);
	bool (*encrypted)(struct kvm_vcpu *vcpu);	/* for good; not asked while it runs a nested guest */
	void (*sample)(struct kvm_vcpu *vcpu, struct kvm_warden_regs *regs);
	/* Error bits of kvm_page_fault; 0: the vendor has none. */
	u64 fault_fetch;	/* an instruction fetch */
	u64 fault_access;	/* these bits are fault_walk if the CPU walked the guest's page tables */
	u64 fault_walk;
	u64 fault_present;	/* any of them: the page is mapped, and refuses */
};

#endif

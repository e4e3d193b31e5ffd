/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel: the state of the guest at this exit is in the VMCS that this CPU has
 * loaded, and VMREAD alone reads it; KVM's copies of RIP and CR3 are stale.
 *
 * LSTAR is in no VMCS.  KVM intercepts the guest's writes to it and keeps the
 * value with those of the other MSRs that it switches on the way to user mode;
 * the CPU holds the same, but only while the guest is in long mode with SCE.
 * So the copy is read: it is right in every mode, and one load where RDMSR
 * takes some 100 cycles at every exit.
 */
#ifndef KW_VMX_H
#define KW_VMX_H

#include <linux/kvm_host.h>
#include <linux/sched/task_stack.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/vmx.h>
#include <uapi/linux/kvm_warden.h>

#include "backend.h"
#include "compat/compat.h"
#include "vmx_reason.h"

/* Exit qualification of an EPT violation */
#define VMX_FAULT_FETCH		(1ULL << 2)
#define VMX_FAULT_PRESENT	(7ULL << 3)	/* readable, writable, executable */
#define VMX_FAULT_LINEAR	(1ULL << 7)	/* by a linear address: */
#define VMX_FAULT_FINAL		(1ULL << 8)	/* at what it stands for, not on the way there */

/* vcpu_vmx, private to kvm_intel, begins with the kvm_vcpu. */
static_assert(FACT_VMX_VCPU_OFFSET == 0);
static_assert(FACT_VMX_LSTAR_OFFSET > sizeof(struct kvm_vcpu));

/* All ones if there is no VMCS, no such field, or no VMX at all. */
static __always_inline u64 vmx_read(unsigned long field)
{
	u64 value = ~0ull;

	asm volatile("1: vmread %[field], %[value]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [value] "+r" (value) : [field] "r" (field) : "cc");
	return value;
}

/* A TD's exits come from the TDX module: the CPU's VMCS is then another guest's. */
static __always_inline u64 vmx_read_of(struct kvm_vcpu *vcpu, unsigned long field)
{
	return unlikely(vcpu->arch.guest_state_protected) ? ~0ull : vmx_read(field);
}

static __always_inline u64 vmx_cr3(struct kvm_vcpu *vcpu)
{
	return vmx_read_of(vcpu, GUEST_CR3);
}

static __always_inline u64 vmx_lstar(struct kvm_vcpu *vcpu)
{
	return *(u64 *)((char *)vcpu + FACT_VMX_LSTAR_OFFSET);
}

static __always_inline u64 vmx_idtr(struct kvm_vcpu *vcpu)
{
	return vmx_read_of(vcpu, GUEST_IDTR_BASE);
}

static __always_inline u32 vmx_reason(struct kvm_vcpu *vcpu)
{
	return vmx_read_of(vcpu, VM_EXIT_REASON);
}

/*
 * VMREAD answers for whatever VMCS the CPU has loaded.  Its HOST_RSP tells
 * whose: KVM writes it before each entry, and it lies on this thread's stack.
 * It is also how an enlightened VMCS of Hyper-V shows, which VMREAD cannot read.
 */
static inline bool vmx_vmcs_is_ours(void)
{
	unsigned long stack = (unsigned long)task_stack_page(current);
	u64 rsp = vmx_read(HOST_RSP);

	/* 0: KVM has not entered it yet, and is about to. */
	return !rsp || rsp - stack < THREAD_SIZE;
}

static inline bool vmx_encrypted(struct kvm_vcpu *vcpu)
{
	return kw_vcpu_is_protected(vcpu) || !vmx_vmcs_is_ours();
}

/* As the guest sees it: the bits that KVM owns come from its shadow. */
static inline u64 vmx_control_register(unsigned long field, unsigned long owned, unsigned long shadow)
{
	u64 mask = vmx_read(owned);

	return (vmx_read(field) & ~mask) | (vmx_read(shadow) & mask);
}

/* The guest's own KERNEL_GS_BASE is in the CPU until KVM leaves for user mode. */
static inline void vmx_sample(struct kvm_vcpu *vcpu, struct kvm_warden_regs *regs)
{
	u32 reason = vmx_reason(vcpu);

	regs->rip = vmx_read(GUEST_RIP);
	regs->rsp = vmx_read(GUEST_RSP);
	regs->cr0 = vmx_control_register(GUEST_CR0, CR0_GUEST_HOST_MASK, CR0_READ_SHADOW);
	regs->cr2 = vcpu->arch.cr2;
	regs->cr3 = vmx_cr3(vcpu);
	regs->cr4 = vmx_control_register(GUEST_CR4, CR4_GUEST_HOST_MASK, CR4_READ_SHADOW);
	regs->efer = vcpu->arch.efer;
	regs->lstar = vmx_lstar(vcpu);
	regs->idtr = vmx_idtr(vcpu);
	regs->gs_base = vmx_read(GUEST_GS_BASE);
	regs->kernel_gs_base = native_read_msr(MSR_KERNEL_GS_BASE);
	regs->exit_code = reason;
	regs->exit_info1 = vmx_read(EXIT_QUALIFICATION);
	if (reason == EXIT_REASON_EPT_VIOLATION || reason == EXIT_REASON_EPT_MISCONFIG)
		regs->exit_info2 = vmx_read(GUEST_PHYSICAL_ADDRESS);
	regs->cpl = VMX_AR_DPL(vmx_read(GUEST_SS_AR_BYTES));
}

#endif

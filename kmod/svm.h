/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD: the state of the guest at this exit is in the VMCB that the CPU has
 * just written.  KVM's own copy of CR3 is stale there; CR3 and LSTAR writes do
 * not exit under nested paging, so they are sampled.
 */
#ifndef KW_SVM_H
#define KW_SVM_H

#include <linux/kvm_host.h>
#include <asm/svm.h>
#include <uapi/linux/kvm_warden.h>

#include "backend.h"
#include "compat/compat.h"
#include "kvm_glue.h"
#include "svm_reason.h"

/* vcpu_svm, private to kvm_amd, begins with the kvm_vcpu; its VMCB follows. */
static_assert(FACT_SVM_VMCB_OFFSET == sizeof(struct kvm_vcpu));

/* EXITINFO1 of a nested page fault */
#define SVM_FAULT_FETCH		(1ULL << 4)
#define SVM_FAULT_PRESENT	(1ULL << 0)
#define SVM_FAULT_WALK		(1ULL << 33)

static __always_inline const struct vmcb *svm_vmcb(struct kvm_vcpu *vcpu)
{
	return *(struct vmcb **)((char *)vcpu + FACT_SVM_VMCB_OFFSET);
}

static __always_inline u64 svm_cr3(struct kvm_vcpu *vcpu)
{
	return svm_vmcb(vcpu)->save.cr3;
}

static __always_inline u64 svm_lstar(struct kvm_vcpu *vcpu)
{
	return svm_vmcb(vcpu)->save.lstar;
}

static __always_inline u64 svm_idtr(struct kvm_vcpu *vcpu)
{
	return svm_vmcb(vcpu)->save.idtr.base;
}

static __always_inline u32 svm_reason(struct kvm_vcpu *vcpu)
{
	return svm_vmcb(vcpu)->control.exit_code;
}

/*
 * With SEV memory is ciphertext, with SEV-ES and SEV-SNP the state as well: it
 * is in a page of its own, and the VMCB's save area says nothing.  The control
 * area is the host's in each of them, and plain.
 */
static __always_inline bool svm_encrypted(struct kvm_vcpu *vcpu)
{
	return kw_vcpu_is_protected(vcpu) || kw_svm_has_sev(&svm_vmcb(vcpu)->control);
}

/* The VMCB's CR4 and EFER have bits of KVM's own; the guest's writes to them exit. */
static inline void svm_sample(struct kvm_vcpu *vcpu, struct kvm_warden_regs *regs)
{
	const struct vmcb *vmcb = svm_vmcb(vcpu);
	const struct vmcb_save_area *save = &vmcb->save;

	regs->rip = kw_vcpu_rip(vcpu);
	regs->rsp = save->rsp;
	regs->cr0 = save->cr0;
	regs->cr2 = save->cr2;
	regs->cr3 = save->cr3;
	regs->cr4 = vcpu->arch.cr4;
	regs->efer = vcpu->arch.efer;
	regs->lstar = save->lstar;
	regs->idtr = save->idtr.base;
	regs->gs_base = save->gs.base;
	regs->kernel_gs_base = save->kernel_gs_base;
	regs->exit_code = vmcb->control.exit_code;
	regs->exit_info1 = vmcb->control.exit_info_1;
	regs->exit_info2 = vmcb->control.exit_info_2;
	regs->cpl = save->cpl;
}

#endif

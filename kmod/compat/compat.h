/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernels, found by probe.sh in the target's headers:
 * KW_HAVE_* say what a header has, never what its version is.
 */
#ifndef KW_COMPAT_H
#define KW_COMPAT_H

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <trace/events/ipi.h>	/* newer kernels' smp_send_reschedule() */

#include "generated.h"

#ifdef KW_HAVE_GUP_REMOTE_VMAS
static inline long kw_gup_remote(struct mm_struct *mm, unsigned long start,
				 unsigned long n, unsigned int flags,
				 struct page **pages, int *locked)
{
	return get_user_pages_remote(mm, start, n, flags, pages, NULL, locked);
}
#else
static inline long kw_gup_remote(struct mm_struct *mm, unsigned long start,
				 unsigned long n, unsigned int flags,
				 struct page **pages, int *locked)
{
	return get_user_pages_remote(mm, start, n, flags, pages, locked);
}
#endif

/* On the hot path, so inline: the page that user space maps as kvm_run. */
static __always_inline void *kw_vcpu_run(struct kvm_vcpu *vcpu)
{
	return vcpu->run;
}

/*
 * The host holds the guest's registers or memory as ciphertext or not at all:
 * SEV-ES, SEV-SNP, TDX, and whatever keeps memory in a guest_memfd.
 */
static inline bool kw_vcpu_is_protected(struct kvm_vcpu *vcpu)
{
#ifdef kvm_arch_has_private_mem
	if (kvm_arch_has_private_mem(vcpu->kvm))
		return true;
#endif
	return vcpu->arch.guest_state_protected;
}

#ifdef KW_HAVE_ARCH_RIP
#define kw_cached_rip(vcpu) ((vcpu)->arch.rip)
#else
#define kw_cached_rip(vcpu) ((vcpu)->arch.regs[VCPU_REGS_RIP])
#endif

/* The VMCB's bit for SEV, under either name. */
#ifdef KW_HAVE_SVM_MISC_CTL
#define kw_svm_has_sev(control) ((control)->misc_ctl & SVM_MISC_ENABLE_SEV)
#else
#define kw_svm_has_sev(control) ((control)->nested_ctl & SVM_NESTED_CTL_SEV_ENABLE)
#endif

#endif

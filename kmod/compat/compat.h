/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between kernels, found by probe.sh in the target's headers:
 * KW_HAVE_* say what a header has, never what its version is.
 */
#ifndef KW_COMPAT_H
#define KW_COMPAT_H

#include <linux/hugetlb.h>
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

/*
 * References to pages that are there, from hva on; the mmap lock is held, and
 * stays so.  FOLL_NOFAULT: a page that is not there stays away.  FOLL_FORCE: one
 * that NUMA balancing made inaccessible for a moment is resident all the same.
 *
 * Where hugetlbfs has a look-up of its own, that knows no FOLL_NOFAULT: it would
 * make a huge page or wait for userfaultfd.  FOLL_DUMP keeps it from the one,
 * FOLL_NOWAIT from the other.
 */
static inline long kw_gup_resident(struct mm_struct *mm, unsigned long hva,
				   unsigned long n, struct page **pages)
{
	unsigned int flags = FOLL_NOFAULT | FOLL_FORCE;
	int locked = 1;
#ifdef KW_HAVE_FOLLOW_HUGETLB_PAGE
	struct vm_area_struct *vma = vma_lookup(mm, hva);

	if (vma)	/* the next one may be of another kind */
		n = min(n, (vma->vm_end - hva) >> PAGE_SHIFT);
	if (vma && is_vm_hugetlb_page(vma))
		flags |= FOLL_DUMP | FOLL_NOWAIT;
#endif
	return kw_gup_remote(mm, hva, n, flags, pages, &locked);
}

/* A reference to the page at hva, brought in if need be; waits killably. */
static inline long kw_gup_fault(struct mm_struct *mm, unsigned long hva, struct page **page)
{
	int locked = 1;
	long n;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	n = kw_gup_remote(mm, hva, 1, 0, page, &locked);
	if (locked)
		mmap_read_unlock(mm);
	return n;
}

static inline void kw_vm_flags(struct vm_area_struct *vma, unsigned long set, unsigned long clear)
{
#ifdef KW_HAVE_VM_FLAGS_MOD
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

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

/* Its memory is a guest_memfd's alone; what lies at its address in the VMM is another. */
static inline bool kw_slot_is_apart(const struct kvm_memory_slot *slot)
{
#ifdef KW_HAVE_GMEM_ONLY
	return kvm_memslot_is_gmem_only(slot);
#else
	return false;
#endif
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

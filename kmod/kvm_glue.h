/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Everything the rest of the module wants from KVM.  No other file touches a
 * KVM struct beyond passing its pointer, svm.h and vmx.h apart.
 */
#ifndef KW_KVM_GLUE_H
#define KW_KVM_GLUE_H

#include <linux/types.h>

struct file;
struct kvm;
struct kvm_vcpu;
struct kvm_warden_memslot;
struct mm_struct;
struct page;
struct pid;

struct kvm *kw_vcpu_kvm(struct kvm_vcpu *vcpu);
u32 kw_vcpu_index(struct kvm_vcpu *vcpu);

/* For a kvm that lives: is the vCPU of that index the one with this page? */
bool kw_kvm_has_run(struct kvm *kvm, u32 idx, void *run);

/* On the vCPU's thread, while it is loaded; 0: it runs a nested guest. */
u64 kw_vcpu_rip(struct kvm_vcpu *vcpu);
bool kw_vcpu_in_nested_guest(struct kvm_vcpu *vcpu);
struct mm_struct *kw_kvm_mm(struct kvm *kvm);

/*
 * A file of the VMM that keeps this kvm alive, or NULL once there is none.
 * The caller must fput() it.  Sleeps.  *hint is where it was found last.
 *
 * The module never holds a reference to a kvm between two operations: that
 * would delay the VM's destruction.  The pointer alone is no proof that the VM
 * still exists, nor is its address: its file is, and that vCPU idx has the page
 * run, to which the caller holds a reference.
 */
struct file *kw_kvm_pin(struct kvm *kvm, struct pid *vmm, unsigned int *hint,
			u32 idx, void *run);

/* The vCPU that the current thread has loaded, or NULL. */
struct kvm_vcpu *kw_vcpu_loaded(void);

/* Is this the vCPU that the current thread runs?  The pointer is not followed. */
bool kw_vcpu_is_loaded(struct kvm_vcpu *vcpu);

/* The rest is for pinned VMs alone. */

/* It waits for an interrupt; it is not in KVM_RUN. */
bool kw_vcpu_is_halted(struct kvm_vcpu *vcpu);
bool kw_vcpu_is_outside(struct kvm_vcpu *vcpu);

/* If it is in the guest, it exits. */
void kw_vcpu_interrupt(struct kvm_vcpu *vcpu);

/* Fills up to room slots ordered by gpa; returns how many there are, or -EINTR. */
int kw_kvm_memslots(struct kvm *kvm, struct mm_struct *mm,
		    struct kvm_warden_memslot *slots, u32 room);

/* Where the VMM has that page; 0: no memslot. */
unsigned long kw_kvm_hva(struct kvm *kvm, u64 gpa);

/*
 * The file behind a range of one memslot, referenced, and the range's first page
 * in it.  -ENXIO no memslot holds it all, -EOPNOTSUPP it cannot be mapped, -EINTR.
 */
struct file *kw_kvm_file(struct kvm *kvm, struct mm_struct *mm, u64 gpa, u64 size,
			 unsigned long *ret_pgoff);

/* Does it run in memory that is no part of the VMM's (7.2's guest_memfd of a plain VM)?  VM pinned. */
bool kw_kvm_has_memory_apart(struct kvm *kvm);

/* Is this page the guest's RAM, and writable for it? */
bool kw_kvm_has_ram(struct kvm *kvm, u64 gfn);

/*
 * References to at most max pages of guest memory from gpa on, as far as one
 * memslot goes and pages are resident.  Returns their number; 0 with *error
 * -ENXIO (no memslot) or -ENODATA (not resident); or -EINTR.  Takes no fault.
 */
int kw_kvm_get_pages(struct kvm *kvm, struct mm_struct *mm, u64 gpa,
		     unsigned int max, struct page **pages, int *error);

#endif

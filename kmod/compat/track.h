/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's page tracking, whose interface changed in 6.5.  Beside kvm_glue.c this
 * is the one user of KVM's symbols.  They are exported to every module, but
 * linking them would pin kvm for as long as this one is loaded: they are taken
 * by name while something is tracked.
 */
#ifndef KW_TRACK_H
#define KW_TRACK_H

#include <linux/kvm_host.h>
#include <asm/kvm_page_track.h>

#include "generated.h"

/* Zeroed, but for the two functions, before kw_track_begin(). */
struct kw_track {
	/* On the vCPU's thread, after the write; may not sleep for long. */
	void (*written)(struct kw_track *track, u64 gpa, const u8 *bytes, u32 len);
	/*
	 * A memory slot of any address space goes, and is there till the return; on the
	 * VMM's thread, which holds kvm->slots_lock.
	 */
	void (*slot_gone)(struct kw_track *track, u64 gfn, u64 pages);
	struct kvm_page_track_notifier_node node;
	struct kvm *kvm;
};

/* KVM_EXTERNAL_WRITE_TRACKING is built in: most kernels have it, for KVMGT. */
bool kw_track_supported(void);

/*
 * What KVM does with an instruction that its emulator lacks: it tries again for
 * ever, until the page is tracked no more; or it ends the VM (KVM_RUN fails).
 */
bool kw_track_ends_vm(void);

/*
 * The caller keeps the VM alive until kw_track_end() has returned: KVM holds a
 * list of our nodes, and walks it until the VM is no more.  mm is the VM's.
 * -ENODEV: the VMM exits.
 */
int kw_track_begin(struct kw_track *track, struct kvm *kvm, struct mm_struct *mm);

/* Waits for both functions.  No page is tracked any more. */
void kw_track_end(struct kw_track *track);

/*
 * KVM counts, in the slot of the first address space: each page is removed as often
 * as it was added, in slot_gone() at the latest.  Between two of these no
 * slot_gone() may be missed: the caller's lock, which slot_gone() takes as well,
 * is held.
 */
int kw_track_add(struct kw_track *track, u64 gfn);
void kw_track_remove(struct kw_track *track, u64 gfn);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guests that are tracked.  A guest begins at its first exit and ends when
 * no file of its VMM refers to its VM any more.
 */
#ifndef KW_GUEST_H
#define KW_GUEST_H

#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/seqlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/kvm_warden.h>

#include "backend.h"
#include "faults.h"
#include "hooks.h"
#include "seen.h"
#include "stop.h"

struct file;
struct kvm;
struct kvm_vcpu;
struct kw_watch;
struct mm_struct;
struct pid;

struct kw_guest {
	u64 id;
	struct kvm *kvm;		/* a key: dereferenced only while pinned */
	struct mm_struct *mm;		/* mmgrab'ed: the pointer is not reused */
	struct pid *vmm;
	pid_t vmm_pid;
	atomic_t flags;			/* KVM_WARDEN_GUEST_*: kw_guest_mark() */
	u32 level;			/* KVM_WARDEN_LEVEL_* */
	bool gone;
	bool unhashed;			/* no probe finds it any more */
	u64 exits_seen;			/* by the reaper */
	bool no_file;			/* of the VM, as it last saw */
	refcount_t refs;
	unsigned int fd_hint;
	struct list_head node;		/* kw_guests */
	struct hlist_node once_stopped;	/* kw_once_stopped */
	struct list_head vcpus;		/* RCU; writers hold kw_guests_lock */
	wait_queue_head_t wait;		/* woken when gone */
	struct mutex stop_lock;		/* guards stop; the probe reads stop.why alone */
	struct kw_stop stop;
	bool stop_refused;		/* the guest is going: nothing stops it any more */
	wait_queue_head_t runs;		/* woken when nothing stops it */
	struct delayed_work stop_over;	/* at the deadline of stop */
	spinlock_t faults_lock;
	struct kw_faults faults;
	struct mutex watch_lock;
	struct kw_watch __rcu *watch;
	struct kobject kobj;		/* sysfs, while tracked */
	bool has_kobj;
	atomic64_t emitted, seen_again;
	struct kvm_warden_counts told;	/* by KVM_WARDEN_TELL; a reader may see it half new */
	atomic_t address_spaces;	/* bits set in roots */
	struct kw_recent recent[1 << KW_RECENT_BITS];
	DECLARE_BITMAP(roots, 1 << KW_ROOT_BITS);	/* page-table roots seen, by hash */
	u32 msr_kinds[1 << KW_KIND_BITS];	/* of MSR writes, since somebody asks */
};

/*
 * One vCPU's state.  Written by its own thread alone, inside the probes and
 * while it is parked; others read counters torn at worst, and regs under the
 * sequence counter.
 */
struct kw_vcpu {
	void *run;			/* its kvm_run page: ours by reference, so never another vCPU's */
	struct kvm_vcpu *vcpu;
	struct kw_guest *guest;
	const struct kw_backend *backend;	/* for what is not hot */
	struct kw_seen hot;		/* of its last exit, or KW_NO_IDTR */
	u64 reasons[KW_REASONS];	/* exits by reason; their sum is its exits */
	struct kw_seen seen;		/* what was told of it last */
	u32 idx;
	bool opaque;			/* encrypted: counted, not sampled */
	bool want_regs;			/* someone waits for a fresh sample */
	seqcount_t regs_seq;
	u64 regs_time;			/* ns, monotonic; 0: none yet */
	struct kvm_warden_regs regs;
	struct callback_head park;
	bool arming;			/* park is queued, or runs */
	bool parked;
	u64 parked_at, parks;
	u64 interrupted;		/* for fresh registers, last; ns */
	u64 hook_counts[KW_HOOK_COUNTS];
	u32 watch_faults;		/* at watched pages, since its last write to one */
	struct hlist_node hash;
	struct list_head node;		/* kw_guest.vcpus */
};

/* Threads of several vCPUs, and the reaper, mark at once; what is set stays. */
static inline void kw_guest_mark(struct kw_guest *guest, u32 flag)
{
	if (!(atomic_read(&guest->flags) & flag))
		atomic_or(flag, &guest->flags);
}

static inline bool kw_guest_is(const struct kw_guest *guest, u32 flag)
{
	return atomic_read(&guest->flags) & flag;
}

/* No guest's IDT base: the exit that meets it takes the slow path. */
#define KW_NO_IDTR (1ull << 63)

void kw_guest_exit(void);

/* Exit probe: the state of this vCPU, made at its first exit; NULL: no memory. */
struct kw_vcpu *kw_vcpu_get(struct kvm_vcpu *vcpu, const struct kw_backend *backend);

/* The state of a vCPU whose thread runs this, if it has any; under RCU. */
struct kw_vcpu *kw_vcpu_find(struct kvm_vcpu *vcpu);

/* The state of the vCPU that this thread has loaded, if it has; under RCU. */
struct kw_vcpu *kw_vcpu_current(void);

/*
 * Entry probe: the state of this vCPU if its guest is stopped, made if it is new
 * there; NULL: it may run; -ENOMEM: it may not, and there is no memory.
 */
struct kw_vcpu *kw_vcpu_if_stopped(struct kvm_vcpu *vcpu, const struct kw_backend *backend);

/* Before it is stopped: from then on its vCPUs that come anew are looked for. */
void kw_guest_may_stop(struct kw_guest *guest);

/* A reference to the guest with this id, or to the next above it; or NULL. */
struct kw_guest *kw_guest_find(u64 id);
struct kw_guest *kw_guest_next(u64 id);
void kw_guest_put(struct kw_guest *guest);

unsigned int kw_guest_count(void);

/* Exits of guests that could not be tracked for want of memory. */
u64 kw_guest_untracked_exits(void);
/* For whoever asks kw_guest_info(). */
void kw_guest_told(struct kw_guest *guest, const struct kvm_warden_counts *counts);
void kw_guest_info(struct kw_guest *guest, struct kvm_warden_guest_info *info);

/* The VM's file for the time of an operation, or NULL once it is gone. */
struct file *kw_guest_pin(struct kw_guest *guest);

/* The vCPU of that index, or NULL.  Valid while the guest is referenced. */
struct kw_vcpu *kw_guest_vcpu(struct kw_guest *guest, u32 idx);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lifetime
 *
 * KVM keeps our node in a list of the VM's, and walks that list until the last
 * moment of the VM.  So the VM outlives the node: while pages are tracked we hold
 * a file of the VM (w->vm), and let it go after kw_track_end() alone.  And
 * the module outlives the node: a watch ends in the release of its fd, which
 * holds the module.
 *
 * Nobody should wait for that file.  A VMM that exits tells us by its mm, before
 * it closes its files; one that closes the VM and lives on is noticed by the
 * reaper.  Both end the watch.
 *
 * Locks, outer first
 *
 *   guest->watch_lock	what is linked to KVM, and the ranges; never taken by
 *			what KVM calls
 *   w->pages_lock	KVM's count of each page; taken by slot_gone() too, so that
 *			no page is removed from a slot made after the one it was
 *			added to (KVM would warn)
 *   w->lock		ranges and the ring, for those who run on a vCPU's thread
 *
 * guest->watch is read under RCU; its holder may use it as long as its fd is open.
 */
#include "watch.h"

#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "attach.h"
#include "compat/track.h"
#include "events.h"
#include "guest.h"
#include "hooks.h"
#include "kvm_glue.h"
#include "ranges.h"
#include "ring.h"

/* As the UAPI header says: read() gives whole records. */
static_assert(sizeof(struct kvm_warden_write) == 128);

/* A write that KVM cannot carry out faults for ever. */
#define STUCK_AFTER 64

/* Error bit of kvm_page_fault, of both vendors. */
#define FAULT_WRITE (1ULL << 1)

struct kw_watch {
	struct kw_guest *guest;
	const void *holder;
	struct file *vm;		/* NULL: nothing is linked */
	struct kw_track track;
	struct mmu_notifier mm_ends;
	struct mutex pages_lock, read_lock;
	raw_spinlock_t lock;
	struct kw_range ranges[KVM_WARDEN_WATCH_PAGES];
	u64 bad_gfn;			/* to be let go, because of ... */
	u32 bad_why;			/* ... that; 0: none */
	bool vmm_ends;
	struct work_struct tidy;	/* does what a vCPU's thread may not */
	struct kw_ring ring;
};

/* 1: where the worst is that a page is let go; 2: where it is the VM's end, too. */
static uint allowed;
module_param_named(watch, allowed, uint, 0444);
MODULE_PARM_DESC(watch, "write watch: 0 off, 1 where it cannot end a VM (6.1), 2 always");

bool kw_watch_enabled(void)
{
	return kw_track_supported() && allowed >= (kw_track_ends_vm() ? 2 : 1);
}

/* ---- records ---- */

static void put_record(struct kw_watch *w, const struct kvm_warden_write *record)
{
	raw_spin_lock(&w->lock);
	kw_ring_put(&w->ring, record);
	raw_spin_unlock(&w->lock);
	wake_up_all(&w->guest->wait);
}

static void tell_end(struct kw_watch *w, u64 gfn, u32 why)
{
	struct kvm_warden_write record = {
		.time_ns = ktime_get_mono_fast_ns(),
		.gpa = gfn << PAGE_SHIFT,
		.flags = KVM_WARDEN_WRITE_ENDED | why,
	};

	put_record(w, &record);
}

/* ---- on the vCPU's thread ---- */

/* Who switches off ends the watch next, but may have to wait for our lock. */
static bool is_off(struct kw_guest *guest)
{
	return READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF || !kw_attach_enabled();
}

static bool is_watched(struct kw_watch *w, u64 gpa, u32 len)
{
	struct kw_range *r;

	raw_spin_lock(&w->lock);
	r = kw_range_hit(w->ranges, gpa, len);
	if (r)
		r->writes++;
	raw_spin_unlock(&w->lock);
	return r;
}

static void tell_write(struct kw_vcpu *v, u64 gpa, const u8 *bytes, u32 len,
		       struct kvm_warden_write *record)
{
	struct kvm_warden_event event = {
		.type = KVM_WARDEN_EVENT_WRITE, .value = gpa, .len = len,
		.exit_reason = v->backend->reason(v->vcpu),
	};

	memcpy(&event.data, bytes, min_t(u32, len, sizeof(event.data)));
	kw_emit_event(v, &event);
	*record = (struct kvm_warden_write){
		.seq = event.seq, .time_ns = event.time_ns, .gpa = gpa, .cr3 = event.cr3,
		.rip = event.rip, .vcpu = event.vcpu, .len = len,
	};
	memcpy(record->data, bytes, min_t(u32, len, sizeof(record->data)));
}

static void written(struct kw_track *track, u64 gpa, const u8 *bytes, u32 len)
{
	struct kw_watch *w = container_of(track, struct kw_watch, track);
	struct kvm_warden_write record;
	bool told = false;
	struct kw_vcpu *v;

	preempt_disable();
	v = kw_vcpu_current();
	if (v && v->guest == w->guest) {
		v->watch_faults = 0;
		told = len && !is_off(w->guest) && is_watched(w, gpa, len);
		if (told)
			tell_write(v, gpa, bytes, len, &record);
	}
	preempt_enable();
	if (told)
		put_record(w, &record);
}

static bool tracks(struct kw_watch *w, u64 gfn)
{
	struct kw_range *r;

	lockdep_assert_held(&w->lock);
	kw_for_each_range(r, w->ranges)
		if (kw_range_tracks(r, gfn))
			return true;
	return false;
}

/*
 * Each fault at a mapped page is followed by a write, or KVM cannot carry it out.  One
 * that is not mapped comes again while the VMM's memory changes (a fork of a VMM).  A slot
 * that goes faults again and again until it has gone: slot_gone() tells of that.
 */
static void judge_fault(struct kw_watch *w, struct kw_vcpu *v, u64 gfn, u64 error)
{
	u32 why = 0;

	raw_spin_lock(&w->lock);
	if (tracks(w, gfn) && kw_kvm_has_ram(w->guest->kvm, gfn)) {
		if ((error & v->backend->fault_access) == v->backend->fault_walk)
			why = KVM_WARDEN_WRITE_PAGE_TABLE;
		else if (error & v->backend->fault_present && ++v->watch_faults > STUCK_AFTER)
			why = KVM_WARDEN_WRITE_STUCK;
	}
	if (why) {
		w->bad_gfn = gfn;
		w->bad_why = why;
	}
	raw_spin_unlock(&w->lock);
	if (why)
		queue_work(system_highpri_wq, &w->tidy);
}

void kw_watch_on_fault(struct kw_vcpu *v, u64 gpa, u64 error)
{
	struct kw_watch *w;

	rcu_read_lock();
	w = rcu_dereference(v->guest->watch);
	if (w && (error & FAULT_WRITE))
		judge_fault(w, v, KW_GFN(gpa), error);
	rcu_read_unlock();
}

/* ---- pages, under pages_lock ---- */

static void set_pages(struct kw_watch *w, struct kw_range *r, u32 pages)
{
	raw_spin_lock(&w->lock);
	r->pages = pages;
	if (!pages)
		r->len = 0;
	raw_spin_unlock(&w->lock);
}

/* What was bad is of this watch of the page, not of the next one. */
static void unmark(struct kw_watch *w, u64 gfn)
{
	raw_spin_lock(&w->lock);
	if (w->bad_gfn == gfn)
		w->bad_why = 0;
	raw_spin_unlock(&w->lock);
}

/* KVM counts no more for this page of the range. */
static void forget_page(struct kw_watch *w, struct kw_range *r, u64 gfn)
{
	lockdep_assert_held(&w->pages_lock);
	kw_track_remove(&w->track, gfn);
	set_pages(w, r, r->pages & ~BIT(gfn - KW_GFN(r->gpa)));
	unmark(w, gfn);
}

/* All ranges let this page go; true if one had it. */
static bool drop_page(struct kw_watch *w, u64 gfn)
{
	struct kw_range *r;
	bool had = false;

	lockdep_assert_held(&w->pages_lock);
	kw_for_each_range(r, w->ranges) {
		if (kw_range_tracks(r, gfn)) {
			forget_page(w, r, gfn);
			had = true;
		}
	}
	return had;
}

static void drop_range(struct kw_watch *w, struct kw_range *r, u32 why)
{
	u64 first = KW_GFN(r->gpa);
	unsigned int i;

	lockdep_assert_held(&w->pages_lock);
	for (i = 0; i < KVM_WARDEN_WATCH_PAGES; i++) {
		if (!kw_range_tracks(r, first + i))
			continue;
		forget_page(w, r, first + i);
		if (why)
			tell_end(w, first + i, why);
	}
}

/*
 * KVM's call, on the thread that deletes or moves the slot, which is there still
 * but invalid: it comes back with our count if KVM refuses the move in the end.
 * SMM has slots of its own, whose end is told as well: we count in the others.
 */
static void slot_gone(struct kw_track *track, u64 gfn, u64 pages)
{
	struct kw_watch *w = container_of(track, struct kw_watch, track);
	struct kw_range *r;
	unsigned int i;

	mutex_lock(&w->pages_lock);
	kw_for_each_range(r, w->ranges) {
		u64 first = KW_GFN(r->gpa);

		for (i = 0; i < KVM_WARDEN_WATCH_PAGES; i++)
			if (kw_range_tracks(r, first + i) && first + i - gfn < pages &&
			    !kw_kvm_has_ram(w->guest->kvm, first + i) && drop_page(w, first + i))
				tell_end(w, first + i, KVM_WARDEN_WRITE_SLOT);
	}
	mutex_unlock(&w->pages_lock);
	queue_work(system_highpri_wq, &w->tidy);
}

/* Those of the page's last watch, which may have ended because of them. */
static void forget_faults(struct kw_guest *guest)
{
	struct kw_vcpu *v;

	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node)
		WRITE_ONCE(v->watch_faults, 0);
	rcu_read_unlock();
}

/* Nothing is left half: all pages of a range, or none. */
static int begin_range(struct kw_watch *w, const struct kvm_warden_watch *request)
{
	u64 pages = kw_range_pages(request->gpa, request->len), i;
	struct kw_range *r = kw_range_free(w->ranges, pages);
	int error = 0;

	lockdep_assert_held(&w->pages_lock);
	if (!r)
		return -ENOSPC;
	forget_faults(w->guest);
	raw_spin_lock(&w->lock);
	*r = (struct kw_range){ .gpa = request->gpa, .len = request->len };
	raw_spin_unlock(&w->lock);
	for (i = 0; i < pages && !error; i++) {
		if (kw_kvm_has_ram(w->guest->kvm, kw_range_gfn(r, i)))
			error = kw_track_add(&w->track, kw_range_gfn(r, i));
		else
			error = -ENXIO;
		if (!error)
			set_pages(w, r, r->pages | BIT(i));
	}
	if (error) {
		drop_range(w, r, 0);
		set_pages(w, r, 0);
	}
	return error;
}

/* ---- linked to KVM, or not; under watch_lock ---- */

static void vmm_ends(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct kw_watch *w = container_of(mn, struct kw_watch, mm_ends);

	WRITE_ONCE(w->vmm_ends, true);
	queue_work(system_highpri_wq, &w->tidy);
}

static const struct mmu_notifier_ops mm_ops = { .release = vmm_ends };

static int notice_end_of_mm(struct kw_watch *w)
{
	struct mm_struct *mm = w->guest->mm;
	int r;

	w->vmm_ends = false;
	w->mm_ends = (struct mmu_notifier){ .ops = &mm_ops };
	if (!mmget_not_zero(mm))
		return -ENODEV;
	/* A VMM can hold its lock for as long as it likes. */
	r = mmap_write_lock_killable(mm);
	if (!r) {
		r = __mmu_notifier_register(&w->mm_ends, mm);
		mmap_write_unlock(mm);
	}
	mmput_async(mm);
	return r;
}

/* Takes over the file, unless it fails. */
static int link(struct kw_watch *w, struct file *vm)
{
	struct kw_guest *guest = w->guest;
	int r;

	lockdep_assert_held(&guest->watch_lock);
	r = kw_hook_hold(KW_HOOK_PAGE_FAULT);
	if (r)
		return r;
	r = notice_end_of_mm(w);
	if (r)
		goto err_hook;
	r = kw_track_begin(&w->track, guest->kvm, guest->mm);
	if (r)
		goto err_mm;
	w->vm = vm;
	return 0;

err_mm:
	mmu_notifier_unregister(&w->mm_ends, guest->mm);
err_hook:
	kw_hook_drop(KW_HOOK_PAGE_FAULT);
	return r;
}

static void unlink(struct kw_watch *w, u32 why)
{
	struct kw_range *r;

	lockdep_assert_held(&w->guest->watch_lock);
	if (!w->vm)
		return;
	mutex_lock(&w->pages_lock);
	kw_for_each_range(r, w->ranges)
		drop_range(w, r, why);
	mutex_unlock(&w->pages_lock);
	kw_track_end(&w->track);
	mmu_notifier_unregister(&w->mm_ends, w->guest->mm);
	kw_hook_drop(KW_HOOK_PAGE_FAULT);
	fput(w->vm);
	w->vm = NULL;
}

/* Without a page there is nothing to be linked for. */
static void unlink_if_idle(struct kw_watch *w)
{
	struct kw_range *r;
	u32 pages = 0;

	kw_for_each_range(r, w->ranges)
		pages |= READ_ONCE(r->pages);
	if (!pages)
		unlink(w, 0);
}

static void let_bad_page_go(struct kw_watch *w)
{
	u64 gfn;
	u32 why;

	raw_spin_lock(&w->lock);
	gfn = w->bad_gfn;
	why = w->bad_why;
	w->bad_why = 0;
	raw_spin_unlock(&w->lock);
	if (!why)
		return;
	mutex_lock(&w->pages_lock);
	if (drop_page(w, gfn))
		tell_end(w, gfn, why);
	mutex_unlock(&w->pages_lock);
}

static void tidy_fn(struct work_struct *work)
{
	struct kw_watch *w = container_of(work, struct kw_watch, tidy);

	mutex_lock(&w->guest->watch_lock);
	if (w->vm) {
		let_bad_page_go(w);
		if (READ_ONCE(w->vmm_ends))
			unlink(w, KVM_WARDEN_WRITE_VM);
		else
			unlink_if_idle(w);
	}
	mutex_unlock(&w->guest->watch_lock);
}

/* ---- the requests ---- */

void kw_watch_init_guest(struct kw_guest *guest)
{
	mutex_init(&guest->watch_lock);
}

static struct kw_watch *current_watch(struct kw_guest *guest)
{
	return rcu_dereference_protected(guest->watch, lockdep_is_held(&guest->watch_lock));
}

/* One that is made is nobody's until its first request succeeded. */
static struct kw_watch *get_or_make(struct kw_guest *guest, const void *holder)
{
	struct kw_watch *w = current_watch(guest);

	if (w)
		return w->holder == holder ? w : ERR_PTR(-EBUSY);
	w = kvzalloc(sizeof(*w), GFP_KERNEL);
	if (!w)
		return ERR_PTR(-ENOMEM);
	w->guest = guest;
	w->holder = holder;
	w->track.written = written;
	w->track.slot_gone = slot_gone;
	mutex_init(&w->pages_lock);
	mutex_init(&w->read_lock);
	raw_spin_lock_init(&w->lock);
	INIT_WORK(&w->tidy, tidy_fn);
	return w;
}

/* Not linked, and found by nobody; without watch_lock, which tidy_fn() takes. */
static void free_watch(struct kw_watch *w)
{
	cancel_work_sync(&w->tidy);
	kvfree(w);
}

/* The watch of this fd, while it is open; or NULL. */
static struct kw_watch *watch_of(struct kw_guest *guest, const void *holder)
{
	struct kw_watch *w;

	rcu_read_lock();
	w = rcu_dereference(guest->watch);
	if (w && w->holder != holder)
		w = NULL;
	rcu_read_unlock();
	return w;
}

static bool is_root(struct kw_guest *guest, u64 first_gfn, u64 pages)
{
	struct kw_vcpu *v;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node)
		found |= KW_GFN(READ_ONCE(v->seen.cr3)) - first_gfn < pages;
	rcu_read_unlock();
	return found;
}

/* The level too: who sets it to off ends a watch that is there, under the lock. */
static int refuse(struct kw_guest *guest, const struct kvm_warden_watch *request)
{
	lockdep_assert_held(&guest->watch_lock);
	if (READ_ONCE(guest->gone))
		return -ENODEV;
	if (READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF)
		return -EACCES;
	if (!kw_watch_enabled() || kw_guest_is(guest, KVM_WARDEN_GUEST_NESTED))
		return -EOPNOTSUPP;
	if (kw_guest_is(guest, KVM_WARDEN_GUEST_ENCRYPTED))
		return -EPERM;
	if (kw_range_pages(request->gpa, request->len) > KVM_WARDEN_WATCH_PAGES)
		return -ENOSPC;
	return is_root(guest, KW_GFN(request->gpa), kw_range_pages(request->gpa, request->len)) ?
	       -EINVAL : 0;
}

static int begin(struct kw_watch *w, const struct kvm_warden_watch *request)
{
	struct file *vm;
	int r;

	if (kw_range_find(w->ranges, request->gpa, request->len))
		return -EEXIST;
	if (!w->vm) {
		vm = kw_guest_pin(w->guest);
		if (!vm)
			return -ENODEV;
		r = link(w, vm);
		if (r) {
			fput(vm);
			return r;
		}
	}
	mutex_lock(&w->pages_lock);
	r = begin_range(w, request);
	mutex_unlock(&w->pages_lock);
	unlink_if_idle(w);
	return r;
}

int kw_watch_begin(struct kw_guest *guest, const void *holder,
		   const struct kvm_warden_watch *request)
{
	struct kw_watch *w = NULL;
	int r;

	if (mutex_lock_killable(&guest->watch_lock))
		return -EINTR;
	r = refuse(guest, request);
	if (!r) {
		w = get_or_make(guest, holder);
		r = IS_ERR(w) ? PTR_ERR(w) : begin(w, request);
	}
	if (!r)
		rcu_assign_pointer(guest->watch, w);
	if (IS_ERR(w) || w == current_watch(guest))
		w = NULL;
	mutex_unlock(&guest->watch_lock);
	if (w)
		free_watch(w);
	return r;
}

int kw_watch_stop(struct kw_guest *guest, const void *holder,
		  const struct kvm_warden_watch *request)
{
	struct kw_watch *w = watch_of(guest, holder);
	struct kw_range *r;

	if (!w)
		return -ENOENT;
	if (mutex_lock_killable(&guest->watch_lock))
		return -EINTR;
	mutex_lock(&w->pages_lock);
	r = kw_range_find(w->ranges, request->gpa, request->len);
	if (r)
		drop_range(w, r, 0);
	mutex_unlock(&w->pages_lock);
	unlink_if_idle(w);
	mutex_unlock(&guest->watch_lock);
	return r ? 0 : -ENOENT;
}

/* ---- reading ---- */

bool kw_watch_readable(struct kw_guest *guest, const void *holder)
{
	struct kw_watch *w = watch_of(guest, holder);

	return w && READ_ONCE(w->ring.count);
}

static bool peek(struct kw_watch *w, struct kvm_warden_write *record)
{
	bool there;

	raw_spin_lock(&w->lock);
	there = kw_ring_peek(&w->ring, record);
	raw_spin_unlock(&w->lock);
	return there;
}

/* A record that cannot be copied stays. */
static ssize_t copy_records(struct kw_watch *w, char __user *buf, size_t size)
{
	struct kvm_warden_write record;
	size_t done = 0;

	lockdep_assert_held(&w->read_lock);
	while (size - done >= sizeof(record) && peek(w, &record)) {
		if (copy_to_user(buf + done, &record, sizeof(record)))
			return done ?: -EFAULT;
		raw_spin_lock(&w->lock);
		kw_ring_drop(&w->ring);
		raw_spin_unlock(&w->lock);
		done += sizeof(record);
	}
	return done;
}

ssize_t kw_watch_read(struct kw_guest *guest, const void *holder, char __user *buf, size_t size,
		      bool wait)
{
	struct kw_watch *w = watch_of(guest, holder);
	ssize_t n;

	if (!w || size < sizeof(struct kvm_warden_write))
		return -EINVAL;
	for (;;) {
		bool gone = READ_ONCE(guest->gone);

		if (mutex_lock_interruptible(&w->read_lock))
			return -ERESTARTSYS;
		n = copy_records(w, buf, size);
		mutex_unlock(&w->read_lock);
		if (n || gone)
			return n;
		if (!wait)
			return -EAGAIN;
		if (wait_event_interruptible(guest->wait, READ_ONCE(w->ring.count) ||
					     READ_ONCE(guest->gone)))
			return -ERESTARTSYS;
	}
}

bool kw_watch_describe(struct kw_guest *guest, struct kw_range *ranges, u64 *lost)
{
	struct kw_watch *w;

	rcu_read_lock();
	w = rcu_dereference(guest->watch);
	if (w) {
		raw_spin_lock(&w->lock);
		memcpy(ranges, w->ranges, sizeof(w->ranges));
		*lost = w->ring.lost;
		raw_spin_unlock(&w->lock);
	}
	rcu_read_unlock();
	return w;
}

/* ---- ending ---- */

void kw_watch_release(struct kw_guest *guest, const void *holder)
{
	struct kw_watch *w = watch_of(guest, holder);

	if (!w)
		return;
	mutex_lock(&guest->watch_lock);
	unlink(w, 0);
	RCU_INIT_POINTER(guest->watch, NULL);
	mutex_unlock(&guest->watch_lock);
	/* The page-fault probe may be about to queue it. */
	synchronize_rcu();
	free_watch(w);
}

bool kw_watch_end(struct kw_guest *guest, u32 why, bool try)
{
	struct kw_watch *w;

	if (!try) {
		/* None there is no answer: one may be about to begin, under the lock. */
		if (mutex_lock_killable(&guest->watch_lock))
			return false;
	} else if (!rcu_access_pointer(guest->watch)) {
		return true;
	} else if (!mutex_trylock(&guest->watch_lock)) {
		return false;
	}
	w = current_watch(guest);
	if (w)
		unlink(w, why);
	mutex_unlock(&guest->watch_lock);
	return true;
}

int kw_watch_end_all(u32 why)
{
	struct kw_guest *guest;
	u64 id = 0;
	int r = 0;

	/* First all that can be ended at once: a VMM may hold up who ends its guest's. */
	for (; (guest = kw_guest_next(id)); kw_guest_put(guest)) {
		id = guest->id;
		kw_watch_end(guest, why, true);
	}
	for (id = 0; !r && (guest = kw_guest_next(id)); kw_guest_put(guest)) {
		id = guest->id;
		r = kw_watch_end(guest, why, false) ? 0 : -EINTR;
	}
	return r;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locking: kw_guests_lock guards the list of guests and the hash of vCPUs; the
 * exit probe takes it for a vCPU's first exit alone, and finds vCPUs under RCU
 * otherwise.  Each CPU remembers the vCPU it ran last (kw_running), so that
 * most exits need no look-up; removal clears that memory between two grace
 * periods of the tracepoint's readers.
 */
#include "guest.h"

#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "compat/compat.h"
#include "events.h"
#include "exit.h"
#include "freeze.h"
#include "kvm_glue.h"
#include "level.h"
#include "sysfs.h"
#include "watch.h"

#define REAP_INTERVAL msecs_to_jiffies(250)

static DEFINE_RAW_SPINLOCK(kw_guests_lock);
static LIST_HEAD(kw_guests);
static HLIST_HEAD(kw_once_stopped);	/* RCU: guests that were, or are being, stopped */
static DEFINE_HASHTABLE(kw_vcpus, 10);
static u64 last_id;
static unsigned int guest_count;
static atomic64_t untracked_exits = ATOMIC64_INIT(0);

static void reap_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(reap_work, reap_fn);

/* ---- making ---- */

static struct kw_guest *alloc_guest(struct kvm_vcpu *vcpu)
{
	struct kw_guest *guest = kzalloc(sizeof(*guest), GFP_ATOMIC | __GFP_NOWARN);

	if (!guest)
		return NULL;
	guest->kvm = kw_vcpu_kvm(vcpu);
	guest->mm = kw_kvm_mm(guest->kvm);
	mmgrab(guest->mm);
	guest->vmm = get_pid(task_tgid(current));
	guest->vmm_pid = task_tgid_nr(current);
	guest->level = kw_level_default();
	refcount_set(&guest->refs, 1);
	INIT_LIST_HEAD(&guest->node);
	INIT_LIST_HEAD(&guest->vcpus);
	init_waitqueue_head(&guest->wait);
	spin_lock_init(&guest->faults_lock);
	kw_faults_init(&guest->faults, ktime_get_mono_fast_ns());
	kw_freeze_init_guest(guest);
	kw_watch_init_guest(guest);
	return guest;
}

static void free_vcpu(struct kw_vcpu *v)
{
	put_page(virt_to_page(v->run));
	kfree(v);
}

static void free_guest(struct kw_guest *guest)
{
	struct kw_vcpu *v, *next;

	list_for_each_entry_safe(v, next, &guest->vcpus, node)
		free_vcpu(v);
	put_pid(guest->vmm);
	mmdrop(guest->mm);
	kfree(guest);
}

static struct kw_vcpu *alloc_vcpu(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v = kzalloc(sizeof(*v), GFP_ATOMIC | __GFP_NOWARN);

	if (!v)
		return NULL;
	v->vcpu = vcpu;
	v->backend = backend;
	v->run = kw_vcpu_run(vcpu);
	get_page(virt_to_page(v->run));
	v->idx = kw_vcpu_index(vcpu);
	v->want_regs = true;
	v->hot.idtr = KW_NO_IDTR;
	seqcount_init(&v->regs_seq);
	return v;
}

static struct kw_guest *find_by_kvm(struct kvm *kvm, struct mm_struct *mm)
{
	struct kw_guest *guest;

	list_for_each_entry(guest, &kw_guests, node) {
		struct kw_vcpu *v = list_first_entry(&guest->vcpus, struct kw_vcpu, node);

		if (guest->kvm == kvm && guest->mm == mm && kw_kvm_has_run(kvm, v->idx, v->run))
			return guest;
	}
	return NULL;
}

/*
 * v goes to the guest of its kvm: the one that is tracked, or else fresh, which
 * may be NULL.  Returns that guest; NULL if there is none.
 */
static struct kw_guest *insert(struct kw_guest *fresh, struct kw_vcpu *v)
{
	struct kvm *kvm = kw_vcpu_kvm(v->vcpu);
	struct kw_guest *guest;
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	guest = find_by_kvm(kvm, kw_kvm_mm(kvm));
	if (!guest && fresh) {
		guest = fresh;
		guest->id = ++last_id;
		list_add_tail(&guest->node, &kw_guests);
		guest_count++;
	}
	if (!guest)
		goto out;
	v->guest = guest;
	if (v->opaque)
		kw_guest_mark(guest, KVM_WARDEN_GUEST_ENCRYPTED);
	list_add_tail_rcu(&v->node, &guest->vcpus);
	hash_add_rcu(kw_vcpus, &v->hash, (unsigned long)v->vcpu);
out:
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
	return guest;
}

static struct kw_vcpu *give_up(struct kw_vcpu *v)
{
	if (v)
		free_vcpu(v);
	atomic64_inc(&untracked_exits);
	return NULL;
}

static struct kw_vcpu *joined(struct kw_vcpu *v, u32 reason)
{
	kw_emit(v, KVM_WARDEN_EVENT_VCPU_UP, 0, reason);
	return v;
}

/* Most vCPUs join a guest that is there: one is made only if not. */
static noinline struct kw_vcpu *track(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v = alloc_vcpu(vcpu, backend);
	struct kw_guest *fresh;

	if (!v)
		return give_up(NULL);
	v->opaque = backend->encrypted(vcpu);
	if (insert(NULL, v))
		return joined(v, backend->reason(vcpu));
	fresh = alloc_guest(vcpu);
	if (!fresh)
		return give_up(v);
	if (insert(fresh, v) != fresh) {
		free_guest(fresh);
		return joined(v, backend->reason(vcpu));
	}
	kw_emit(v, KVM_WARDEN_EVENT_GUEST_UP, 0, backend->reason(vcpu));
	schedule_delayed_work(&reap_work, REAP_INTERVAL);
	return v;
}

/* Addresses are used again; the page that we hold is not. */
struct kw_vcpu *kw_vcpu_find(struct kvm_vcpu *vcpu)
{
	struct kw_vcpu *v;

	hash_for_each_possible_rcu_notrace(kw_vcpus, v, hash, (unsigned long)vcpu)
		if (v->run == kw_vcpu_run(vcpu))
			return v;
	return NULL;
}

struct kw_vcpu *kw_vcpu_get(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	return kw_vcpu_find(vcpu) ?: track(vcpu, backend);
}

struct kw_vcpu *kw_vcpu_current(void)
{
	struct kvm_vcpu *vcpu = kw_vcpu_loaded();

	return vcpu ? kw_vcpu_find(vcpu) : NULL;
}

void kw_guest_may_stop(struct kw_guest *guest)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	if (!guest->unhashed && hlist_unhashed(&guest->once_stopped))
		hlist_add_head_rcu(&guest->once_stopped, &kw_once_stopped);
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
}

static bool mm_was_stopped(struct mm_struct *mm)
{
	struct kw_guest *guest;

	hlist_for_each_entry_rcu_notrace(guest, &kw_once_stopped, once_stopped)
		if (guest->mm == mm)
			return true;
	return false;
}

/* Of a VM that is not tracked this is asked at each entry: it takes no lock. */
static bool is_stopped(struct kvm *kvm)
{
	struct kw_guest *guest;
	unsigned long irq;
	bool stopped;

	if (!mm_was_stopped(kw_kvm_mm(kvm)))
		return false;
	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	guest = find_by_kvm(kvm, kw_kvm_mm(kvm));
	stopped = guest && READ_ONCE(guest->stop.why);
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
	return stopped;
}

/* A vCPU that has not exited yet joins its guest here, but never makes one. */
struct kw_vcpu *kw_vcpu_if_stopped(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v = kw_vcpu_find(vcpu);

	if (v)
		return READ_ONCE(v->guest->stop.why) ? v : NULL;
	if (!is_stopped(kw_vcpu_kvm(vcpu)))
		return NULL;
	v = alloc_vcpu(vcpu, backend);
	if (!v)
		return ERR_PTR(-ENOMEM);
	/* What tells of an encrypted one is set up behind kvm_entry: its first exit looks. */
	if (insert(NULL, v))
		return joined(v, KW_NO_EXIT);
	free_vcpu(v);
	return NULL;
}

/* ---- finding ---- */

struct kw_guest *kw_guest_next(u64 id)
{
	struct kw_guest *guest, *found = NULL;
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	list_for_each_entry(guest, &kw_guests, node) {
		if (guest->id > id) {	/* the list is in the order of ids */
			found = guest;
			refcount_inc(&found->refs);
			break;
		}
	}
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
	return found;
}

struct kw_guest *kw_guest_find(u64 id)
{
	struct kw_guest *guest = id ? kw_guest_next(id - 1) : NULL;

	if (guest && guest->id != id) {
		kw_guest_put(guest);
		return NULL;
	}
	return guest;
}

void kw_guest_put(struct kw_guest *guest)
{
	if (refcount_dec_and_test(&guest->refs))
		free_guest(guest);
}

u64 kw_guest_untracked_exits(void)
{
	return atomic64_read(&untracked_exits);
}

unsigned int kw_guest_count(void)
{
	return READ_ONCE(guest_count);
}

struct kw_vcpu *kw_guest_vcpu(struct kw_guest *guest, u32 idx)
{
	struct kw_vcpu *v, *found = NULL;

	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node)
		if (v->idx == idx)
			found = v;
	rcu_read_unlock();
	return found;
}

/*
 * Whether the process that is known as the guest's VMM still runs in the guest's
 * address space: it may have executed another program, while a process that
 * shares the old one goes on with the guest; and its number may be another's.
 */
static bool vmm_has_guest(struct kw_guest *guest)
{
	struct task_struct *vmm, *t;

	vmm = pid_task(guest->vmm, PIDTYPE_TGID);
	if (vmm)
		for_each_thread(vmm, t)		/* the first one may have ended */
			if (READ_ONCE(t->mm) == guest->mm)
				return true;
	return false;
}

void kw_guest_info(struct kw_guest *guest, struct kvm_warden_guest_info *info)
{
	struct kw_vcpu *v;
	unsigned int i;

	*info = (struct kvm_warden_guest_info) {
		.guest = guest->id,
		.flags = atomic_read(&guest->flags) | kw_freeze_flags(guest),
		.emitted = atomic64_read(&guest->emitted),
		.seen_again = atomic64_read(&guest->seen_again),
		.delivered = READ_ONCE(guest->told.delivered),
		.dropped = READ_ONCE(guest->told.dropped),
		.suppressed = READ_ONCE(guest->told.suppressed),
		.missed = READ_ONCE(guest->told.missed),
		.level = READ_ONCE(guest->level),
		.address_spaces = atomic_read(&guest->address_spaces),
	};
	rcu_read_lock();
	if (vmm_has_guest(guest))
		info->vmm_pid = guest->vmm_pid;
	list_for_each_entry_rcu(v, &guest->vcpus, node) {
		info->vcpus++;
		for (i = 0; i < KW_REASONS; i++)
			info->exits += READ_ONCE(v->reasons[i]);
	}
	rcu_read_unlock();
}

void kw_guest_told(struct kw_guest *guest, const struct kvm_warden_counts *counts)
{
	WRITE_ONCE(guest->told.delivered, counts->delivered);
	WRITE_ONCE(guest->told.dropped, counts->dropped);
	WRITE_ONCE(guest->told.suppressed, counts->suppressed);
	WRITE_ONCE(guest->told.missed, counts->missed);
}

struct file *kw_guest_pin(struct kw_guest *guest)
{
	struct kw_vcpu *v = list_first_entry(&guest->vcpus, struct kw_vcpu, node);

	if (READ_ONCE(guest->gone))
		return NULL;
	return kw_kvm_pin(guest->kvm, guest->vmm, &guest->fd_hint, v->idx, v->run);
}

/* ---- ending ---- */

static void unhash(struct kw_guest *guest, struct list_head *dead)
{
	struct kw_vcpu *v;
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	list_move_tail(&guest->node, dead);
	guest_count--;
	WRITE_ONCE(guest->unhashed, true);
	if (!hlist_unhashed(&guest->once_stopped))
		hlist_del_init_rcu(&guest->once_stopped);
	list_for_each_entry(v, &guest->vcpus, node)
		hash_del_rcu(&v->hash);
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
}

/* Hooks of KVM's, and callbacks of page tracking, which run with preemption off. */
static void wait_for_probes(void)
{
	tracepoint_synchronize_unregister();
	synchronize_rcu();
}

/* Two grace periods for all of them: a storm of short VMs does not outrun us. */
static void remove_guests(struct list_head *dead)
{
	struct kw_guest *guest, *next;

	if (list_empty(dead))
		return;
	wait_for_probes();	/* none remembers one anew from here on */
	kw_exit_forget();
	wait_for_probes();	/* none uses what it remembered */
	list_for_each_entry_safe(guest, next, dead, node) {
		list_del_init(&guest->node);
		kw_freeze_end_guest(guest);
		kw_emit_down(guest);
		kw_sysfs_remove(guest);
		WRITE_ONCE(guest->gone, true);
		wake_up_all(&guest->wait);
		kw_guest_put(guest);
	}
}

/*
 * KVM frees a vCPU's page with the vCPU: then the reference to it is ours alone,
 * unless someone pinned the page (a pipe does); no vCPU runs without its mm.
 */
static bool has_vcpus(struct kw_guest *guest)
{
	struct kw_vcpu *v;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node)
		found |= page_count(virt_to_page(v->run)) > 1;
	rcu_read_unlock();
	return found;
}

/*
 * A VMM may close every file while a vCPU runs on, is halted or parked: what
 * has vCPUs is not dead, else it would slip its containment.
 */
static bool is_alive(struct kw_guest *guest)
{
	struct file *file = kw_guest_pin(guest);
	struct kvm_warden_guest_info info;
	bool ran, alive;

	kw_guest_info(guest, &info);
	ran = info.exits != guest->exits_seen;
	guest->exits_seen = info.exits;
	if (info.flags & KVM_WARDEN_GUEST_NESTED)
		kw_watch_end(guest, KVM_WARDEN_WRITE_NESTED, true);
	if (info.flags & KVM_WARDEN_GUEST_ENCRYPTED)
		kw_watch_end(guest, KVM_WARDEN_WRITE_ENCRYPTED, true);
	if (!file) {
		/* A watch holds the VM, which the VMM has let go. */
		kw_watch_end(guest, KVM_WARDEN_WRITE_VM, true);
		alive = atomic_read(&guest->mm->mm_users) && has_vcpus(guest);
		/* A VMM that ends closes its files before its memory goes, but then nothing runs. */
		if (ran && alive && guest->no_file)
			kw_guest_mark(guest, KVM_WARDEN_GUEST_HIDDEN);
		guest->no_file = true;
		return alive;
	}
	guest->no_file = false;
	if (!(info.flags & KVM_WARDEN_GUEST_ENCRYPTED) && kw_kvm_has_memory_apart(guest->kvm))
		kw_guest_mark(guest, KVM_WARDEN_GUEST_ENCRYPTED);
	fput(file);
	return true;
}

/*
 * What shows nothing new at its exits may be another kind of guest by now: its save
 * area stands still once it is encrypted, and a guest of its own may share its values.
 */
static void look_again(struct kw_guest *guest)
{
	struct kw_vcpu *v;

	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node)
		kw_exit_look_again(v);
	rcu_read_unlock();
}

/* One worker at a time: the references it takes keep each guest in place. */
static void reap_fn(struct work_struct *work)
{
	struct kw_guest *guest;
	LIST_HEAD(dead);
	u64 id = 0;

	while ((guest = kw_guest_next(id))) {
		id = guest->id;
		if (is_alive(guest)) {
			kw_sysfs_add(guest);
			look_again(guest);
		} else {
			unhash(guest, &dead);
		}
		kw_guest_put(guest);
		cond_resched();
	}
	remove_guests(&dead);
	if (kw_guest_count())
		schedule_delayed_work(&reap_work, REAP_INTERVAL);
}

/* The probe is detached and no fd is open: nobody else is here. */
void kw_guest_exit(void)
{
	struct kw_guest *guest;
	LIST_HEAD(dead);

	cancel_delayed_work_sync(&reap_work);
	while ((guest = kw_guest_next(0))) {
		unhash(guest, &dead);
		kw_guest_put(guest);
	}
	remove_guests(&dead);
	rcu_barrier();
}

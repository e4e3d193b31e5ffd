// SPDX-License-Identifier: GPL-2.0-only
/*
 * Locking: kw_guests_lock guards the list of guests and the hash of vCPUs; the
 * exit probe takes it for a vCPU's first exit alone, and finds vCPUs under RCU
 * otherwise.  Each CPU remembers the vCPU it ran last (kw_running), so that
 * most exits need no look-up; removal clears that memory between two grace
 * periods.
 */
#include "guest.h"

#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "events.h"
#include "exit.h"
#include "kvm_glue.h"
#include "sysfs.h"

#define REAP_INTERVAL msecs_to_jiffies(250)

static DEFINE_RAW_SPINLOCK(kw_guests_lock);
static LIST_HEAD(kw_guests);
static DEFINE_HASHTABLE(kw_vcpus, 10);
static u64 last_id;
static unsigned int guest_count;

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
	refcount_set(&guest->refs, 1);
	INIT_LIST_HEAD(&guest->node);
	INIT_LIST_HEAD(&guest->vcpus);
	init_waitqueue_head(&guest->wait);
	return guest;
}

static void free_guest(struct kw_guest *guest)
{
	struct kw_vcpu *v, *next;

	list_for_each_entry_safe(v, next, &guest->vcpus, node)
		kfree(v);
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
	v->idx = kw_vcpu_index(vcpu);
	v->opaque = backend->encrypted(vcpu);
	v->want_regs = true;
	seqcount_init(&v->regs_seq);
	return v;
}

static struct kw_guest *find_by_kvm(struct kvm *kvm, struct mm_struct *mm)
{
	struct kw_guest *guest;

	list_for_each_entry(guest, &kw_guests, node)
		if (guest->kvm == kvm && guest->mm == mm)
			return guest;
	return NULL;
}

/* Both are consumed.  Returns the guest that v belongs to now. */
static struct kw_guest *insert(struct kw_guest *fresh, struct kw_vcpu *v, bool *ret_new)
{
	struct kw_guest *guest;
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	guest = find_by_kvm(fresh->kvm, fresh->mm);
	*ret_new = !guest;
	if (!guest) {
		guest = fresh;
		guest->id = ++last_id;
		list_add_tail(&guest->node, &kw_guests);
		guest_count++;
	}
	v->guest = guest;
	if (v->opaque)
		guest->flags |= KVM_WARDEN_GUEST_ENCRYPTED;
	list_add_tail_rcu(&v->node, &guest->vcpus);
	hash_add_rcu(kw_vcpus, &v->hash, (unsigned long)v->vcpu);
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
	return guest;
}

static noinline struct kw_vcpu *track(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v = alloc_vcpu(vcpu, backend);
	struct kw_guest *fresh = alloc_guest(vcpu);
	struct kw_guest *guest;
	bool new;

	if (!v || !fresh) {
		kfree(v);
		if (fresh)
			free_guest(fresh);
		return NULL;
	}
	guest = insert(fresh, v, &new);
	if (new) {
		kw_emit(v, KVM_WARDEN_EVENT_GUEST_UP, 0, backend->reason(vcpu));
		mod_delayed_work(system_wq, &reap_work, 0);
	} else {
		free_guest(fresh);
	}
	return v;
}

struct kw_vcpu *kw_vcpu_get(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v;

	hash_for_each_possible_rcu_notrace(kw_vcpus, v, hash, (unsigned long)vcpu)
		if (v->vcpu == vcpu && kw_vcpu_is_current(v, vcpu))
			return v;
	return track(vcpu, backend);
}

/*
 * An address alone does not tell: the VM may be gone, its memory reused, and
 * our reaper not yet there.  The mm is ours by reference, so it is unique; what
 * remains is a VMM process that replaces one VM by another at the very same
 * addresses within the reaper's interval.
 */
bool kw_vcpu_is_current(struct kw_vcpu *v, struct kvm_vcpu *vcpu)
{
	struct kvm *kvm = kw_vcpu_kvm(vcpu);

	return v->guest->kvm == kvm && v->guest->mm == kw_kvm_mm(kvm) &&
	       v->idx == kw_vcpu_index(vcpu);
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

void kw_guest_info(struct kw_guest *guest, struct kvm_warden_guest_info *info)
{
	struct kw_vcpu *v;

	*info = (struct kvm_warden_guest_info) {
		.guest = guest->id,
		.vmm_pid = guest->vmm_pid,
		.flags = READ_ONCE(guest->flags),
		.emitted = atomic64_read(&guest->emitted),
		.suppressed = atomic64_read(&guest->suppressed),
	};
	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node) {
		info->vcpus++;
		info->exits += READ_ONCE(v->exits);
	}
	rcu_read_unlock();
}

struct file *kw_guest_pin(struct kw_guest *guest)
{
	if (READ_ONCE(guest->gone))
		return NULL;
	return kw_kvm_pin(guest->kvm, guest->vmm, &guest->fd_hint);
}

/* ---- ending ---- */

static void unhash(struct kw_guest *guest)
{
	struct kw_vcpu *v;
	unsigned long irq;

	raw_spin_lock_irqsave(&kw_guests_lock, irq);
	list_del_init(&guest->node);
	guest_count--;
	list_for_each_entry(v, &guest->vcpus, node)
		hash_del_rcu(&v->hash);
	raw_spin_unlock_irqrestore(&kw_guests_lock, irq);
}

static void remove_guest(struct kw_guest *guest)
{
	unhash(guest);
	synchronize_rcu();		/* no probe remembers it anew from here on */
	kw_exit_forget(guest);
	synchronize_rcu();		/* no probe uses what it remembered */
	kw_emit_down(guest);
	kw_sysfs_remove(guest);
	WRITE_ONCE(guest->gone, true);
	wake_up_all(&guest->wait);
	kw_guest_put(guest);
}

static bool is_alive(struct kw_guest *guest)
{
	struct file *file = kw_guest_pin(guest);

	if (!file)
		return false;
	fput(file);
	return true;
}

/* One worker at a time: the references it takes keep each guest in place. */
static void reap_fn(struct work_struct *work)
{
	struct kw_guest *guest;
	u64 id = 0;

	while ((guest = kw_guest_next(id))) {
		id = guest->id;
		if (is_alive(guest))
			kw_sysfs_add(guest);
		else
			remove_guest(guest);
		kw_guest_put(guest);
	}
	if (kw_guest_count())
		schedule_delayed_work(&reap_work, REAP_INTERVAL);
}

int kw_guest_init(void)
{
	return 0;
}

/* The probe is detached and no fd is open: nobody else is here. */
void kw_guest_exit(void)
{
	struct kw_guest *guest;

	cancel_delayed_work_sync(&reap_work);
	while ((guest = kw_guest_next(0))) {
		remove_guest(guest);
		kw_guest_put(guest);
	}
	rcu_barrier();
}

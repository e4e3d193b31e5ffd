// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a vCPU is stopped
 *
 * While a guest is stopped, a probe is attached to kvm_entry.  KVM fires it on
 * the vCPU's thread with interrupts off, after its last look at pending work
 * and before VMRUN, at every entry without exception.  The entry cannot be
 * taken back there, but it can be made to end at once, as KVM itself does it
 * for an immediate exit: an interrupt to this CPU stays pending until VMRUN,
 * which then exits before the guest's first instruction.  The probe also queues
 * a task_work, which sets TIF_NOTIFY_RESUME.  vcpu_run() looks at that flag
 * after each exit it handled, with kvm->srcu let go, and
 * xfer_to_guest_mode_handle_work() runs the work: there the thread sleeps.
 *
 * Signals come first in xfer_to_guest_mode_work(): it returns -EINTR before it
 * would run our work again, so that a thread with a signal leaves KVM_RUN, and
 * no signal makes it spin.  An exit that the VMM must handle leaves KVM_RUN as
 * well; the work then runs on the way to user mode, where the vCPU is not
 * loaded: it does nothing, and the next entry queues it again.
 *
 * A request sets stop.why and interrupts every CPU.  Whoever was in the guest
 * has left it when kick_all_cpus_sync() returns, and each later entry sees why:
 * from then on no instruction runs, wherever each thread may be.
 *
 * The work is queued by its own thread alone, in KVM_RUN, and runs before that
 * thread is back in user mode or in the guest: none is left behind anywhere.
 */
#include "freeze.h"

#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>
#include <uapi/linux/kvm_warden.h>

#include "attach.h"
#include "compat/compat.h"
#include "guest.h"
#include "kvm_glue.h"

/* A deadline far away is looked at again before jiffies could overflow. */
#define LOOK_AGAIN_MS (60 * 60 * 1000)

static atomic_t works = ATOMIC_INIT(0);	/* queued or running */
static bool ever_used;

/* ---- on the vCPU's thread ---- */

/* From here on the next entry may queue it again, on any thread. */
static void work_done(struct kw_vcpu *v)
{
	struct kw_guest *guest = v->guest;

	smp_store_release(&v->arming, false);
	kw_guest_put(guest);
	if (atomic_dec_and_test(&works))
		wake_up_var(&works);
}

static void park(struct callback_head *work)
{
	struct kw_vcpu *v = container_of(work, struct kw_vcpu, park);
	struct kw_guest *guest = v->guest;

	if (kw_vcpu_is_loaded(v->vcpu)) {
		v->parks++;
		WRITE_ONCE(v->parked_at, ktime_get_mono_fast_ns());
		smp_store_release(&v->parked, true);
		wait_event_interruptible(guest->runs, !READ_ONCE(guest->stop.why));
		WRITE_ONCE(v->parked, false);
	}
	work_done(v);
}

/*
 * A VMM that moves a vCPU to another thread may find the first one's work not
 * run yet: the second one exits at once again until it has.
 */
static void arm(struct kw_vcpu *v)
{
	if (xchg(&v->arming, true))
		return;
	refcount_inc(&v->guest->refs);
	atomic_inc(&works);
	init_task_work(&v->park, park);
	if (task_work_add(current, &v->park, TWA_RESUME))
		work_done(v);	/* a thread that ends enters no guest */
}

void kw_freeze_at_entry(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v = kw_vcpu_if_stopped(vcpu, backend);

	if (!v)
		return;
	if (!IS_ERR(v))
		arm(v);
	smp_send_reschedule(smp_processor_id());
}

/* ---- beginning and ending, under stop_lock ---- */

/* Each reason to stop keeps the hook; a containment keeps the module as well. */
static int hold(struct kw_guest *guest)
{
	lockdep_assert_held(&guest->stop_lock);
	if (guest->stop_refused)
		return -ENOENT;
	WRITE_ONCE(ever_used, true);
	kw_guest_may_stop(guest);
	return kw_attach_hold_entry();
}

static void let_go(struct kw_guest *guest, u32 what)
{
	lockdep_assert_held(&guest->stop_lock);
	if (!READ_ONCE(guest->stop.why))
		wake_up_all(&guest->runs);
	if (what & KW_STOP_FROZEN)
		kw_attach_drop_entry();
	if (what & KW_STOP_CONTAINED) {
		kw_attach_drop_entry();
		module_put(THIS_MODULE);
	}
}

static void watch_deadline(struct kw_guest *guest)
{
	u64 deadline = kw_stop_deadline(&guest->stop), now = ktime_get_ns(), ms;

	if (deadline == KW_NEVER)
		return;
	ms = deadline > now ? div_u64(deadline - now, NSEC_PER_MSEC) + 1 : 0;
	mod_delayed_work(system_highpri_wq, &guest->stop_over,
			 msecs_to_jiffies(min_t(u64, ms, LOOK_AGAIN_MS)));
}

static void stop_over_fn(struct work_struct *work)
{
	struct kw_guest *guest = container_of(to_delayed_work(work), struct kw_guest, stop_over);

	mutex_lock(&guest->stop_lock);
	let_go(guest, kw_stop_expire(&guest->stop, ktime_get_ns()));
	watch_deadline(guest);
	mutex_unlock(&guest->stop_lock);
}

void kw_freeze_init_guest(struct kw_guest *guest)
{
	mutex_init(&guest->stop_lock);
	kw_stop_init(&guest->stop, ktime_get_mono_fast_ns());
	init_waitqueue_head(&guest->runs);
	INIT_DELAYED_WORK(&guest->stop_over, stop_over_fn);
}

void kw_freeze_end_guest(struct kw_guest *guest)
{
	u32 what;

	mutex_lock(&guest->stop_lock);
	guest->stop_refused = true;
	what = guest->stop.why;
	WRITE_ONCE(guest->stop.why, 0);
	let_go(guest, what);
	mutex_unlock(&guest->stop_lock);
	cancel_delayed_work_sync(&guest->stop_over);
}

/*
 * A thread that has just run park() may still stand on its last instructions.
 * rcu_tasks waits until each thread has switched of its own will since.
 */
void kw_freeze_exit(void)
{
	if (!ever_used)
		return;
	wait_var_event(&works, !atomic_read(&works));
	synchronize_rcu_tasks();
}

/* ---- containment ---- */

int kw_freeze_contain(struct kw_guest *guest, u64 expiry_ms)
{
	int r = 0;

	mutex_lock(&guest->stop_lock);
	if (!(guest->stop.why & KW_STOP_CONTAINED)) {
		r = hold(guest);
		if (r)
			goto out;
		__module_get(THIS_MODULE);
	}
	kw_stop_contain(&guest->stop, ktime_get_ns(), expiry_ms);
	watch_deadline(guest);
	kick_all_cpus_sync();
out:
	mutex_unlock(&guest->stop_lock);
	return r;
}

int kw_freeze_release(struct kw_guest *guest)
{
	int r = -ENOENT;

	mutex_lock(&guest->stop_lock);
	if (kw_stop_release(&guest->stop)) {
		let_go(guest, KW_STOP_CONTAINED);
		r = 0;
	}
	mutex_unlock(&guest->stop_lock);
	return r;
}

/* ---- observation ---- */

/* Counts anew.  True once every vCPU is where it will stay. */
static bool all_at_rest(struct kw_guest *guest, bool pinned, struct kvm_warden_freeze *request,
			u64 *last)
{
	struct kw_vcpu *v;

	request->vcpus = request->parked = request->outside = 0;
	rcu_read_lock();
	list_for_each_entry_rcu(v, &guest->vcpus, node) {
		request->vcpus++;
		if (smp_load_acquire(&v->parked)) {
			request->parked++;
			*last = max(*last, READ_ONCE(v->parked_at));
		} else if (pinned && kw_vcpu_is_halted(v->vcpu)) {
			request->parked++;
		} else if (pinned && kw_vcpu_is_outside(v->vcpu)) {
			request->outside++;
		}
	}
	rcu_read_unlock();
	return request->parked + request->outside == request->vcpus;
}

/* The guest stands still already; this waits until its threads do too. */
static int wait_for_rest(struct kw_guest *guest, u64 asked, struct kvm_warden_freeze *request)
{
	struct file *file = kw_guest_pin(guest);
	u64 last = ktime_get_ns(), limit = last + (u64)request->timeout_ms * NSEC_PER_MSEC / 4;
	int r = 0;

	while (!all_at_rest(guest, file, request, &last) && ktime_get_ns() < limit) {
		if (signal_pending(current)) {
			r = -EINTR;
			break;
		}
		usleep_range(50, 100);
	}
	request->took_ns = last - asked;
	if (file)
		fput(file);
	return r;
}

/* Time runs from when the hook is there: attaching it may take a while. */
static int begin(struct kw_guest *guest, const void *holder, struct kvm_warden_freeze *request)
{
	int r;

	mutex_lock(&guest->stop_lock);
	r = READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF ? -EACCES : hold(guest);
	if (r)
		goto out;
	r = kw_stop_freeze(&guest->stop, holder, ktime_get_ns(), request->timeout_ms,
			   &request->wait_ns);
	if (r) {
		kw_attach_drop_entry();
		goto out;
	}
	watch_deadline(guest);
	kick_all_cpus_sync();
out:
	mutex_unlock(&guest->stop_lock);
	return r;
}

int kw_freeze_begin(struct kw_guest *guest, const void *holder, struct kvm_warden_freeze *request)
{
	u64 asked = ktime_get_ns();
	int r = begin(guest, holder, request);

	if (r)
		return r == -ENOENT ? -ENODEV : r;
	r = wait_for_rest(guest, asked, request);
	if (r)
		kw_freeze_thaw(guest, holder);
	return r;
}

int kw_freeze_thaw(struct kw_guest *guest, const void *holder)
{
	int r = -ENOENT;

	mutex_lock(&guest->stop_lock);
	if (kw_stop_thaw(&guest->stop, holder, ktime_get_ns())) {
		let_go(guest, KW_STOP_FROZEN);
		r = 0;
	}
	mutex_unlock(&guest->stop_lock);
	return r;
}

u32 kw_freeze_flags(struct kw_guest *guest)
{
	u32 why = READ_ONCE(guest->stop.why);

	return (why & KW_STOP_CONTAINED ? KVM_WARDEN_GUEST_CONTAINED : 0) |
	       (why & KW_STOP_FROZEN ? KVM_WARDEN_GUEST_FROZEN : 0);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who asks, and when it is heard
 *
 * A tracepoint tells when its first consumer comes and its last one goes, with
 * the lock of all tracepoints held: attaching to another one needs that lock.
 * So the asking is counted there, and a work attaches soon after.
 *
 * When the module goes, its trace events are taken from their last consumers
 * after kw_exit(): from then on counting is all that happens.
 */
#include "hooks.h"

#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>

#include "attach.h"
#include "backend.h"
#include "compat/compat.h"
#include "events.h"
#include "guest.h"
#include "kvm_glue.h"
#include "trace.h"
#include "watch.h"

/* ---- the probes, on the vCPU's thread ---- */

/* What a nested guest does is not our guest's doing. */
static bool may_tell(const struct kw_vcpu *v)
{
	return READ_ONCE(v->guest->level) != KVM_WARDEN_LEVEL_OFF &&
	       !kw_vcpu_in_nested_guest(v->vcpu);
}

static struct kvm_warden_event event_of(const struct kw_vcpu *v, u32 type, u64 value, u64 data,
					u32 flags)
{
	return (struct kvm_warden_event) {
		.type = type, .value = value, .data = data, .flags = flags,
		.exit_reason = v->backend->reason(v->vcpu),
	};
}

static void tell(struct kw_vcpu *v, u32 type, u64 value, u64 data, u32 flags)
{
	struct kvm_warden_event event = event_of(v, type, value, data, flags);

	kw_emit_event(v, &event);
}

static void on_page_fault(struct kw_vcpu *v, u64 gpa, u64 error)
{
	bool fetch = error & v->backend->fault_fetch;

	v->hook_counts[fetch ? KW_EXEC_FAULTS : KW_PAGE_FAULTS]++;
	if (rcu_access_pointer(v->guest->watch))
		kw_watch_on_fault(v, gpa, error);
	if (!may_tell(v))
		return;
	if (fetch && trace_kvm_warden_exec_fault_enabled())
		tell(v, KVM_WARDEN_EVENT_EXEC_FAULT, gpa, error, 0);
	if (!fetch && trace_kvm_warden_page_fault_enabled())
		tell(v, KVM_WARDEN_EVENT_PAGE_FAULT, gpa, error, 0);
}

/* Most writes are of a kind that was seen: they cost a look into a small table. */
static bool is_first(const struct kw_vcpu *v, u32 msr, u64 value, bool refused)
{
	return trace_kvm_warden_msr_first_enabled() &&
	       kw_kind_is_new(v->guest->msr_kinds, kw_msr_kind(msr, value, refused));
}

static noinline void tell_first(struct kw_vcpu *v, u32 msr, u64 value, u32 flags)
{
	struct kvm_warden_event event = event_of(v, KVM_WARDEN_EVENT_MSR_WRITE, msr, value, flags);

	kw_emit_msr_first(v, &event);
}

static void on_msr(struct kw_vcpu *v, bool write, u32 msr, u64 value, bool refused)
{
	u32 flags = refused ? KVM_WARDEN_EVENT_REFUSED : 0;

	v->hook_counts[write ? KW_MSR_WRITES : KW_MSR_READS]++;
	if (!write || !may_tell(v))
		return;
	if (is_first(v, msr, value, refused))
		tell_first(v, msr, value, flags);
	if (trace_kvm_warden_msr_write_enabled())
		tell(v, KVM_WARDEN_EVENT_MSR_WRITE, msr, value, flags);
}

static void on_cr(struct kw_vcpu *v, bool write, unsigned int cr, u64 value)
{
	v->hook_counts[write ? KW_CR_WRITES : KW_CR_READS]++;
	if (write && may_tell(v) && trace_kvm_warden_cr_write_enabled())
		tell(v, KVM_WARDEN_EVENT_CR_WRITE, cr, value, 0);
}

static void probe_page_fault(void *data, struct kvm_vcpu *vcpu, u64 gpa, u64 error)
{
	struct kw_vcpu *v;

	preempt_disable_notrace();
	v = kw_vcpu_find(vcpu);
	if (v)
		on_page_fault(v, gpa, error);
	preempt_enable_notrace();
}

/* These two do not say whose exit it is; the thread does. */
static void probe_msr(void *data, unsigned int write, u32 msr, u64 value, bool refused)
{
	struct kw_vcpu *v;

	preempt_disable_notrace();
	v = kw_vcpu_current();
	if (v)
		on_msr(v, write, msr, value, refused);
	preempt_enable_notrace();
}

static void probe_cr(void *data, unsigned int write, unsigned int cr, unsigned long value)
{
	struct kw_vcpu *v;

	preempt_disable_notrace();
	v = kw_vcpu_current();
	if (v)
		on_cr(v, write, cr, value);
	preempt_enable_notrace();
}

#define HOLD_TO(probe, tracepoint)							\
	static_assert(__builtin_types_compatible_p(typeof(&(probe)), fact_trace_##tracepoint),	\
		      "the target's " #tracepoint " tracepoint has another prototype")
HOLD_TO(probe_page_fault, kvm_page_fault);
HOLD_TO(probe_msr, kvm_msr);
HOLD_TO(probe_cr, kvm_cr);

/* ---- attaching, under attach.c's lock ---- */

static struct hook {
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
	unsigned int asked;		/* by asked_lock */
	bool attached;
} hooks[KW_HOOKS] = {
	[KW_HOOK_PAGE_FAULT] = { "kvm_page_fault", probe_page_fault },
	[KW_HOOK_MSR] = { "kvm_msr", probe_msr },
	[KW_HOOK_CR] = { "kvm_cr", probe_cr },
};

static DEFINE_SPINLOCK(asked_lock);
static bool heard;			/* by asked_lock: asking starts the work */

void kw_hooks_set_kvm(struct module *kvm)
{
	struct hook *hook;

	for (hook = hooks; hook < hooks + KW_HOOKS; hook++)
		hook->tracepoint = kvm ? kw_attach_tracepoint(kvm, hook->name) : NULL;
}

static void apply(struct hook *hook, bool on)
{
	bool want = on && hook->tracepoint && READ_ONCE(hook->asked);
	int r;

	if (want && !hook->attached) {
		r = tracepoint_probe_register(hook->tracepoint, hook->probe, NULL);
		if (r)
			pr_err("kvm_warden: cannot attach to %s: error %d\n", hook->name, r);
		hook->attached = !r;
	} else if (!want && hook->attached) {
		tracepoint_probe_unregister(hook->tracepoint, hook->probe, NULL);
		hook->attached = false;
	}
}

void kw_hooks_apply(bool on)
{
	struct hook *hook;

	for (hook = hooks; hook < hooks + KW_HOOKS; hook++)
		apply(hook, on);
}

static void apply_fn(struct work_struct *work)
{
	kw_attach_apply_hooks();
}

static DECLARE_WORK(apply_work, apply_fn);

/* ---- asking ---- */

static void ask(enum kw_hook hook, int change)
{
	spin_lock(&asked_lock);
	hooks[hook].asked += change;
	if (heard)
		schedule_work(&apply_work);
	spin_unlock(&asked_lock);
}

int kw_hook_hold(enum kw_hook hook)
{
	ask(hook, 1);
	kw_attach_apply_hooks();
	if (READ_ONCE(hooks[hook].attached))
		return 0;
	kw_hook_drop(hook);
	return -ESHUTDOWN;
}

void kw_hook_drop(enum kw_hook hook)
{
	ask(hook, -1);
}

const char *kw_hooks_describe(enum kw_hook hook, unsigned int *asked, bool *attached)
{
	*asked = READ_ONCE(hooks[hook].asked);
	*attached = READ_ONCE(hooks[hook].attached);
	return hooks[hook].name;
}

#define CONSUMERS(name, hook)		\
	int kw_hook_##name##_reg(void)		\
	{					\
		ask(hook, 1);			\
		return 0;			\
	}					\
						\
	void kw_hook_##name##_unreg(void)	\
	{					\
		ask(hook, -1);			\
	}

CONSUMERS(page_fault, KW_HOOK_PAGE_FAULT)
CONSUMERS(msr, KW_HOOK_MSR)
CONSUMERS(cr, KW_HOOK_CR)

static void hear(bool on)
{
	spin_lock(&asked_lock);
	heard = on;
	spin_unlock(&asked_lock);
}

/* Somebody may have asked before the module was ready (trace_event= at boot). */
void kw_hooks_init(void)
{
	hear(true);
	schedule_work(&apply_work);
}

void kw_hooks_exit(void)
{
	hear(false);
	cancel_work_sync(&apply_work);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hot path.  An exit of a vCPU that runs on where it ran before costs one
 * comparison to find its state, three to see that nothing changed, and a
 * counter.  Everything else is out of line, in tail calls, so that this needs
 * no stack; and it is not traced.
 *
 * kvm_exit fires with preemption on or off, depending on the kernel.  The hot
 * path does not care: v is checked to be the vCPU's, which this thread alone
 * writes to, and it stays as long as the tracepoint's readers (guest.c).
 */
#include "exit.h"

#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/string.h>
#include <linux/ktime.h>

#include "compat/compat.h"
#include "events.h"
#include "freeze.h"
#include "guest.h"
#include "kvm_glue.h"
#ifdef FACT_HAVE_SVM
#include "svm.h"
#endif
#ifdef FACT_HAVE_VMX
#include "vmx.h"
#endif

/* No vCPU's: its run is no page. */
static struct kw_vcpu nobody;

/* The vCPU that exited last on this CPU. */
static DEFINE_PER_CPU(struct kw_vcpu *, kw_running);

static __always_inline void take_regs(struct kw_vcpu *v, struct kvm_vcpu *vcpu,
				      const struct kw_backend *backend)
{
	write_seqcount_begin(&v->regs_seq);
	memset(&v->regs, 0, sizeof(v->regs));
	if (kw_vcpu_in_nested_guest(vcpu))
		v->regs.flags = KVM_WARDEN_REGS_GUEST_MODE;
	else
		backend->sample(vcpu, &v->regs);
	v->regs_time = ktime_get_mono_fast_ns();
	write_seqcount_end(&v->regs_seq);
	WRITE_ONCE(v->want_regs, false);
}

/* A request made after this either finds its mark in place or is seen at once. */
static __always_inline bool regs_are_wanted(struct kw_vcpu *v, u64 idtr)
{
	WRITE_ONCE(v->hot.idtr, idtr);
	smp_mb();	/* pairs with kw_exit_want_regs() */
	return READ_ONCE(v->want_regs);
}

void kw_exit_want_regs(struct kw_vcpu *v)
{
	WRITE_ONCE(v->want_regs, true);
	smp_mb();	/* pairs with regs_are_wanted() */
	kw_exit_look_again(v);
}

void kw_exit_look_again(struct kw_vcpu *v)
{
	WRITE_ONCE(v->hot.idtr, KW_NO_IDTR);
}

/*
 * A VM can become encrypted after it ran, as the destination of an encrypted one
 * that moves.  The mark comes first: who reads no sample then finds out why.
 */
static noinline void become_opaque(struct kw_vcpu *v)
{
	v->opaque = true;
	kw_guest_mark(v->guest, KVM_WARDEN_GUEST_ENCRYPTED);
	v->seen = (struct kw_seen){ 0 };
	write_seqcount_begin(&v->regs_seq);
	memset(&v->regs, 0, sizeof(v->regs));
	WRITE_ONCE(v->regs_time, 0);
	write_seqcount_end(&v->regs_seq);
	WRITE_ONCE(v->want_regs, false);
}

static __always_inline void note_changes(struct kw_vcpu *v, u64 cr3, u64 lstar, u64 idtr,
					 u32 reason)
{
	u32 changed = kw_seen_update(&v->seen, cr3, lstar, idtr);

	if (READ_ONCE(v->guest->level) == KVM_WARDEN_LEVEL_OFF)
		return;
	if (changed & KW_CHANGED_CR3) {
		if (kw_root_is_new(v->guest->roots, cr3))
			atomic_inc(&v->guest->address_spaces);
		if (kw_recent_is_new(v->guest->recent, cr3, jiffies))
			kw_emit(v, KVM_WARDEN_EVENT_ADDRESS_SPACE, cr3, reason);
		else
			atomic64_inc(&v->guest->seen_again);
	}
	if (changed & KW_CHANGED_LSTAR)
		kw_emit(v, KVM_WARDEN_EVENT_ENTRY_POINT, lstar, reason);
	if (changed & KW_CHANGED_IDTR)
		kw_emit(v, KVM_WARDEN_EVENT_IDT, idtr, reason);
}

/* Something changed, or someone asked.  A nested guest's registers are its own. */
static __always_inline void slow_path(struct kw_vcpu *v, struct kvm_vcpu *vcpu,
				      const struct kw_backend *backend)
{
	u64 cr3 = backend->cr3(vcpu), lstar = backend->lstar(vcpu), idtr = backend->idtr(vcpu);
	bool nested = kw_vcpu_in_nested_guest(vcpu);

	preempt_disable_notrace();
	v->hot.cr3 = cr3;
	v->hot.lstar = lstar;
	if (!v->opaque && !nested && unlikely(backend->encrypted(vcpu)))
		become_opaque(v);
	if (regs_are_wanted(v, idtr) && !v->opaque &&
	    READ_ONCE(v->guest->level) != KVM_WARDEN_LEVEL_OFF)
		take_regs(v, vcpu, backend);
	if (nested)
		kw_guest_mark(v->guest, KVM_WARDEN_GUEST_NESTED);
	else if (!v->opaque)
		note_changes(v, cr3, lstar, idtr, backend->reason(vcpu));
	preempt_enable_notrace();
}

static __always_inline void count_exit(struct kw_vcpu *v, const struct kw_backend *backend,
				       u32 reason)
{
	v->reasons[backend->reason_slot(reason)]++;
}

/* Another vCPU than this CPU's last, or a new one. */
static __always_inline void on_other(struct kvm_vcpu *vcpu, const struct kw_backend *backend)
{
	struct kw_vcpu *v;

	preempt_disable_notrace();
	v = kw_vcpu_get(vcpu, backend);
	if (v) {
		this_cpu_write(kw_running, v);
		count_exit(v, backend, backend->reason(vcpu));
		slow_path(v, vcpu, backend);
	}
	preempt_enable_notrace();
}

/* All is read before anything is written, so that nothing is read twice. */
static __always_inline void on_exit(struct kvm_vcpu *vcpu, const struct kw_backend *backend,
				    void (*slow)(struct kw_vcpu *, struct kvm_vcpu *),
				    void (*other)(struct kvm_vcpu *))
{
	struct kw_vcpu *v = this_cpu_read(kw_running);
	u64 cr3, lstar, idtr;
	u32 reason;

	if (unlikely(v->run != kw_vcpu_run(vcpu)))
		return other(vcpu);
	reason = backend->reason(vcpu);
	cr3 = backend->cr3(vcpu);
	lstar = backend->lstar(vcpu);
	idtr = backend->idtr(vcpu);
	count_exit(v, backend, reason);
	if (unlikely(v->hot.cr3 != cr3 || v->hot.lstar != lstar || READ_ONCE(v->hot.idtr) != idtr))
		return slow(v, vcpu);
}

/* A vendor's probes: its backend is a constant in each, so that no call is indirect. */
#define PROBES(vendor)								\
	static noinline void slow_path_##vendor(struct kw_vcpu *v,		\
						struct kvm_vcpu *vcpu)		\
	{									\
		slow_path(v, vcpu, &vendor##_backend);				\
	}									\
										\
	static noinline void other_##vendor(struct kvm_vcpu *vcpu)		\
	{									\
		on_other(vcpu, &vendor##_backend);				\
	}									\
										\
	void notrace kw_probe_exit_##vendor(void *data, struct kvm_vcpu *vcpu,	\
					    u32 isa)				\
	{									\
		on_exit(vcpu, &vendor##_backend, slow_path_##vendor,		\
			other_##vendor);					\
	}									\
										\
	void kw_probe_entry_##vendor(void *data, struct kvm_vcpu *vcpu,		\
				     bool immediate_exit)			\
	{									\
		kw_freeze_at_entry(vcpu, &vendor##_backend);			\
	}

#ifdef FACT_HAVE_SVM
static const struct kw_backend svm_backend = {
	.cr3 = svm_cr3,
	.lstar = svm_lstar,
	.idtr = svm_idtr,
	.reason = svm_reason,
	.reason_slot = svm_reason_slot,
	.slot_reason = svm_slot_reason,
	.encrypted = svm_encrypted,
	.sample = svm_sample,
	.fault_fetch = SVM_FAULT_FETCH,
	.fault_access = SVM_FAULT_WALK,
	.fault_walk = SVM_FAULT_WALK,
	.fault_present = SVM_FAULT_PRESENT,
};

PROBES(svm)
#endif

#ifdef FACT_HAVE_VMX
static const struct kw_backend vmx_backend = {
	.cr3 = vmx_cr3,
	.lstar = vmx_lstar,
	.idtr = vmx_idtr,
	.reason = vmx_reason,
	.reason_slot = vmx_reason_slot,
	.slot_reason = vmx_slot_reason,
	.encrypted = vmx_encrypted,
	.sample = vmx_sample,
	.fault_fetch = VMX_FAULT_FETCH,
	.fault_access = VMX_FAULT_LINEAR | VMX_FAULT_FINAL,
	.fault_walk = VMX_FAULT_LINEAR,
	.fault_present = VMX_FAULT_PRESENT,
};

PROBES(vmx)
#endif

/* The module loader relocates no pointer that a per-CPU variable begins with. */
void kw_exit_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(kw_running, cpu) = &nobody;
}

void kw_exit_forget(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct kw_vcpu **running = per_cpu_ptr(&kw_running, cpu);
		struct kw_vcpu *v = READ_ONCE(*running);

		/* If the CPU has moved on meanwhile, so much the better. */
		if (v != &nobody && READ_ONCE(v->guest->unhashed))
			cmpxchg(running, v, &nobody);
	}
}

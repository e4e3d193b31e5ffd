// SPDX-License-Identifier: GPL-2.0-only
/*
 * A sample is taken by the vCPU's own thread at its next exit, when asked for.
 * A vCPU that computes exits at the next interrupt of its CPU: "fresh" sends
 * one.  KVM's own kick is not for modules, and needs no more than that.
 */
#include "regs.h"

#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <uapi/linux/kvm_warden.h>

#include "attach.h"
#include "exit.h"
#include "guest.h"
#include "kvm_glue.h"

#define PATIENCE (10 * NSEC_PER_MSEC)

/* A vCPU is interrupted once in that time at most, whoever asks how often. */
#define INTERRUPT_EVERY NSEC_PER_MSEC

/* What the vCPU's own thread last wrote, whole; when that was, 0: never. */
static u64 copy_sample(struct kw_vcpu *v, u64 asked, struct kvm_warden_regs *regs)
{
	unsigned int seq;
	u64 taken, now;

	do {
		seq = read_seqcount_begin(&v->regs_seq);
		*regs = v->regs;
		taken = v->regs_time;
	} while (read_seqcount_retry(&v->regs_seq, seq));
	regs->vcpu = v->idx;
	if (taken >= asked)
		regs->flags |= KVM_WARDEN_REGS_FRESH;
	/* The fast clock of two CPUs may differ by a little. */
	now = ktime_get_mono_fast_ns();
	regs->age_ns = now > taken ? now - taken : 0;
	return taken;
}

/* For a pinned VM: why its vCPU will not exit soon, or 0. */
static u32 at_rest(struct kw_vcpu *v)
{
	if (kw_vcpu_is_halted(v->vcpu))
		return KVM_WARDEN_REGS_HALTED;
	return kw_vcpu_is_outside(v->vcpu) ? KVM_WARDEN_REGS_OUTSIDE : 0;
}

static void interrupt(struct kw_vcpu *v)
{
	u64 now = ktime_get_mono_fast_ns(), last = READ_ONCE(v->interrupted);

	if (now - last >= INTERRUPT_EVERY && cmpxchg64(&v->interrupted, last, now) == last)
		kw_vcpu_interrupt(v->vcpu);
}

/* A vCPU in the guest is interrupted; one on its way there exits later. */
static u32 interrupt_until_sampled(struct kw_vcpu *v, u64 asked)
{
	u32 rest = 0;

	while (READ_ONCE(v->want_regs) && !READ_ONCE(v->parked) && !signal_pending(current) &&
	       ktime_get_mono_fast_ns() < asked + PATIENCE) {
		rest = at_rest(v);
		if (rest)
			break;
		interrupt(v);
		usleep_range(50, 100);
	}
	return READ_ONCE(v->want_regs) ? rest : 0;
}

static void wait_until_sampled(struct kw_vcpu *v, u64 asked)
{
	while (READ_ONCE(v->want_regs) && ktime_get_mono_fast_ns() < asked + PATIENCE)
		usleep_range(400, 500);
}

int kw_regs_get(struct kw_guest *guest, struct kvm_warden_regs *regs)
{
	struct kw_vcpu *v = kw_guest_vcpu(guest, regs->vcpu);
	u64 asked = ktime_get_mono_fast_ns(), taken;
	struct file *file = NULL;
	u32 rest = 0;

	if (!v)
		return -ENXIO;
	if (kw_guest_is(guest, KVM_WARDEN_GUEST_ENCRYPTED))
		return -EPERM;
	if (kw_is_attached()) {
		kw_exit_want_regs(v);
		if (regs->flags & KVM_WARDEN_REGS_FRESH)
			file = kw_guest_pin(guest);
		if (file)
			rest = interrupt_until_sampled(v, asked);
		else
			wait_until_sampled(v, asked);
		if (file)
			fput(file);
	}
	taken = copy_sample(v, asked, regs);
	if (kw_guest_is(guest, KVM_WARDEN_GUEST_ENCRYPTED))
		return -EPERM;	/* meanwhile */
	if (!taken)
		return -ENXIO;
	regs->flags |= rest;
	return 0;
}

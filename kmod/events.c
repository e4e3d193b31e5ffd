// SPDX-License-Identifier: GPL-2.0-only
#include "events.h"

#include <linux/ktime.h>

#include "guest.h"
#include "kvm_glue.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* As the UAPI header says: BPF programs and their readers copy it whole. */
static_assert(sizeof(struct kvm_warden_event) == 80);

static void trace(const struct kvm_warden_event *event)
{
	switch (event->type) {
	case KVM_WARDEN_EVENT_GUEST_UP:
		trace_kvm_warden_guest_up(event);
		break;
	case KVM_WARDEN_EVENT_GUEST_DOWN:
		trace_kvm_warden_guest_down(event);
		break;
	case KVM_WARDEN_EVENT_VCPU_UP:
		trace_kvm_warden_vcpu_up(event);
		break;
	case KVM_WARDEN_EVENT_ADDRESS_SPACE:
		trace_kvm_warden_address_space(event);
		break;
	case KVM_WARDEN_EVENT_ENTRY_POINT:
		trace_kvm_warden_entry_point(event);
		break;
	case KVM_WARDEN_EVENT_IDT:
		trace_kvm_warden_idt(event);
		break;
	case KVM_WARDEN_EVENT_EXEC_FAULT:
		trace_kvm_warden_exec_fault(event);
		break;
	case KVM_WARDEN_EVENT_PAGE_FAULT:
		trace_kvm_warden_page_fault(event);
		break;
	case KVM_WARDEN_EVENT_MSR_WRITE:
		trace_kvm_warden_msr_write(event);
		break;
	case KVM_WARDEN_EVENT_CR_WRITE:
		trace_kvm_warden_cr_write(event);
		break;
	case KVM_WARDEN_EVENT_WRITE:
		trace_kvm_warden_write(event);
		break;
	}
}

void kw_emit(struct kw_vcpu *v, u32 type, u64 value, u32 reason)
{
	struct kvm_warden_event event = {
		.type = type, .value = value, .exit_reason = reason,
	};

	kw_emit_event(v, &event);
}

/* What the vCPU holds is not the guest's own, not to be read, or nobody's business. */
static bool is_withheld(const struct kw_vcpu *v)
{
	return v->opaque || kw_vcpu_in_nested_guest(v->vcpu) ||
	       READ_ONCE(v->guest->level) == KVM_WARDEN_LEVEL_OFF;
}

/* Whether it is an encrypted one cannot be told before its first exit. */
static bool never_ran(const struct kvm_warden_event *event)
{
	return event->type == KVM_WARDEN_EVENT_VCPU_UP && event->exit_reason == KW_NO_EXIT;
}

static void stamp(struct kw_vcpu *v, struct kvm_warden_event *event)
{
	bool withheld = is_withheld(v);

	event->seq = atomic64_inc_return(&v->guest->emitted);
	event->guest = v->guest->id;
	event->time_ns = ktime_get_mono_fast_ns();
	event->cr3 = withheld ? 0 : v->seen.cr3;
	event->vcpu = v->idx;
	event->vmm_pid = v->guest->vmm_pid;
	event->rip = withheld || never_ran(event) ? 0 : kw_vcpu_rip(v->vcpu);
}

void kw_emit_event(struct kw_vcpu *v, struct kvm_warden_event *event)
{
	stamp(v, event);
	trace(event);
}

void kw_emit_msr_first(struct kw_vcpu *v, struct kvm_warden_event *event)
{
	stamp(v, event);
	trace_kvm_warden_msr_first(event);
}

void kw_emit_down(struct kw_guest *guest)
{
	struct kvm_warden_event event = {
		.seq = atomic64_inc_return(&guest->emitted),
		.guest = guest->id,
		.time_ns = ktime_get_mono_fast_ns(),
		.type = KVM_WARDEN_EVENT_GUEST_DOWN,
		.vmm_pid = guest->vmm_pid,
	};

	trace(&event);
}

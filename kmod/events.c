// SPDX-License-Identifier: GPL-2.0-only
#include "events.h"

#include <linux/ktime.h>

#include "guest.h"
#include "kvm_glue.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static void trace(const struct kvm_warden_event *event)
{
	switch (event->type) {
	case KVM_WARDEN_EVENT_GUEST_UP:
		trace_kvm_warden_guest_up(event);
		break;
	case KVM_WARDEN_EVENT_GUEST_DOWN:
		trace_kvm_warden_guest_down(event);
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
	}
}

void kw_emit(struct kw_vcpu *v, u32 type, u64 value, u32 reason)
{
	struct kvm_warden_event event = {
		.seq = atomic64_inc_return(&v->guest->emitted),
		.guest = v->guest->id,
		.time_ns = ktime_get_mono_fast_ns(),
		.cr3 = v->seen.cr3,
		.value = value,
		.type = type,
		.vcpu = v->idx,
		.vmm_pid = v->guest->vmm_pid,
		.exit_reason = reason,
		.rip = v->opaque ? 0 : kw_vcpu_rip(v->vcpu),
	};

	trace(&event);
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

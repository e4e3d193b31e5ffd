/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trace events of the UAPI header, for BPF (argument 0 is the struct) and
 * for perf and bpftrace (the same values as fields).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_warden

#if !defined(KW_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KW_TRACE_H

#include <linux/tracepoint.h>
#include <uapi/linux/kvm_warden.h>

#include "hooks.h"

DECLARE_EVENT_CLASS(kvm_warden_event,
	TP_PROTO(const struct kvm_warden_event *event),
	TP_ARGS(event),
	TP_STRUCT__entry(
		__field(u64, seq)
		__field(u64, guest)
		__field(u64, cr3)
		__field(u64, value)
		__field(u64, rip)
		__field(u32, vcpu)
		__field(u32, vmm_pid)
		__field(u32, exit_reason)
		__field(u64, data)
		__field(u32, len)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->seq = event->seq;
		__entry->guest = event->guest;
		__entry->cr3 = event->cr3;
		__entry->value = event->value;
		__entry->rip = event->rip;
		__entry->vcpu = event->vcpu;
		__entry->vmm_pid = event->vmm_pid;
		__entry->exit_reason = event->exit_reason;
		__entry->data = event->data;
		__entry->len = event->len;
		__entry->flags = event->flags;
	),
	TP_printk("guest=%llu seq=%llu vcpu=%u vmm=%u cr3=0x%llx value=0x%llx rip=0x%llx exit=0x%x data=0x%llx len=%u flags=0x%x",
		  __entry->guest, __entry->seq, __entry->vcpu, __entry->vmm_pid,
		  __entry->cr3, __entry->value, __entry->rip, __entry->exit_reason,
		  __entry->data, __entry->len, __entry->flags)
);

#define KW_EVENT(name)						\
	DEFINE_EVENT(kvm_warden_event, name,			\
		TP_PROTO(const struct kvm_warden_event *event),	\
		TP_ARGS(event))

KW_EVENT(kvm_warden_guest_up);
KW_EVENT(kvm_warden_guest_down);
KW_EVENT(kvm_warden_vcpu_up);
KW_EVENT(kvm_warden_address_space);
KW_EVENT(kvm_warden_entry_point);
KW_EVENT(kvm_warden_idt);
KW_EVENT(kvm_warden_write);

/* Their hook is attached while they have a consumer. */
#define KW_EVENT_ASKED(name, hook)				\
	DEFINE_EVENT_FN(kvm_warden_event, name,			\
		TP_PROTO(const struct kvm_warden_event *event),	\
		TP_ARGS(event), kw_hook_##hook##_reg, kw_hook_##hook##_unreg)

KW_EVENT_ASKED(kvm_warden_exec_fault, page_fault);
KW_EVENT_ASKED(kvm_warden_page_fault, page_fault);
KW_EVENT_ASKED(kvm_warden_msr_write, msr);
KW_EVENT_ASKED(kvm_warden_msr_first, msr);
KW_EVENT_ASKED(kvm_warden_cr_write, cr);

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

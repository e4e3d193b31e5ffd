/* SPDX-License-Identifier: GPL-2.0-only */
/* Sending an event out: it gets its guest's next sequence number. */
#ifndef KW_EVENTS_H
#define KW_EVENTS_H

#include <linux/types.h>

struct kvm_warden_event;
struct kw_guest;
struct kw_vcpu;

/* An event's exit_reason, where a vCPU has not exited yet: what it holds is not looked at. */
#define KW_NO_EXIT (~0u)

/* On the vCPU's thread, inside the exit probe. */
void kw_emit(struct kw_vcpu *v, u32 type, u64 value, u32 reason);

/*
 * On the vCPU's thread, while it is loaded.  The caller says type, value,
 * exit_reason, and data, len and flags of that type.
 */
void kw_emit_event(struct kw_vcpu *v, struct kvm_warden_event *event);

/* The same for kvm_warden_msr_first, whose type is that of kvm_warden_msr_write. */
void kw_emit_msr_first(struct kw_vcpu *v, struct kvm_warden_event *event);

/* The last event of a guest. */
void kw_emit_down(struct kw_guest *guest);

#endif

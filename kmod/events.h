/* SPDX-License-Identifier: GPL-2.0-only */
/* Sending an event out: it gets its guest's next sequence number. */
#ifndef KW_EVENTS_H
#define KW_EVENTS_H

#include <linux/types.h>

struct kw_guest;
struct kw_vcpu;

/* On the vCPU's thread, inside the exit probe. */
void kw_emit(struct kw_vcpu *v, u32 type, u64 value, u32 reason);

/* The last event of a guest. */
void kw_emit_down(struct kw_guest *guest);

#endif

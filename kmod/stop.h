/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a guest stands still, until when, and how much of its time an observer
 * may take.  Pure: no clock, no lock, no KVM.  Times are ns of one clock.
 */
#ifndef KW_STOP_H
#define KW_STOP_H

#include <linux/types.h>

#define KW_STOP_CONTAINED	(1u << 0)
#define KW_STOP_FROZEN		(1u << 1)

#define KW_NEVER		(~0ULL)

struct kw_stop {
	u32 why;			/* KW_STOP_*; the guest runs while 0 */
	u64 contained_until;
	const void *holder;		/* of the freeze: an fd */
	u64 frozen_since, frozen_until;
	u64 budget, budget_at;		/* ns to spend on freezes, as of then */
};

void kw_stop_init(struct kw_stop *stop, u64 now);

/* A guest that is contained already gets the new expiry; 0: never. */
void kw_stop_contain(struct kw_stop *stop, u64 now, u64 expiry_ms);

/* True if it was contained. */
bool kw_stop_release(struct kw_stop *stop);

/*
 * 0; -EALREADY it is frozen; -EBUSY the budget does not hold that much, and
 * will after *wait_ns.
 */
int kw_stop_freeze(struct kw_stop *stop, const void *holder, u64 now, u32 timeout_ms,
		   u64 *wait_ns);

/* True if this holder's freeze was on.  NULL is any holder. */
bool kw_stop_thaw(struct kw_stop *stop, const void *holder, u64 now);

/* Ends what is over; returns what ended. */
u32 kw_stop_expire(struct kw_stop *stop, u64 now);

/* When kw_stop_expire has something to do, or KW_NEVER. */
u64 kw_stop_deadline(const struct kw_stop *stop);

#endif

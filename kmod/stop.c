// SPDX-License-Identifier: GPL-2.0-only
#include "stop.h"

#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>
#include <uapi/linux/kvm_warden.h>

#define BUDGET_MAX	((u64)KVM_WARDEN_FREEZE_MAX_MS * NSEC_PER_MSEC)
#define CHARGE_MIN	((u64)NSEC_PER_MSEC)

void kw_stop_init(struct kw_stop *stop, u64 now)
{
	*stop = (struct kw_stop){ .budget = BUDGET_MAX, .budget_at = now };
}

/* ---- containment ---- */

void kw_stop_contain(struct kw_stop *stop, u64 now, u64 expiry_ms)
{
	/* What lies beyond the clock is never. */
	bool never = !expiry_ms || expiry_ms > div_u64(KW_NEVER - 1 - now, NSEC_PER_MSEC);

	stop->contained_until = never ? KW_NEVER : now + expiry_ms * NSEC_PER_MSEC;
	stop->why |= KW_STOP_CONTAINED;
}

bool kw_stop_release(struct kw_stop *stop)
{
	bool was = stop->why & KW_STOP_CONTAINED;

	stop->why &= ~KW_STOP_CONTAINED;
	return was;
}

/* ---- observation ---- */

/* One part in KVM_WARDEN_FREEZE_SHARE of the time in which it ran. */
static void refill(struct kw_stop *stop, u64 now)
{
	u64 ran = now > stop->budget_at ? now - stop->budget_at : 0;

	stop->budget = min(BUDGET_MAX, stop->budget + div_u64(ran, KVM_WARDEN_FREEZE_SHARE));
	stop->budget_at = now;
}

/* The whole time is taken at first; what was not used comes back. */
int kw_stop_freeze(struct kw_stop *stop, const void *holder, u64 now, u32 timeout_ms,
		   u64 *wait_ns)
{
	u64 wanted = (u64)timeout_ms * NSEC_PER_MSEC;

	if (stop->why & KW_STOP_FROZEN)
		return -EALREADY;
	refill(stop, now);
	if (stop->budget < wanted) {
		*wait_ns = (wanted - stop->budget) * KVM_WARDEN_FREEZE_SHARE;
		return -EBUSY;
	}
	stop->budget -= wanted;
	stop->holder = holder;
	stop->frozen_since = now;
	stop->frozen_until = now + wanted;
	stop->why |= KW_STOP_FROZEN;
	return 0;
}

bool kw_stop_thaw(struct kw_stop *stop, const void *holder, u64 now)
{
	u64 taken, used;

	if (!(stop->why & KW_STOP_FROZEN) || (holder && stop->holder != holder))
		return false;
	taken = stop->frozen_until - stop->frozen_since;
	used = now > stop->frozen_since ? now - stop->frozen_since : 0;
	used = max(used, CHARGE_MIN);
	/* Ended late, it may have used more than was taken. */
	stop->budget += taken;
	stop->budget -= min(used, stop->budget);
	stop->budget_at = now;
	stop->why &= ~KW_STOP_FROZEN;
	stop->holder = NULL;
	return true;
}

/* ---- time ---- */

u64 kw_stop_deadline(const struct kw_stop *stop)
{
	u64 deadline = KW_NEVER;

	if (stop->why & KW_STOP_CONTAINED)
		deadline = stop->contained_until;
	if (stop->why & KW_STOP_FROZEN)
		deadline = min(deadline, stop->frozen_until);
	return deadline;
}

u32 kw_stop_expire(struct kw_stop *stop, u64 now)
{
	u32 before = stop->why;

	if ((before & KW_STOP_CONTAINED) && now >= stop->contained_until)
		kw_stop_release(stop);
	if ((before & KW_STOP_FROZEN) && now >= stop->frozen_until)
		kw_stop_thaw(stop, NULL, now);
	return before & ~stop->why;
}

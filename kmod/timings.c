// SPDX-License-Identifier: GPL-2.0-only
#include "timings.h"

#include <linux/spinlock.h>

static const char *const names[KW_TIMINGS] = {
	[KW_TIMING_REGS] = "regs",
	[KW_TIMING_REGS_FRESH] = "regs_fresh",
	[KW_TIMING_READ] = "read",
	[KW_TIMING_FREEZE] = "freeze",
	[KW_TIMING_WATCH] = "watch",
	[KW_TIMING_DETACH] = "detach",
};

static DEFINE_SPINLOCK(sums_lock);
static struct kw_timing_sum sums[KW_TIMINGS];

void kw_timing_add(enum kw_timing which, u64 ns)
{
	struct kw_timing_sum *sum = &sums[which];

	spin_lock(&sums_lock);
	sum->count++;
	sum->total_ns += ns;
	if (sum->worst_ns < ns)
		sum->worst_ns = ns;
	spin_unlock(&sums_lock);
}

void kw_timing_get(enum kw_timing which, struct kw_timing_sum *sum)
{
	spin_lock(&sums_lock);
	*sum = sums[which];
	spin_unlock(&sums_lock);
}

const char *kw_timing_name(enum kw_timing which)
{
	return names[which];
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* How long requests took: number, mean and worst, for debugfs. */
#ifndef KW_TIMINGS_H
#define KW_TIMINGS_H

#include <linux/types.h>

enum kw_timing {
	KW_TIMING_REGS, KW_TIMING_REGS_FRESH, KW_TIMING_READ, KW_TIMING_FREEZE, KW_TIMING_WATCH,
	KW_TIMING_DETACH, KW_TIMINGS,
};

struct kw_timing_sum {
	u64 count, total_ns, worst_ns;
};

void kw_timing_add(enum kw_timing which, u64 ns);
void kw_timing_get(enum kw_timing which, struct kw_timing_sum *sum);
const char *kw_timing_name(enum kw_timing which);

#endif

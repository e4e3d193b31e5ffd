// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a guest runs, by its own clock. */
#include "introspect/check.h"
#include "lib/util.h"

#define STEP_MS 50u

uint64_t check_clock(const struct kernel *k)
{
	uint64_t ticks;

	if (k->mem->still || !k->symbol[SYM_JIFFIES].address)
		return clock_now_ns();
	memory_refresh(k->mem);
	return virt_read_u64(&k->as, k->symbol[SYM_JIFFIES].address, &ticks) ? clock_now_ns() : ticks;
}

bool check_ran(const struct kernel *k, uint64_t since, unsigned wait_ms)
{
	while (check_clock(k) == since) {
		if (wait_ms < STEP_MS)
			return false;
		check_pause(STEP_MS);
		wait_ms -= STEP_MS;
	}
	return true;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a guest runs, by its own clock. */
#include "introspect/check.h"
#include "lib/util.h"

#define STEP_MS 50u
#define WAIT_MS 3000u			/* an idle guest's clock may stand for so long */

/* Different whenever the guest has run in between, as far as that is known. */
static uint64_t now(const struct kernel *k)
{
	uint64_t ticks;

	if (k->mem->still || !k->symbol[SYM_JIFFIES].address)
		return clock_now_ns();
	memory_refresh(k->mem);
	return virt_read_u64(&k->as, k->symbol[SYM_JIFFIES].address, &ticks) ? clock_now_ns() : ticks;
}

static bool ran(const struct check_looks *l, unsigned wait_ms)
{
	while (now(l->k) == l->clock) {
		if (wait_ms < STEP_MS)
			return false;
		check_pause(STEP_MS);
		wait_ms -= STEP_MS;
	}
	return true;
}

void check_looks_begin(struct check_looks *l, const struct kernel *k)
{
	*l = (struct check_looks){ .k = k, .clock = now(k), .ran = k->mem->still };
}

void check_look_again(struct check_looks *l, unsigned pause_ms, bool last)
{
	if (l->k->mem->still)
		return;
	check_pause(pause_ms);
	l->ran = l->ran || ran(l, last ? WAIT_MS : 0);
}

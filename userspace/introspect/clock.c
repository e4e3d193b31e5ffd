// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether a guest runs, by its own clock. */
#include "introspect/check.h"
#include "lib/util.h"

#define STEP_MS 50u
#define WAIT_MS 3000u			/* an idle guest's clock may stand for so long */

/* False if that cannot be told now; the host's own of a kernel without one that is known. */
static bool read_clock(const struct kernel *k, uint64_t *ret_now)
{
	*ret_now = clock_now_ns();
	if (!k->symbol[SYM_JIFFIES].address)
		return true;
	memory_refresh(k->mem);
	return !virt_read_u64(&k->as, k->symbol[SYM_JIFFIES].address, ret_now);
}

static bool has_run(struct check_looks *l)
{
	uint64_t now;

	if (!read_clock(l->k, &now) || (l->known && now == l->clock))
		return false;
	l->clock = now;
	/* What it was before is not known: has it run since? */
	if (!l->known) {
		l->known = true;
		return false;
	}
	return true;
}

static bool wait_for(struct check_looks *l, unsigned wait_ms)
{
	bool ran = has_run(l);

	for (; !ran && wait_ms >= STEP_MS; wait_ms -= STEP_MS) {
		check_pause(STEP_MS);
		ran = has_run(l);
	}
	return ran;
}

void check_looks_begin(struct check_looks *l, const struct kernel *k)
{
	*l = (struct check_looks){ .k = k, .looks = 1 };
	l->known = read_clock(k, &l->clock);
}

bool check_look_again(struct check_looks *l, unsigned pause_ms, unsigned more)
{
	bool needed = !l->stands && l->looks + 1 + more <= CHECK_ENOUGH;

	if (l->k->mem->still) {
		l->looks++;
		return true;
	}
	check_pause(pause_ms);
	if (!wait_for(l, needed ? WAIT_MS : 0)) {
		l->stands = l->stands || needed;
		return false;
	}
	l->looks++;
	return true;
}

bool check_looks_enough(const struct check_looks *l)
{
	return l->k->mem->still || l->looks >= CHECK_ENOUGH;
}

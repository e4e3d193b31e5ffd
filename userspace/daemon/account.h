/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's events, decision 4 of the design:
 *
 *   emitted = delivered + dropped + suppressed + missed, and those on their way
 *
 * The module counts the emitted, BPF what it sees of them, the daemon what the
 * engine has taken; missed is what BPF did not see.
 */
#ifndef WARDEN_ACCOUNT_H
#define WARDEN_ACCOUNT_H

#include <linux/types.h>
#include <stdint.h>

#include "warden/event.h"

struct m_counters;

struct account {
	uint64_t emitted, missed;	/* as last told */
	uint64_t missed_before;		/* as it looked then */
	uint64_t lag_us, lagged;	/* from the exit until taken, summed, over so many events */
};

/* As it was read, in this order. */
struct look {
	uint64_t emitted;
	uint64_t delivered;
	struct warden_guest_counts counts;
	uint64_t emitted_after;
};

/*
 * Fills the event counters of *m.  Between two calls passes more time than an
 * event takes from the module to BPF.  Then never is more told than was emitted,
 * and all is exact as soon as the guest emitted nothing from one call to the
 * next.  While it emits, missed may hold what was on that way at two calls
 * running: an event or two, once in a great while.
 */
void account_add_up(struct account *a, const struct look *look, struct m_counters *m);

/*
 * The guest is gone.  What it emitted in all is the number of its last event; if
 * that did not come, what was known, and no less than came.  Whatever did not
 * arrive by now is missed.
 */
void account_close(struct account *a, const struct look *look, struct m_counters *m);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/account.h"

#include <stdbool.h>

#include "lib/messages.h"
#include "lib/util.h"

static uint64_t seen(const struct warden_guest_counts *c)
{
	return c->submitted + c->dropped + c->over_budget;
}

/*
 * The module counts an event a moment before BPF does: one in between looks
 * missed.  So what is missing counts as far as it was missing at the last call
 * too.  Of a guest that emitted nothing since then, nothing is in between.
 */
void account_add_up(struct account *a, const struct look *look, struct m_counters *m)
{
	const struct warden_guest_counts *c = &look->counts;
	uint64_t known = seen(c), missed = look->emitted > known ? look->emitted - known : 0;
	bool quiet = look->emitted == a->emitted && look->emitted == look->emitted_after;

	if (!quiet) {
		a->missed = MAX(a->missed, MIN(missed, a->missed_before));
		a->missed = MIN(a->missed, look->emitted_after - known);
	} else {
		a->missed = missed;
	}
	a->missed_before = missed;
	a->emitted = look->emitted_after;
	m->emitted = a->emitted;
	m->delivered = look->delivered;
	m->dropped = c->dropped;
	m->suppressed = c->over_budget;
	m->missed = a->missed;
	m->ring_full = c->ring_full;
	m->lag_us = a->lag_us;
	m->lagged = a->lagged;
}

void account_close(struct account *a, const struct look *look, struct m_counters *m)
{
	struct look end = *look;

	end.counts.submitted = end.delivered;
	end.emitted = MAX(end.counts.last ?: a->emitted, seen(&end.counts));
	end.emitted_after = a->emitted = end.emitted;
	account_add_up(a, &end, m);
}

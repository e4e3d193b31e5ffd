// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/looks.h"

#include <stddef.h>

/*
 * The page directory's address without PCID and the no-flush bit.  With KPTI
 * a process has two of them; both are looked at, which costs a look and
 * misses nothing (masking bit 12 would merge strangers where KPTI is off).
 */
static uint64_t key_of(uint64_t cr3)
{
	return cr3 & 0x000ffffffffff000ull;
}

static unsigned slot_of(uint64_t key)
{
	return (key >> 12) * 0x9e3779b97f4a7c15ull >> 54;
}

static struct look *find(struct looks *l, uint64_t cr3)
{
	for (unsigned i = 0; i < l->npending; i++)
		if (key_of(l->pending[i].cr3) == key_of(cr3))
			return &l->pending[i];
	return NULL;
}

/* A look again gives way to a first look: the sweep shows the same later. */
static struct look *room(struct looks *l, bool first)
{
	if (l->npending < LOOKS_PENDING)
		return &l->pending[l->npending++];
	for (unsigned i = 0; first && i < l->npending; i++)
		if (l->pending[i].again)
			return &l->pending[i];
	return NULL;
}

static bool looked_lately(const struct looks *l, uint64_t cr3, uint64_t now)
{
	uint64_t key = key_of(cr3);
	unsigned slot = slot_of(key);

	return l->recent[slot].key == key && l->recent[slot].sent &&
	       now - l->recent[slot].sent < LOOKS_QUIET_NS;
}

void looks_event(struct looks *l, uint64_t cr3, uint64_t t_event, uint64_t now)
{
	struct look *look = find(l, cr3);

	if ((look && !look->again) || looked_lately(l, cr3, now)) {
		l->coalesced++;
		return;
	}
	if (!look)
		look = room(l, true);
	if (!look) {
		l->overflowed++;
		l->sweep_due = true;
		return;
	}
	*look = (struct look){ .cr3 = cr3, .t_event = t_event, .due = now };
}

bool looks_take(struct looks *l, uint64_t now, struct look *ret_look)
{
	struct look *best = NULL;

	for (unsigned i = 0; i < l->npending; i++) {
		struct look *p = &l->pending[i];

		if (p->due > now)
			continue;
		if (!best || p->again < best->again ||
		    (p->again == best->again && p->due < best->due))
			best = p;
	}
	if (!best)
		return false;
	*ret_look = *best;
	*best = l->pending[--l->npending];
	l->recent[slot_of(key_of(ret_look->cr3))].key = key_of(ret_look->cr3);
	l->recent[slot_of(key_of(ret_look->cr3))].sent = now;
	l->asked++;
	return true;
}

static void plan(struct looks *l, const struct look *like, uint64_t due, bool again)
{
	struct look *look;

	if (find(l, like->cr3))
		return;
	look = room(l, false);
	if (!look)
		return;
	*look = *like;
	look->due = due;
	if (again)
		look->again++;
	else
		look->retries++;
}

/* The n-th look again comes 300 ms * 3^n after the look before it. */
static uint64_t again_delay(uint32_t n)
{
	uint64_t delay = LOOKS_AGAIN_NS;

	while (n-- && delay < 86400 * NS_PER_S)
		delay *= 3;
	return delay;
}

void looks_done(struct looks *l, const struct look *look, enum done_status status,
		bool is_new, uint64_t horizon_ns, uint64_t now)
{
	uint64_t delay = again_delay(look->again);

	if (status == DONE_NOT_FOUND) {
		l->recent[slot_of(key_of(look->cr3))].sent = 0;
		if (!look->retries && !look->again)
			plan(l, look, now + LOOKS_RETRY_NS, false);
		return;
	}
	if (status != DONE_UNOBSERVABLE && (is_new || look->again) && delay < horizon_ns)
		plan(l, look, now + delay, true);
}

uint64_t looks_due(const struct looks *l)
{
	uint64_t due = NEVER;

	for (unsigned i = 0; i < l->npending; i++)
		if (l->pending[i].due < due)
			due = l->pending[i].due;
	return due;
}

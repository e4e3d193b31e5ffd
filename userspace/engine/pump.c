// SPDX-License-Identifier: GPL-2.0-or-later
/* What the engine does after every event, and when it wakes without one. */
#include "engine/control.h"

#include "engine/acts.h"
#include "engine/orders.h"
#include "engine/rest.h"
#include "engine/sessions.h"
#include "lib/log.h"
#include "lib/util.h"

#define FLUSH_NS (200 * NS_PER_MS)

void engine_flush_soon(struct engine *e)
{
	if (e->flush_due == NEVER)
		e->flush_due = now_mono() + FLUSH_NS;
}

/* With what else has come by the pump, for somebody waits for it. */
void engine_flush_now(struct engine *e)
{
	e->flush_due = 0;
}

static void flush(struct engine *e)
{
	e->flush_due = NEVER;
	if (journal_commit(&e->journal))
		e->journal_failed = true;
}

/* What was rolled back is found again; an order whose row is gone is none. */
static void mend_after_rollback(struct engine *e)
{
	struct guest *g;

	e->journal_failed = false;
	log_err("journal: cannot be written: no order is sent, nothing is done by the host meanwhile");
	TAILQ_FOREACH(g, &e->guests, entry) {
		orders_drop_after(g, e->journal.head_seq);
		acts_drop_after(g, e->journal.head_seq);
		findings_forget(g);
		g->rest.anew = true;
	}
	guard_rolled_back(e);
}

/* After every event: all that is due is sent, and the timer set for the rest. */
int engine_pump(sd_event_source *source, void *user)
{
	struct engine *e = user;
	uint64_t now = now_mono(), due = NEVER;
	struct guest *g, *next;

	journal_start(e, now);
	guard_judge_again(e, now);
	for (g = TAILQ_FIRST(&e->guests); g; g = next) {
		next = TAILQ_NEXT(g, entry);
		if (!g->down)
			due = MIN(due, guest_pump(g, now));
	}
	due = MIN(due, rest_pump(e, now));
	due = MIN(due, sessions_pump(e, now));
	scanning_pump(e, now);
	orders_send(e, now);
	due = MIN(due, control_pump(e->control, now));
	/* What a full disk has taken back is known before it is sought anew. */
	if (e->flush_due <= now || e->journal.full)
		flush(e);
	if (e->journal_failed)
		mend_after_rollback(e);
	guard_take(e);
	due = MIN(due, journal_tend(e, now));
	due = MIN(due, MIN(e->flush_due, MIN(e->journal_due, e->guard_due)));
	sd_event_source_set_time(e->timer, due / NS_PER_US + 1);
	sd_event_source_set_enabled(e->timer, due == NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	return 0;
}

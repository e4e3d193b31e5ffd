// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How the engine begins with its journal.  A file that is no journal is set
 * aside, with its log.  Any other failure (a full disk, an I/O error) leaves
 * everything in place: the engine goes on without decisions, says so, and
 * tries again each minute.  And the room that it keeps for decisions.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/acts.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

#define JOURNAL "/journal.db"
#define RESERVE "/reserve"
#define AGAIN_NS (60 * NS_PER_S)
#define RESERVE_AGAIN_NS (10 * NS_PER_S)

/* The log first: alone beside a new database it would be taken for that one's. */
static int set_aside(const char *aside)
{
	char log[80];
	bool had_log;

	snprintf(log, sizeof(log), "%s-wal", aside);
	had_log = !rename(JOURNAL "-wal", log);
	if ((!had_log && errno != ENOENT) || rename(JOURNAL, aside)) {
		log_err("the journal cannot be set aside: %s", strerror(errno));
		if (had_log)
			rename(log, JOURNAL "-wal");
		return -1;
	}
	unlink(JOURNAL "-shm");		/* an index of the log, made anew from it */
	return 0;
}

static int open_journal(struct engine *e)
{
	char aside[64];

	if (!journal_open(&e->journal, JOURNAL))
		return 0;
	if (!journal_is_foreign(&e->journal))
		return -1;
	snprintf(aside, sizeof(aside), JOURNAL ".broken-%llu", (unsigned long long)now_wall());
	log_err("the journal is none (%s): set aside as %s", e->journal.why, aside + 1);
	if (set_aside(aside) || journal_open(&e->journal, JOURNAL))
		return -1;
	record_event(&e->journal, "journal set aside", 0, 0, 0,
		     json_pack("{s:s}", "as", aside + 1));
	return 0;
}

static int begin_once(struct engine *e)
{
	int orders;

	if (open_journal(e))
		return -1;
	record_event(&e->journal, "engine up", 0, 0, 0, json_pack("{s:s,s:i,s:i}", "boot", e->boot,
		     "rules", (int)e->policy.rules, "exemptions", (int)e->policy.exempts));
	orders = record_restart(&e->journal);
	if (orders < 0) {
		journal_close(&e->journal);
		return -1;
	}
	if (orders)
		log_warn("%d orders were open when the engine before this one ended", orders);
	return 0;
}

/* On a full disk the reserve is what there is to begin with. */
static int begin(struct engine *e)
{
	int r = begin_once(e);

	if (r && e->journal.full && journal_release_reserve(&e->journal, RESERVE))
		r = begin_once(e);
	if (!r)
		journal_keep_reserve(&e->journal, RESERVE);
	return r;
}

static void was_opened(struct engine *e)
{
	char head[2 * HASH_BYTES + 1];
	struct guest *g;

	hex_encode(head, e->journal.head_hash, HASH_BYTES);
	log_info("journal: %lld rows, head %s", (long long)e->journal.head_seq, head);
	/* Those that came while there was no journal. */
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		record_event(&e->journal, "guest up", g->id, g->vmm_pid, 0,
			     json_pack("{s:s}", "name", g->name));
		acts_adopt(g);
		orders_adopt(g);
		findings_forget(g);
		guest_sweep_soon(g, now_mono());
	}
	engine_flush_soon(e);
}

void journal_start(struct engine *e, uint64_t now)
{
	if (e->journal.db || now < e->journal_due)
		return;
	if (!begin(e)) {
		e->journal_due = NEVER;
		was_opened(e);
		return;
	}
	e->journal_due = now + AGAIN_NS;
	e->journal.failed = true;
	log_err("no journal (%s): findings are reported in this log alone, those of the guard"
		" wait, nothing is killed;"
		" tried again in a minute", e->journal.why);
}

/* What was taken back for want of room is found again by a sweep, and has room now. */
static void spend_reserve(struct engine *e, uint64_t now)
{
	struct guest *g;

	if (!journal_release_reserve(&e->journal, RESERVE))
		return;
	e->reserve_due = now + RESERVE_AGAIN_NS;
	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down)
			guest_sweep_soon(g, now);
	record_event(&e->journal, "journal reserve released", 0, 0, 0, NULL);
	engine_flush_soon(e);
}

static void keep_reserve(struct engine *e, uint64_t now)
{
	struct journal *j = &e->journal;

	e->reserve_due = now + RESERVE_AGAIN_NS;
	journal_keep_reserve(j, RESERVE);
	if (j->reserve != RESERVE_KEPT)
		return;
	log_info("journal: there is room again; %llu events were left out",
		 (unsigned long long)j->held);
	record_event(j, "journal reserve kept", 0, 0, 0,
		     json_pack("{s:I}", "events left out", (json_int_t)j->held));
	e->held_before += j->held;
	j->held = 0;
	engine_flush_soon(e);
}

uint64_t journal_tend(struct engine *e, uint64_t now)
{
	struct journal *j = &e->journal;

	if (j->full && j->reserve == RESERVE_KEPT)
		spend_reserve(e, now);
	j->full = false;
	if (!j->db || j->reserve == RESERVE_KEPT)
		return NEVER;
	if (e->reserve_due <= now)
		keep_reserve(e, now);
	return j->reserve == RESERVE_KEPT ? NEVER : e->reserve_due;
}

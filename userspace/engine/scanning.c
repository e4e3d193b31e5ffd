// SPDX-License-Identifier: GPL-2.0-or-later
/* Contents to the scanner, and its verdicts. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/rest.h"
#include "engine/scan_jobs.h"
#include "lib/log.h"
#include "lib/util.h"

/*
 * A content without a verdict is never clean: it is known as not scanned, and
 * why.  The journal has the first of them, the status counts all.
 */
static void not_scanned(struct guest *g, struct object *o, const char *why)
{
	struct engine *e = g->introspector.engine;

	inventory_set_state(o, OBJECT_NOT_SCANNED, why);
	if (!guest_may_note(g))
		return;
	record_event(&e->journal, "not scanned", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s,s:I,s:s}", "kind", object_kind_name(o->kind),
			       "path", o->path, "size", (json_int_t)o->size, "why", why));
	engine_flush_soon(e);
}

/* Not the size it says, but the memory it takes. */
static uint64_t memory_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

void scanning_object(struct guest *g, struct object *o, int fd, uint64_t scan)
{
	struct engine *e = g->introspector.engine;
	uint64_t bytes = memory_of(fd);
	const char *full = scans_full(&e->scans, &g->scans, bytes);
	struct scan_job *job = full ? NULL : calloc(1, sizeof(*job));

	scan_jobs_content(e, scan);
	if (!job) {
		close(fd);
		scan_jobs_verdict(e, scan, VERDICT_NOT_SCANNED);
		e->scans.refused++;
		g->inventory.resend_due = true;
		not_scanned(g, o, full ? full : "no memory");
		return;
	}
	job->object = o->id;
	job->scan = scan;
	job->version = o->version;
	job->generation = g->generation;
	job->profile = o->kind == OBJECT_ANON ? SCAN_MEMORY : SCAN_FILE;
	job->bytes = bytes;
	job->fd = fd;
	scans_add(&e->scans, &g->scans, job);
}

void scanning_pump(struct engine *e, uint64_t now)
{
	struct scan_job *job;

	while (e->scan.fd >= 0 && e->database.ready && (job = scans_next(&e->scans))) {
		struct m_scan m = { .profile = job->profile };

		job->id = e->next_id++;
		job->sent = now;
		if (peer_post(&e->scan, &msg_scan, job->id, &m, job->fd))
			return;
	}
}

/* The object that was scanned, if that id still means it. */
static struct object *object_of(const struct scan_job *job, struct guest **ret_guest)
{
	struct guest *g = job->queue ? job->queue->owner : NULL;

	*ret_guest = g;
	if (!g || job->generation != g->generation)
		return NULL;
	return inventory_find_object(&g->inventory, job->object);
}

static void take_verdict(struct guest *g, struct object *o, const struct m_verdict *v)
{
	o->verdict = *v;
	switch (v->verdict) {
	case VERDICT_CLEAN:
		if (o->size > v->bytes)
			not_scanned(g, o, "too large, only its beginning was scanned");
		else
			inventory_set_state(o, OBJECT_CLEAN, "");
		break;
	case VERDICT_INFECTED:
		inventory_set_state(o, OBJECT_INFECTED, v->name[0] ? v->name : "unnamed");
		findings_of_object(g, o);
		break;
	default:
		not_scanned(g, o, v->name[0] ? v->name : "no reason given");
	}
}

/* A content that was cut is not scanned, whatever its beginning is. */
static void count_for_scan(struct engine *e, const struct scan_job *job,
			   const struct object *o, const struct m_verdict *v)
{
	enum verdict verdict = v->verdict;
	const struct use *u;

	if (!job->scan)
		return;
	if (o && o->state == OBJECT_NOT_SCANNED)
		verdict = VERDICT_NOT_SCANNED;
	if (o && o->state == OBJECT_INFECTED)
		TAILQ_FOREACH(u, &o->uses, of_object)
			scan_jobs_finding(e, job->scan, u->finding);
	scan_jobs_verdict(e, job->scan, verdict);
}

/*
 * A job is over.  A verdict on a content that was replaced meanwhile counts
 * only if it is infected: what ran, ran.
 */
static void finish(struct engine *e, struct scan_job *job, const struct m_verdict *v)
{
	struct guest *g;
	struct object *o = job->file ? NULL : object_of(job, &g);

	if (job->file) {
		g = job->queue ? job->queue->owner : NULL;
		rest_verdict(g, job, v);
	}
	if (o && (o->version == job->version || v->verdict == VERDICT_INFECTED))
		take_verdict(g, o, v);
	count_for_scan(e, job, o, v);
	scans_free_job(&e->scans, job);
	if (g)
		guest_free_if_done(g);
}

/* The scanner ended: what it had is given again, once. */
void scanning_lost(struct engine *e)
{
	struct m_verdict v = { .verdict = VERDICT_NOT_SCANNED,
			       .name = "the scanner ended while it scanned this, twice" };

	e->database.ready = 0;
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		struct scan_job *job = e->scans.running[i];

		if (!job)
			continue;
		scans_answered(&e->scans, job->id);
		if (job->attempts < SCANS_ATTEMPTS)
			scans_requeue(&e->scans, job);
		else
			finish(e, job, &v);
	}
}

static int on_verdict(struct engine *e, struct msg *m)
{
	struct m_verdict v;
	struct scan_job *job;

	if (!msg_decode(m, &msg_verdict, &v) || !v.verdict || v.verdict > VERDICT_NOT_SCANNED)
		return -1;
	job = scans_answered(&e->scans, m->id);
	if (!job)
		return -1;
	e->scans.verdicts++;
	e->scans.cached += v.cached != 0;
	e->scans.scanned += v.cached ? 0 : v.bytes;
	finish(e, job, &v);
	return 0;
}

/* By other signatures what was clean may not be: everything is asked for again. */
static void rescan_all(struct engine *e)
{
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry) {
		g->inventory.resend_due = true;
		rest_anew(g);
		guest_sweep_soon(g, now_mono());
	}
}

static int on_database(struct engine *e, struct msg *m)
{
	struct m_database db;

	if (!msg_decode(m, &msg_database, &db))
		return -1;
	record_event(&e->journal, db.ready ? "database ready" : "database refused", 0, 0, 0,
		     json_pack("{s:I,s:s,s:s,s:s}", "signatures", (json_int_t)db.signatures,
			       "epoch", db.epoch, "engine", db.engine, "why", db.why));
	engine_flush_soon(e);
	if (!db.ready) {
		log_warn("database refused: %s", db.why);
		memcpy(e->database.why, db.why, sizeof(db.why));
		return 0;
	}
	if (e->database.epoch[0] && strcmp(e->database.epoch, db.epoch))
		rescan_all(e);
	e->database = db;
	e->database_wall = now_wall();
	log_info("database ready: %llu signatures, %s", (unsigned long long)db.signatures,
		 db.engine);
	return 0;
}

int handle_scan(struct peer *peer, struct msg *m, uint64_t now)
{
	switch (m->type) {
	case M_VERDICT:
		return on_verdict(peer->engine, m);
	case M_DATABASE:
		return on_database(peer->engine, m);
	default:
		return -1;
	}
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/scan_jobs.h"

#include <string.h>

#include "engine/views.h"
#include "lib/util.h"

static struct scan_run *find(struct engine *e, uint64_t id)
{
	for (unsigned i = 0; id && i < SCAN_RUNS; i++)
		if (e->scan_runs[i].id == id)
			return &e->scan_runs[i];
	return NULL;
}

/* The place of the oldest that is over; NULL: all run. */
static struct scan_run *room(struct engine *e)
{
	struct scan_run *oldest = NULL;

	for (unsigned i = 0; i < SCAN_RUNS; i++) {
		struct scan_run *s = &e->scan_runs[i];

		if (s->state != SCAN_RUNNING && (!oldest || s->id < oldest->id))
			oldest = s;
	}
	return oldest;
}

static int ask(struct guest *g, struct request *r, bool one, uint32_t pid)
{
	const struct m_sweep all = { .resend = 1 };
	const struct m_look_pid look = { .pid = pid, .resend = 1 };

	return one ? peer_post(&g->introspector, &msg_look_pid, r->id, &look, -1) :
	       peer_post(&g->introspector, &msg_sweep, r->id, &all, -1);
}

const char *scan_jobs_begin(struct guest *g, uint64_t id, bool one, uint32_t pid)
{
	struct engine *e = g->introspector.engine;
	struct scan_run *s = room(e);
	struct request *r;

	if (!s)
		return "too many scans are running";
	r = guest_request(g, REQUEST_SCAN);
	if (!r)
		return "the guest's introspector is busy";
	r->ticket = id;
	*s = (struct scan_run){ .id = id, .guest = g->id, .one = one, .pid = pid,
				.state = SCAN_RUNNING };
	if (ask(g, r, one, pid))
		return "the guest's introspector does not take it";
	return NULL;
}

json_t *scan_jobs_view(const struct engine *e, uint64_t id)
{
	static const char *const names[] = {
		[SCAN_RUNNING] = "running", [SCAN_DONE] = "done", [SCAN_FAILED] = "failed",
	};
	const struct scan_run *s = find((struct engine *)e, id);
	json_t *findings;

	if (!s)
		return NULL;
	findings = json_array();
	for (unsigned i = 0; i < s->nfindings; i++)
		json_array_append_new(findings, json_integer(s->findings[i]));
	return json_pack("{s:I,s:I,s:o,s:s,s:b,s:s,s:I,s:I,s:I,s:I,s:I,s:o}", "scan", I(s->id),
			 "guest", I(s->guest), "pid", s->one ? json_integer(s->pid) : json_null(),
			 "state", names[s->state], "complete", (int)s->complete, "why", s->why,
			 "tasks", I(s->tasks),
			 "contents_total", I(s->contents), "contents_done", I(s->done),
			 "infected", I(s->infected), "not_scanned", I(s->not_scanned),
			 "findings", findings);
}

static void end(struct scan_run *s, enum scan_state state, const char *why)
{
	if (s->state != SCAN_RUNNING)
		return;
	s->state = state;
	if (why[0])
		snprintf(s->why, sizeof(s->why), "%s", why);
}

static void end_if_all_is_scanned(struct scan_run *s)
{
	if (s->asked && s->done == s->contents)
		end(s, SCAN_DONE, "");
}

void scan_jobs_task(struct engine *e, uint64_t scan)
{
	struct scan_run *s = find(e, scan);

	if (s)
		s->tasks++;
}

void scan_jobs_content(struct engine *e, uint64_t scan)
{
	struct scan_run *s = find(e, scan);

	if (s)
		s->contents++;
}

void scan_jobs_finding(struct engine *e, uint64_t scan, int64_t finding)
{
	struct scan_run *s = find(e, scan);

	if (!s || finding <= 0)
		return;
	for (unsigned i = 0; i < s->nfindings; i++)
		if (s->findings[i] == finding)
			return;
	if (s->nfindings < SCAN_FINDINGS)
		s->findings[s->nfindings++] = finding;
}

void scan_jobs_asked(struct engine *e, uint64_t scan, const struct m_done *done)
{
	struct scan_run *s = find(e, scan);

	if (!s)
		return;
	s->asked = true;
	s->complete = done->status == DONE_COMPLETE;
	if (done->status == DONE_NOT_FOUND)
		end(s, SCAN_FAILED, s->one ? "no such process" : "not found");
	else if (done->status == DONE_UNOBSERVABLE)
		end(s, SCAN_FAILED, done->why);
	else if (done->status == DONE_INCOMPLETE)
		snprintf(s->why, sizeof(s->why), "not all was seen: %.200s", done->why);
	end_if_all_is_scanned(s);
}

void scan_jobs_verdict(struct engine *e, uint64_t scan, enum verdict verdict)
{
	struct scan_run *s = find(e, scan);

	if (!s)
		return;
	s->done++;
	s->infected += verdict == VERDICT_INFECTED;
	s->not_scanned += verdict == VERDICT_NOT_SCANNED;
	end_if_all_is_scanned(s);
}

void scan_jobs_lost(struct guest *g, const char *why)
{
	struct engine *e = g->introspector.engine;

	for (unsigned i = 0; i < SCAN_RUNS; i++)
		if (e->scan_runs[i].id && e->scan_runs[i].guest == g->id)
			end(&e->scan_runs[i], SCAN_FAILED, why);
}

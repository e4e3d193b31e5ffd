// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/rest.h"

#include <fcntl.h>
#include <linux/kvm_warden.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/limits.h"
#include "engine/orders.h"
#include "engine/views.h"
#include "lib/log.h"
#include "lib/util.h"

/* Of one part.  An introspector ends the file it is at, so there may be one more. */
#define PART_FILES 32
#define PART_BYTES (32ull << 20)
#define PART_BYTES_MOST (PART_BYTES + (128ull << 20))
#define PART_MS 250
#define PART_GAP_NS (500 * NS_PER_MS)
#define PART_COST 4			/* a fifth of the time at most */
/* Of one guest in rest_seconds: what is more is left to the next. */
#define ROUND_FILES 4096
#define ROUND_BYTES (1ull << 30)
/* Of all guests, waiting for the scanner. */
#define TOTAL_BYTES (512ull << 20)
/* An introspector that takes longer holds no other up. */
#define PATIENCE_NS (10 * NS_PER_S)
/* Findings of one guest: so many at once, and in a day.  None of them is taken from what runs. */
#define NEW_QUOTA 300
#define NEW_REFILL_NS (86400 * NS_PER_S / NEW_QUOTA)

static uint64_t interval(const struct engine *e)
{
	return e->config.rest_seconds * NS_PER_S;
}

/* ---- rounds ---- */

static void end_round(struct guest_rest *r)
{
	const struct rest_counts *n = &r->now;

	r->last = *n;
	r->last_wall = now_wall();
	r->last_complete = !r->cut && !r->why[0] && !n->unread && !n->torn;
	if (r->why[0])
		memcpy(r->last_why, r->why, sizeof(r->last_why));
	else if (r->last_complete)
		r->last_why[0] = '\0';
	else
		snprintf(r->last_why, sizeof(r->last_why), "incomplete; %llu files could not be read, %llu file"
			 " systems' lists do not hold together%s", (unsigned long long)n->unread,
			 (unsigned long long)n->torn, r->cut ? "; more files than the limit" : "");
	memset(&r->now, 0, sizeof(r->now));
	r->now_wall = 0;
	r->cut = r->ended = false;
	r->why[0] = '\0';
}

void rest_anew(struct guest *g)
{
	struct guest_rest *r = &g->rest;

	r->anew = true;
	if (!r->now_wall && r->due)
		r->due = now_mono();
}

void rest_lost(struct guest *g)
{
	struct guest_rest *r = &g->rest;

	scans_drop(&g->introspector.engine->scans, &g->rest_scans);
	memset(&r->now, 0, sizeof(r->now));
	r->now_wall = r->due = r->began = 0;
	r->cut = r->ended = r->anew = r->budget = false;
	r->why[0] = '\0';
}

static bool is_asked(const struct guest *g, enum request_kind kind)
{
	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++)
		if (g->requests[i].kind && (kind == REQUEST_NONE || g->requests[i].kind == kind))
			return true;
	return false;
}

/* After a sweep: what runs comes first, and is not scanned again as it lies there. */
static bool is_wanted(const struct guest *g)
{
	return !g->down && g->introspector.fd >= 0 && g->level == KVM_WARDEN_LEVEL_CONTENT &&
	       g->kernel.state == KERNEL_READY && g->sweep_ended && g->sweep_ended >= g->sweep_began &&
	       !g->rest_scans.jobs;
}

static bool is_busy(const struct guest *g, uint64_t now)
{
	return is_asked(g, REQUEST_NONE) || g->scans.jobs || looks_due(&g->looks) <= now;
}

/* One that is asked at the moment; *ret_until: no longer than that. */
static bool is_one_asked(const struct engine *e, uint64_t now, uint64_t *ret_until)
{
	const struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry) {
		for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++) {
			const struct request *r = &g->requests[i];

			if (r->kind != REQUEST_REST || now >= r->sent + PATIENCE_NS)
				continue;
			*ret_until = r->sent + PATIENCE_NS;
			return true;
		}
	}
	return false;
}

static void plan(struct guest *g)
{
	struct guest_rest *r = &g->rest;

	if (r->ended)
		end_round(r);
	if (!r->due)
		r->due = g->sweep_ended + interval(g->introspector.engine);
}

static void ask(struct guest *g, uint64_t now)
{
	struct guest_rest *r = &g->rest;
	struct request *q = guest_request(g, REQUEST_REST);
	struct m_rest m = { .files = PART_FILES, .bytes = PART_BYTES, .milliseconds = PART_MS };

	if (!q)
		return;
	if (!r->now_wall) {
		r->now_wall = now_wall();
		m.anew = r->anew;
		r->anew = false;
	}
	if (!r->began || now >= r->began + interval(g->introspector.engine)) {
		r->began = now;
		r->round_files = r->round_bytes = 0;
		r->budget = false;
	}
	if (peer_post(&g->introspector, &msg_rest, q->id, &m, -1))
		q->kind = REQUEST_NONE;
}

uint64_t rest_pump(struct engine *e, uint64_t now)
{
	struct guest *g, *first = NULL;
	uint64_t next = NEVER;

	if (!e->config.rest_seconds || !e->database.ready || is_one_asked(e, now, &next) ||
	    e->scans.rest_bytes + PART_BYTES_MOST > TOTAL_BYTES)
		return next;
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (!is_wanted(g))
			continue;
		plan(g);
		if (g->rest.due > now)
			next = MIN(next, g->rest.due);
		else if (!is_busy(g, now) && (!first || g->rest.due < first->rest.due))
			first = g;
	}
	if (first)
		ask(first, now);
	return next;
}

/* ---- what comes ---- */

static bool is_sane(const struct m_rest_file *m)
{
	return m->kind >= OBJECT_FILE && m->kind <= OBJECT_DELETED && m->resident <= m->size &&
	       m->size <= INT64_MAX && !(m->file_ranges.len % sizeof(struct exe_range));
}

int rest_file(struct guest *g, struct msg *msg, struct request *r, uint64_t now)
{
	struct engine *e = g->introspector.engine;
	struct m_rest_file *file = calloc(1, sizeof(*file));
	struct scan_job *job = calloc(1, sizeof(*job));
	struct stat st = { 0 };

	if (!file || !job)
		fatal("no memory for a file at rest");
	/* More than was asked for comes from no introspector of ours. */
	if (!msg_decode(msg, &msg_rest_file, file) || !is_sane(file) ||
	    !util_is_sealed(msg->fd, F_SEAL_WRITE | F_SEAL_SHRINK) || fstat(msg->fd, &st) || ++r->files > PART_FILES ||
	    r->bytes >= PART_BYTES || st.st_size > (off_t)(PART_BYTES_MOST - PART_BYTES)) {
		free(file);
		free(job);
		return -1;
	}
	r->bytes += st.st_size;
	job->file = file;
	job->generation = g->generation;
	job->profile = SCAN_FILE;
	job->bytes = (uint64_t)st.st_blocks * 512;
	job->length = st.st_size;
	job->seen = r->sent;
	job->fd = msg_take_fd(msg);
	scans_add(&e->scans, &g->rest_scans, job);
	return 0;
}

static void add(struct rest_counts *n, const struct m_rested *m)
{
	n->inodes += m->inodes;
	n->files += m->files;
	n->unchanged += m->unchanged;
	n->mapped += m->mapped;
	n->unread += m->unread;
	n->torn += m->torn;
	n->bytes += m->bytes;
	n->busy_us += m->elapsed_us;
}

int rest_ended(struct guest *g, struct msg *msg, struct request *q, uint64_t now)
{
	struct guest_rest *r = &g->rest;
	struct m_rested m;

	if (!msg_decode(msg, &msg_rested, &m) || !m.status || m.status > REST_UNAVAILABLE)
		return -1;
	add(&r->now, &m);
	add(&r->total, &m);
	r->cut = r->cut || m.cut;
	r->round_files += q->files;
	r->round_bytes += q->bytes;
	r->due = now + MAX(PART_GAP_NS, PART_COST * (now - q->sent));
	q->kind = REQUEST_NONE;
	r->budget = r->round_files >= ROUND_FILES || r->round_bytes >= ROUND_BYTES;
	if (m.status != REST_MORE) {
		memcpy(r->why, m.why, sizeof(r->why));
		r->ended = true;
	}
	if (r->ended || r->budget)
		r->due = MAX(r->due, r->began + interval(g->introspector.engine));
	return 0;
}

/* ---- what is found ---- */

static json_t *evidence_of(const struct engine *e, const struct m_rest_file *f, const struct m_verdict *v)
{
	char hash[2 * HASH_BYTES + 1], dev[24];

	hex_encode(hash, f->file_hash, HASH_BYTES);
	snprintf(dev, sizeof(dev), "%02x:%02x", (unsigned)(f->dev >> 20), (unsigned)(f->dev & 0xfffff));
	return json_pack("{s:I,s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s:b,s:s,s:s}",
			 "inode", I(f->inode), "generation", I(f->generation), "dev", dev, "fs", f->fs,
			 "uid", I(f->uid), "mode", I(f->mode & 07777), "mtime_sec", I(f->mtime_sec),
			 "size", I(f->size), "resident", I(f->resident),
			 "file_hash", f->file_ranges.len ? hash : "", "scan_us", I(v->elapsed_us),
			 "cached", (int)v->cached, "epoch", e->database.epoch, "engine", e->database.engine);
}

/* 0: there is no room for it now, or (*ret_known) it is one of before; -1: the journal has it not. */
static int64_t write_finding(struct guest *g, const struct scan_job *job, const struct m_verdict *v,
			     const char *signature, bool *ret_known)
{
	struct engine *e = g->introspector.engine;
	const struct m_rest_file *file = job->file;
	struct finding_record f = {
		.ref = guest_ref(e, g), .guest_name = g->name, .comm = "", .exe = "",
		.object_kind = object_kind_name(file->kind), .path = file->path,
		.signature = signature, .content_hash = v->hash, .found_by = REST_FOUND_BY,
		.inode = file->inode, .generation = file->generation,
		.t_seen = job->seen, .t_found = now_mono(), .evidence = evidence_of(e, file, v),
	};
	int64_t seq = record_known_finding(&e->journal, &f);

	*ret_known = seq > 0;
	if (!seq && quota_take(&g->rest_new, NEW_QUOTA, NEW_REFILL_NS, now_mono()))
		seq = record_finding(&e->journal, &f, ret_known);
	else if (!seq)
		g->counts.findings_held++;
	json_decref(f.evidence);
	if (seq && !*ret_known)
		log_warn("guest %llu (%s): %s in the file %s, at rest%s", (unsigned long long)g->id,
			 g->name, signature, file->path, seq < 0 ? "; not in the journal" : "");
	return seq;
}

static struct m_order quarantine_of(const struct m_rest_file *f)
{
	struct m_order m = { .verb = VERB_QUARANTINE, .size = f->size };

	randombytes_buf(m.item, sizeof(m.item));
	memcpy(m.path, f->path, sizeof(m.path));
	memcpy(m.exe_hash, f->file_hash, HASH_BYTES);
	m.exe_ranges.len = f->file_ranges.len;
	memcpy(m.exe_ranges.range, f->file_ranges.range, f->file_ranges.len);
	return m;
}

static const char *withheld(struct guest *g, const struct m_rest_file *f, const struct policy_entry *rule,
			    char *note, size_t size)
{
	char met[96];

	if (f->kind != OBJECT_FILE)
		return "quarantine does not apply: not a file";
	if (!f->path[0])
		return "quarantine withheld: no name of the file is in memory";
	if (!f->file_ranges.len)
		return "quarantine withheld: no identity of the file";
	if (!limits_met(g, rule, ANSWER_QUARANTINE, met, sizeof(met)))
		return NULL;
	snprintf(note, size, "quarantine withheld: %s", met);
	return note;
}

/*
 * The path is the one in the file's own file system, which may be mounted elsewhere,
 * or nowhere: the agent moves what lies there if it is that very content, or nothing.
 */
static void decide_quarantine(struct guest *g, const struct scan_job *job, const struct policy_entry *rule,
			      int64_t finding, const char *signature)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct order_cause cause = { 0, finding, rule->name, signature };
	struct m_order m = quarantine_of(job->file);
	char note[128];
	const char *why = withheld(g, job->file, rule, note, sizeof(note)), *action = "report";
	int64_t other = why ? 0 : record_find_item(&e->journal, &ref, &m, job->seen);

	if (other > 0) {
		snprintf(note, sizeof(note), "order %lld is for this file already", (long long)other);
		why = note;
		action = "joined";
	}
	if (why)
		record_decision(&e->journal, finding, rule->name, action, why);
	if (why || other < 0)
		return;
	cause.decision = record_decision(&e->journal, finding, rule->name, "quarantine", "");
	if (cause.decision > 0 && !g->down)
		order_make(g, &m, &cause, ORDER_QUEUED);
}

/* known: what an engine of before had no answer of the host's to, alone. */
static void decide(struct guest *g, const struct scan_job *job, int64_t finding, const char *signature,
		   bool known)
{
	struct engine *e = g->introspector.engine;
	const struct policy_question question = {
		.signature = signature, .guest = g->name, .exe = job->file->path, .kind = POLICY_REST,
	};
	struct policy_answer answer = policy_decide(&e->policy, &question);
	const struct policy_entry *rule = answer.by && !answer.by->exempt ? answer.by : NULL;
	char note[128] = "";

	if (!known && answer.actions & ACTION_KILL)
		record_decision(&e->journal, finding, rule->name, "report",
				"kill does not apply: no process");
	if (!known && answer.actions & ACTION_QUARANTINE)
		decide_quarantine(g, job, rule, finding, signature);
	if (rule && rule->host.n && !g->down)
		findings_decide_host(g, rule, finding, known);
	if (known || answer.actions != ACTION_REPORT || (rule && rule->host.n))
		return;
	if (answer.by && !rule)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding, rule ? rule->name : "", "report", note);
}

static void found(struct guest *g, const struct scan_job *job, const struct m_verdict *v)
{
	const char *signature = v->name[0] ? v->name : "unnamed";
	bool known;
	int64_t seq = write_finding(g, job, v, signature, &known);

	/* Not lost: the round after this one shows the file again. */
	if (seq <= 0) {
		g->rest.anew = true;
		return;
	}
	engine_flush_soon(g->introspector.engine);
	g->counts.findings += !known;
	decide(g, job, seq, signature, known);
}

static void not_scanned(struct guest *g, const struct m_rest_file *f, const char *why)
{
	struct engine *e = g->introspector.engine;

	if (!guest_may_note(g))
		return;
	record_event(&e->journal, "not scanned", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s,s:I,s:s}", "kind", "file at rest", "path", f->path,
			       "size", I(f->size), "why", why));
	engine_flush_soon(e);
}

static void count(struct rest_counts *n, const struct scan_job *job, const struct m_verdict *v)
{
	if (v->verdict == VERDICT_INFECTED)
		n->infected++;
	else if (v->verdict != VERDICT_CLEAN || v->bytes < job->length)
		n->not_scanned++;
	else if (job->file->resident < job->file->size)
		n->partial++;
	else
		n->clean++;
}

void rest_verdict(struct guest *g, const struct scan_job *job, const struct m_verdict *v)
{
	if (!g || job->generation != g->generation)
		return;
	count(&g->rest.now, job, v);
	count(&g->rest.total, job, v);
	if (v->verdict == VERDICT_INFECTED)
		found(g, job, v);
	else if (v->verdict != VERDICT_CLEAN)
		not_scanned(g, job->file, v->name[0] ? v->name : "no reason given");
	else if (v->bytes < job->length)
		not_scanned(g, job->file, "too large, only its beginning was scanned");
}

/* ---- what is told ---- */

static json_t *counts_json(const struct rest_counts *n)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "inodes", I(n->inodes),
			 "files", I(n->files), "unchanged", I(n->unchanged), "mapped", I(n->mapped),
			 "clean", I(n->clean), "infected", I(n->infected), "partial", I(n->partial),
			 "not_scanned", I(n->not_scanned), "unread", I(n->unread), "torn", I(n->torn),
			 "bytes", I(n->bytes), "busy_us", I(n->busy_us));
}

json_t *view_rest(const struct guest *g)
{
	const struct guest_rest *r = &g->rest;
	json_t *last, *o;

	if (!g->introspector.engine->config.rest_seconds || g->level != KVM_WARDEN_LEVEL_CONTENT)
		return json_null();
	o = json_pack("{s:s,s:I,s:o}", "state", !r->now_wall ? "waiting" : r->budget ? "budget spent" :
		      "running", "scans_waiting", I(g->rest_scans.jobs), "now", counts_json(&r->now));
	last = r->last_wall ? counts_json(&r->last) : json_null();
	if (r->last_wall) {
		view_set(last, "complete", json_boolean(r->last_complete));
		view_set(last, "why", json_string(r->last_why));
		view_set(last, "ended_wall_ns", json_integer(r->last_wall));
	}
	view_set(o, "last", last);
	return o;
}

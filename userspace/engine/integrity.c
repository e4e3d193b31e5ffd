// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What checks of the host's own code say: each difference is a finding, once in
 * this boot of the host; that a thing's state changed is an event.
 */
#include "engine/engine.h"

#include <stdio.h>
#include <string.h>

#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

static bool is_of_all(const struct m_integrity_done *done)
{
	return !done->guest && !strcmp(done->what, INTEGRITY_ALL_MODULES);
}

/* A module that a whole round of modules did not speak of is loaded no more. */
static bool is_past(struct engine *e, const struct m_integrity_done *c, const struct m_integrity_done *now)
{
	if (c->guest)
		return !guest_find(e, c->guest);
	return !now->guest && (is_of_all(c) || c->round + 1 < now->round);
}

static void drop_past(struct engine *e, const struct m_integrity_done *now)
{
	for (unsigned i = 0; i < e->nchecked; i++)
		if (is_past(e, &e->checked[i].done, now))
			e->checked[i--] = e->checked[--e->nchecked];
}

static struct checked *slot_of(struct engine *e, const struct m_integrity_done *done)
{
	unsigned of_guests = 0;

	drop_past(e, done);
	for (unsigned i = 0; i < e->nchecked; i++) {
		struct checked *c = &e->checked[i];

		/* Who has the guest now takes the place of the one before. */
		if (c->done.guest == done->guest && !strcmp(c->done.what, done->what))
			return c;
		of_guests += c->done.guest != 0;
	}
	if (e->nchecked == CHECKED_MAX || (done->guest && of_guests >= CHECKED_MAX - CHECKED_HOST))
		return NULL;
	memset(&e->checked[e->nchecked], 0, sizeof(e->checked[0]));
	return &e->checked[e->nchecked++];
}

/* What they were by an earlier check they are not known to be. */
static bool forget_modules(struct engine *e, const struct m_integrity_done *done, bool *ret_changed)
{
	bool known = false;

	*ret_changed = false;
	for (unsigned i = 0; i < e->nchecked; i++) {
		struct checked *c = &e->checked[i];

		if (c->done.guest || is_of_all(&c->done))
			continue;
		known = true;
		*ret_changed |= c->done.status != done->status || strcmp(c->done.why, done->why);
		c->done.status = done->status;
		c->done.round = done->round;
		c->done.differences = 0;
		strcpy(c->done.why, done->why);
		strcpy(c->done.cause, done->cause);
		c->at_wall = now_wall();
	}
	return known;
}

static void note_change(struct engine *e, const struct m_integrity_done *done)
{
	const char *status = integrity_status_name(done->status);

	log_at(done->status == INTEGRITY_CLEAN ? LOG_INFO : LOG_WARNING,
	       "integrity of %s (guest %llu): %s, %llu differences%s%s", done->what,
	       (unsigned long long)done->guest, status, (unsigned long long)done->differences,
	       done->why[0] ? ": " : "", done->why);
	record_event(&e->journal, "integrity", done->guest, done->vmm_pid, 0,
		     json_pack("{s:s,s:s,s:I,s:s,s:s}", "what", done->what, "status", status,
			       "differences", (json_int_t)done->differences, "cause", done->cause,
			       "why", done->why));
	engine_flush_soon(e);
}

/*
 * A guest's things are on its own quota.  The host's have none: they are few, and
 * nobody's noise may hide what is wrong with the kernel.
 */
static bool may_note(struct guest *g)
{
	return !g || guest_may_note(g);
}

static void tell_held(struct guest *g)
{
	if (!g || !g->differences_held)
		return;
	log_warn("integrity of guest %llu's VMM: %llu differences are not in the journal, as its quota is used up; the next check tells them again",
		 (unsigned long long)g->id, (unsigned long long)g->differences_held);
	g->differences_held = 0;
}

int integrity_done(struct engine *e, struct msg *m)
{
	struct m_integrity_done done;
	struct checked *c;
	struct guest *g;
	bool changed;

	if (!msg_decode(m, &msg_integrity_done, &done) || !done.status ||
	    done.status > INTEGRITY_UNAVAILABLE)
		return -1;
	if (is_of_all(&done) && done.status != INTEGRITY_UNAVAILABLE)
		return -1;
	g = done.guest ? guest_find(e, done.guest) : NULL;
	if (done.guest && !g)
		return 0;
	tell_held(g);
	if (is_of_all(&done) && forget_modules(e, &done, &changed)) {
		if (changed)
			note_change(e, &done);
		return 0;
	}
	c = slot_of(e, &done);
	changed = !c || c->done.status != done.status || c->done.vmm_pid != done.vmm_pid ||
		  strcmp(c->done.why, done.why);
	if (c) {
		c->done = done;
		c->at_wall = now_wall();
	}
	/* Without a slot there is no knowing: said each time, within the quota. */
	if (changed && (c || may_note(g)))
		note_change(e, &done);
	return 0;
}

/* ---- differences ---- */

static json_t *evidence_of(const struct m_integrity_difference *d)
{
	char offset[32], address[32];

	snprintf(offset, sizeof(offset), "0x%llx", (unsigned long long)d->offset);
	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)d->address);
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:s,s:s}", "what", d->what, "section", d->section,
			 "symbol", d->symbol, "offset", offset, "address", address,
			 "length", (json_int_t)d->length, "expected", d->expected, "found", d->found);
}

static int64_t write_finding(struct engine *e, const struct guest *g, const char *signature,
			     const struct m_integrity_difference *d, bool *ret_known)
{
	uint8_t hash[HASH_BYTES];
	char path[3 * TEXT_NAME];
	struct finding_record f = {
		.ref = { e->boot, d->guest, d->vmm_pid }, .guest_name = g ? g->name : "(host)",
		.pid = d->vmm_pid, .comm = d->what, .exe = "", .object_kind = INTEGRITY_KIND,
		.path = path, .gva = d->address, .signature = signature, .content_hash = hash,
		.found_by = "integrity", .t_seen = now_mono(), .t_found = now_mono(),
		.evidence = evidence_of(d),
	};
	int64_t seq;

	/* What is found there is part of what it is: another patch is another finding. */
	hash_content(hash, d->found, strlen(d->found));
	snprintf(path, sizeof(path), "%s+0x%llx: %s", d->section, (unsigned long long)d->offset,
		 d->found);
	seq = record_finding(&e->journal, &f, ret_known);
	json_decref(f.evidence);
	if (seq < 0 || !*ret_known)
		log_err("integrity: %s (guest %llu) %s+0x%llx (%s): %s, expected %s%s", d->what,
			(unsigned long long)d->guest, d->section, (unsigned long long)d->offset,
			d->symbol, d->found, d->expected, seq < 0 ? "; not in the journal" : "");
	return seq;
}

/* Nothing that a guest's agent or the host does to a guest mends the host's code. */
static void decide(struct engine *e, const struct guest *g, const char *signature, int64_t finding)
{
	const struct policy_question question = {
		.signature = signature, .guest = g ? g->name : "(host)", .exe = "",
		.kind = POLICY_INTEGRITY,
	};
	struct policy_answer answer = policy_decide(&e->policy, &question);
	char note[128] = "";

	if (answer.by && answer.by->exempt)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding, answer.by && !answer.by->exempt ? answer.by->name : "",
			"report", note);
}

int integrity_difference(struct engine *e, struct msg *m)
{
	struct m_integrity_difference d;
	char signature[TEXT_NAME + 16];
	struct guest *g;
	bool known;
	int64_t seq;

	if (!msg_decode(m, &msg_integrity_difference, &d))
		return -1;
	g = d.guest ? guest_find(e, d.guest) : NULL;
	/* The next check tells it again, with the guest's name. */
	if (d.guest && (!g || g->unnamed))
		return 0;
	if (!may_note(g)) {
		g->differences_held++;
		return 0;
	}
	snprintf(signature, sizeof(signature), "Integrity.%s", d.what);
	seq = write_finding(e, g, signature, &d, &known);
	if (seq > 0 && !known)
		decide(e, g, signature, seq);
	engine_flush_soon(e);
	return 0;
}

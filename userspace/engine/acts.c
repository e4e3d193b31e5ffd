// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/acts.h"

#include <stdlib.h>
#include <string.h>

#include <linux/kvm_warden.h>

#include "engine/control.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

#define ANSWER_NS (60 * NS_PER_S)	/* a VMM that ends slowly takes some of it */
#define EXPIRY_GRACE_NS NS_PER_S

static const struct {
	uint32_t hold, release;
} pairs[HOLDS] = {
	[HOLD_CONTAIN] = { HOST_CONTAIN, HOST_RELEASE },
	[HOLD_PAUSE] = { HOST_PAUSE, HOST_RESUME },
	[HOLD_LINK] = { HOST_LINK_DOWN, HOST_LINK_UP },
};

static bool is_sure(const struct hold *h)
{
	return h->on && !h->unsure;
}

bool guest_is_stopped(const struct guest *g)
{
	return is_sure(&g->holds[HOLD_CONTAIN]) || is_sure(&g->holds[HOLD_PAUSE]);
}

const struct hold *acts_hold(const struct guest *g, uint32_t verb)
{
	for (int i = 0; i < HOLDS; i++)
		if (pairs[i].hold == verb && is_sure(&g->holds[i]))
			return &g->holds[i];
	return NULL;
}

bool acts_may_hold(const struct guest *g, uint32_t verb)
{
	const struct act *a;

	for (int i = 0; i < HOLDS; i++)
		if (pairs[i].hold == verb && g->holds[i].on)
			return true;
	TAILQ_FOREACH(a, &g->acts, entry)
		if (a->m.verb == verb)
			return true;
	return false;
}

int acts_make(struct guest *g, int64_t decision, int64_t finding, uint32_t verb,
	      uint64_t expiry_ms, enum act_purpose purpose, uint64_t ticket)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct m_act m = { .guest = g->id, .verb = verb,
			   .expiry_ms = verb == HOST_CONTAIN ? expiry_ms : 0 };
	int64_t seq = record_act(&e->journal, decision, finding, &ref, &m,
				 purpose == ACT_OF_OPERATOR ? "operator" : "policy");
	struct act *a = seq > 0 ? calloc(1, sizeof(*a)) : NULL;

	if (!a)
		return -1;
	*a = (struct act){ .seq = seq, .finding = finding, .m = m, .purpose = purpose,
			   .ticket = ticket };
	TAILQ_INSERT_TAIL(&g->acts, a, entry);
	return 0;
}

/* ---- what an act leaves behind ---- */

/* The guest's vCPUs run again: whom it waited for may answer now. */
static void went_on(struct guest *g, bool was_stopped, bool by_operator, uint64_t now)
{
	if (was_stopped && !guest_is_stopped(g))
		orders_thawed(g, by_operator, now);
}

static void take_effect(struct guest *g, const struct act *a, bool whole, uint64_t now)
{
	bool was_stopped = guest_is_stopped(g);

	if (whole && a->m.verb >= HOST_LEVEL_OFF && a->m.verb <= HOST_LEVEL_CONTENT)
		guest_set_level(g, a->m.verb - HOST_LEVEL_OFF, now);
	for (int i = 0; i < HOLDS; i++) {
		if (a->m.verb == pairs[i].hold)
			g->holds[i] = (struct hold){
				.on = true, .unsure = !whole, .since_wall = now_wall(),
				.finding = a->finding,
				.doer = a->purpose == ACT_OF_OPERATOR ? "operator" : "policy",
				.until = a->m.expiry_ms ? now + a->m.expiry_ms * NS_PER_MS : 0,
			};
		else if (a->m.verb == pairs[i].release && whole)
			g->holds[i].on = false;
	}
	went_on(g, was_stopped, true, now);
}

/* Not by an act of ours. */
static void hold_ended(struct guest *g, int i, const char *why, uint64_t now)
{
	const char *kind = i == HOLD_CONTAIN ? "containment ended" : "pause ended";
	struct engine *e = g->introspector.engine;
	bool was_stopped = guest_is_stopped(g);

	log_warn("guest %llu: %s: %s", (unsigned long long)g->id, kind, why);
	record_event(&e->journal, kind, g->id, g->vmm_pid, 0, json_pack("{s:s}", "why", why));
	engine_flush_soon(e);
	g->holds[i].on = false;
	went_on(g, was_stopped, false, now);
}

/* ---- sending and answers ---- */

static void act_free(struct guest *g, struct act *a)
{
	TAILQ_REMOVE(&g->acts, a, entry);
	free(a);
}

static const char *status_name(uint32_t status)
{
	static const char *const names[] = {
		[ACT_DONE] = "done", [ACT_NO_GUEST] = "no such guest",
		[ACT_UNAVAILABLE] = "unavailable", [ACT_FAILED] = "failed",
		[ACT_PARTLY] = "done in part",
	};

	return status && status < ARRAY_SIZE(names) ? names[status] : "no answer in time";
}

static void acted(struct guest *g, struct act *a, const struct m_acted *m, uint64_t now)
{
	struct engine *e = g->introspector.engine;
	struct act done = *a;

	record_acted(&e->journal, a->seq, "result", status_name(m->status), m->elapsed_us, m->detail);
	engine_flush_soon(e);
	log_warn("guest %llu (%s): %s, by %s: %s%s%s", (unsigned long long)g->id, g->name,
		 host_verb_name(a->m.verb), a->purpose == ACT_OF_OPERATOR ? "the operator" : "policy",
		 status_name(m->status), m->detail[0] ? ": " : "", m->detail);
	act_free(g, a);
	if (m->status == ACT_DONE || m->status == ACT_PARTLY)
		take_effect(g, &done, m->status == ACT_DONE, now);
	if (done.purpose == ACT_OF_LADDER)
		ladder_acted(g, m->status);
	else if (done.purpose == ACT_OF_OPERATOR)
		control_acted(e->control, done.ticket, m);
}

/* Nothing is asked for before its decision and this row are on the disk. */
static void send_act(struct guest *g, struct act *a, uint64_t now)
{
	struct engine *e = g->introspector.engine;

	if (e->journal_failed || record_acted(&e->journal, a->seq, "sent", "sent", 0, "") ||
	    journal_commit(&e->journal)) {
		log_err("guest %llu: %s is not asked for: the journal cannot be written",
			(unsigned long long)g->id, host_verb_name(a->m.verb));
		e->journal_failed = true;
		return;
	}
	a->sent = true;
	a->message = e->next_id++;
	a->give_up = now + ANSWER_NS;
	peer_post(&e->parent, &msg_act, a->message, &a->m, -1);
}

/* Nothing of a VMM's holds these up. */
static bool is_modules(const struct act *a)
{
	return a->m.verb != HOST_PAUSE && a->m.verb != HOST_RESUME && a->m.verb != HOST_LINK_DOWN &&
	       a->m.verb != HOST_LINK_UP && a->m.verb != HOST_POWER_OFF;
}

/* One at a time of the module, and one of the VMM: a monitor that hangs keeps no guest running. */
static bool is_next(const struct guest *g, const struct act *a)
{
	const struct act *first = TAILQ_FIRST(&g->acts);

	while (is_modules(first) != is_modules(a))
		first = TAILQ_NEXT(first, entry);
	return first == a;
}

static struct act *find_unanswered(struct guest *g, uint64_t now)
{
	struct act *a;

	TAILQ_FOREACH(a, &g->acts, entry)
		if (a->sent && now >= a->give_up)
			return a;
	return NULL;
}

static uint64_t pump_queue(struct guest *g, uint64_t now)
{
	const struct m_acted none = { .detail = "the parent gave no answer" };
	uint64_t due = NEVER;
	struct act *a;

	while ((a = find_unanswered(g, now)))
		acted(g, a, &none, now);
	TAILQ_FOREACH(a, &g->acts, entry) {
		if (!a->sent && is_next(g, a))
			send_act(g, a, now);
		if (a->sent)
			due = MIN(due, a->give_up);
	}
	return due;
}

uint64_t acts_pump(struct guest *g, uint64_t now)
{
	const struct hold *contained = &g->holds[HOLD_CONTAIN];
	uint64_t due = pump_queue(g, now);

	if (contained->on && contained->until && now >= contained->until + EXPIRY_GRACE_NS)
		hold_ended(g, HOLD_CONTAIN, "it expired", now);
	if (contained->on && contained->until)
		due = MIN(due, contained->until + EXPIRY_GRACE_NS);
	return due;
}

static struct act *find_sent(struct guest *g, uint64_t message)
{
	struct act *a;

	TAILQ_FOREACH(a, &g->acts, entry)
		if (a->sent && a->message == message)
			return a;
	return NULL;
}

void acts_result(struct engine *e, uint64_t id, const struct m_acted *m, uint64_t now)
{
	struct guest *g;
	struct act *a;

	TAILQ_FOREACH(g, &e->guests, entry) {
		a = find_sent(g, id);
		if (!a)
			continue;
		acted(g, a, m, now);
		guest_free_if_done(g);
		return;
	}
	log_info("an answer to an act that is not open: %s: %s", status_name(m->status), m->detail);
}

/* ---- over restarts ---- */

static struct hold hold_of(const struct last_act *last)
{
	struct hold h = { .on = true, .unsure = !last->done, .since_wall = last->wall_ns,
			  .finding = last->finding, .doer = strcmp(last->doer, "operator") ? "policy" : "operator" };

	if (last->expiry_ms)
		h.until = last->mono_ns + last->expiry_ms * NS_PER_MS;
	return h;
}

/* The module knows; the journal knows who, why and until when. */
static void containment_found(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct hold *h = &g->holds[HOLD_CONTAIN];
	struct last_act last;

	*h = (struct hold){ .on = true, .since_wall = now_wall(), .doer = "unknown" };
	if (record_last_act(&e->journal, &ref, HOST_CONTAIN, HOST_RELEASE, &last) == 1 &&
	    last.verb == HOST_CONTAIN)
		*h = hold_of(&last);
	h->unsure = false;
	log_warn("guest %llu: found contained, by %s", (unsigned long long)g->id, h->doer);
	record_event(&e->journal, "containment found", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:I}", "by", h->doer, "finding", (json_int_t)h->finding));
	engine_flush_soon(e);
}

void acts_adopt(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);

	for (int i = 0; i < HOLDS; i++) {
		struct last_act last;

		if (record_last_act(&e->journal, &ref, pairs[i].hold, pairs[i].release, &last) != 1 ||
		    last.verb != pairs[i].hold)
			continue;
		/* A contain that nobody saw end well is for the module to tell. */
		if (!last.done && i == HOLD_CONTAIN)
			continue;
		g->holds[i] = hold_of(&last);
		log_info("guest %llu: %s of before %s", (unsigned long long)g->id,
			 host_verb_name(last.verb), last.done ? "stands" :
			 "may stand: nobody saw it done, so it is answer to nothing");
	}
}

/*
 * A VMM's pause is its own word, and anybody with its monitor may end it; a
 * vCPU that leaves the guest has been in it.
 */
static void check_pause(struct guest *g, uint64_t exits, uint64_t now)
{
	struct hold *h = &g->holds[HOLD_PAUSE];
	bool runs = h->counted && exits > h->exits;

	h->counted = true;
	h->exits = exits;
	if (is_sure(h) && runs)
		hold_ended(g, HOLD_PAUSE, "its vCPUs run, by the VMM's doing or another hand", now);
}

/* Asked and not answered yet: the numbers may be of before or after. */
static bool is_asked(const struct guest *g, bool module)
{
	const struct act *a;

	TAILQ_FOREACH(a, &g->acts, entry)
		if (a->sent && is_modules(a) == module)
			return true;
	return false;
}

void acts_counters(struct guest *g, const struct m_counters *m, uint64_t now)
{
	const struct hold *h = &g->holds[HOLD_CONTAIN];
	bool contained = m->flags & KVM_WARDEN_GUEST_CONTAINED;

	if (!is_asked(g, false))
		check_pause(g, m->exits, now);
	if (is_asked(g, true))
		return;
	if (contained && !h->on)
		containment_found(g);
	else if (!contained && h->on)
		hold_ended(g, HOLD_CONTAIN, h->until && now + EXPIRY_GRACE_NS >= h->until ?
			   "it expired" : "released by another hand", now);
}

/* One that was asked for is answered yet: the guest may be down because of it. */
void acts_guest_down(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	const struct m_acted gone = { .status = ACT_NO_GUEST, .detail = "the guest is down" };
	struct act *a, *next;

	g->ladder.on = false;
	for (a = TAILQ_FIRST(&g->acts); a; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->purpose == ACT_OF_OPERATOR)
			control_acted(e->control, a->ticket, &gone);
		a->purpose = ACT_OF_RULE;
		if (a->sent)
			continue;
		record_acted(&e->journal, a->seq, "result", status_name(gone.status), 0, gone.detail);
		act_free(g, a);
	}
}

void acts_drop(struct guest *g)
{
	struct act *a;

	while ((a = TAILQ_FIRST(&g->acts)))
		act_free(g, a);
}

/* Rolled back: these rows are not in the journal. */
void acts_drop_after(struct guest *g, int64_t seq)
{
	const struct m_acted failed = { .status = ACT_FAILED,
					.detail = "the journal cannot be written" };
	struct act *a, *next;

	for (a = TAILQ_FIRST(&g->acts); a; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->seq <= seq)
			continue;
		if (a->purpose == ACT_OF_LADDER)
			g->ladder.on = false;
		if (a->purpose == ACT_OF_OPERATOR)
			control_acted(g->introspector.engine->control, a->ticket, &failed);
		act_free(g, a);
	}
}

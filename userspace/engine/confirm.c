// SPDX-License-Identifier: GPL-2.0-or-later
/* What became of an order, seen from outside, and what follows from that. */
#include "engine/orders.h"

#include <string.h>

#include "engine/acts.h"
#include "engine/sessions.h"
#include "lib/log.h"
#include "lib/util.h"

#define PROBE_TRIES 6			/* after 0, 100, 200, 400, 800, 1600 ms */
#define PROBE_FIRST_NS (100 * NS_PER_MS)
#define MISMATCHES 3			/* an agent that says "another process" so often */

void order_outcome(struct order *o, const char *outcome, const char *detail)
{
	record_result(&order_engine(o)->journal, o->seq, "probe", outcome, 0, detail);
	engine_flush_soon(order_engine(o));
	log_info("order %lld, %s %u of guest %llu: %s", (long long)o->seq,
		 order_verb_name(o->m.verb), o->m.pid, (unsigned long long)o->guest->id, outcome);
}

/* An agent that says what introspection contradicts is broken, or not ours any more. */
static void note_lie(struct order *o)
{
	struct engine *e = order_engine(o);

	log_warn("guest %llu: its agent says '%s' for process %u, introspection sees it run",
		 (unsigned long long)o->guest->id, order_status_name(o->status), o->m.pid);
	record_event(&e->journal, "agent lies", o->guest->id, o->guest->vmm_pid, o->m.pid,
		     json_pack("{s:I,s:s,s:s}", "order", (json_int_t)o->seq, "agent says",
			       order_status_name(o->status), "introspection sees", "running"));
}

static bool says_it_ended(const struct order *o)
{
	return o->status == ORDER_DONE || o->status == ORDER_NO_TARGET;
}

/*
 * Why the host has to answer itself; NULL: not yet, or not at all.  What the
 * agent says and nobody could check is not held against it.
 */
static const char *cause_for_host(const struct order *o, bool running, unsigned failed)
{
	switch (o->status) {
	case ORDER_DONE:
	case ORDER_NO_TARGET:
		return running ? "the agent says that the process ended, introspection sees it run" :
		       NULL;
	case ORDER_MISMATCH:
		return failed >= MISMATCHES ? "the agent says 'another process', again and again" :
		       NULL;
	case ORDER_REFUSED:
		return "the agent refused, or does not offer this";
	case ORDER_FAILED:
		return "the agent tried and failed";
	case ORDER_EXPIRED:
		return "the agent gave no answer in time";
	case ORDER_UNDELIVERABLE:
		return "the order could not be delivered";
	default:
		return "what became of the order is not known, and the process runs";
	}
}

bool order_process_ended(const struct order *o)
{
	const struct task *t = inventory_find_task(&o->guest->inventory, o->m.pid, o->m.start_ns);

	return t && t->dead;
}

void order_came_to_nothing(struct order *o, const char *seen)
{
	bool running = !strcmp(seen, "running");
	unsigned failed = findings_order_failed(o->guest, o->m.pid, o->m.start_ns, now_mono());
	const char *cause = cause_for_host(o, running, failed);

	/* Not answered by the host before for this order, and nobody saw it end. */
	if (cause && o->patience != NEVER && !order_process_ended(o) && !guest_is_stopped(o->guest))
		ladder_begin(o->guest, o->finding, o->rule, o->m.pid, o->m.start_ns, cause);
	order_free(o);
}

/* A missing agent was waited for in vain; its order stays for when it comes. */
static void patience_ended(struct order *o, const char *outcome, const char *why)
{
	struct engine *e = order_engine(o);

	order_outcome(o, outcome, why);
	order_wait(o);
	if (ladder_begin(o->guest, o->finding, o->rule, o->m.pid, o->m.start_ns,
			 order_untold(o) ?: "no session with the guest's agent")) {
		o->patience = NEVER;
		o->fallback = e->journal.head_seq;
	} else {
		o->patience = now_mono() + 5 * NS_PER_S;
	}
}

/* The process was not seen to end. */
static void still_there(struct order *o, const char *outcome, const char *why)
{
	bool first = o->phase == ORDER_VERIFY;

	if (o->phase == ORDER_CHECK && o->impatient) {
		patience_ended(o, outcome, why);
		return;
	}
	order_outcome(o, outcome, why);
	if (!strcmp(outcome, "running") && says_it_ended(o))
		note_lie(o);
	/* Asked for with a session, in vain: no other one is waited for. */
	if (!order_may_retry(o) || (!first && order_has_session(o))) {
		order_came_to_nothing(o, outcome);
		return;
	}
	order_wait(o);
	/* It may have come up since the order was tried. */
	if (first && o->status == ORDER_UNDELIVERABLE && order_has_session(o))
		orders_session_up(order_engine(o), o->guest->cid, now_mono());
}

static void gone(struct order *o, const struct m_probed *m)
{
	struct guest *g = o->guest;
	struct task *t = inventory_find_task(&g->inventory, o->m.pid, o->m.start_ns);
	bool ordered = o->status == ORDER_DONE || o->status == ORDER_EXPIRED || !o->status;
	uint32_t pid = o->m.pid;
	uint64_t start_ns = o->m.start_ns;

	if (t)
		t->dead = true;
	/* It ended; by the order only if an order reached it. */
	order_outcome(o, ordered ? "killed" : "gone",
		      m->state == PROBE_DYING ? "dying" : "no such process");
	order_free(o);
	orders_unhold(g, pid, start_ns);
}

/* One that was never delivered need not be waited for. */
static unsigned tries(const struct order *o)
{
	return o->status == ORDER_UNDELIVERABLE || o->status == ORDER_REFUSED ||
	       o->status == ORDER_MISMATCH ? 1 : PROBE_TRIES;
}

static struct order *find_order(struct guest *g, int64_t seq)
{
	struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry)
		if (o->seq == seq)
			return o;
	return NULL;
}

/* The number alone may be another order's: rows that were rolled back give theirs away. */
void orders_probed(struct guest *g, int64_t seq, const struct m_probed *m, uint64_t now)
{
	struct order *o = find_order(g, seq);

	if (!o || !o->probing || m->pid != o->m.pid || m->start_ns != o->m.start_ns)
		return;
	o->probing = false;
	o->probes++;
	if (m->state == PROBE_GONE || m->state == PROBE_DYING)
		gone(o, m);
	else if (o->phase == ORDER_CHECK && !o->impatient && m->state == PROBE_RUNNING)
		order_retry(o, "the agent has a session now, and the process still runs");
	else if (o->probes < tries(o))
		o->next = now + (PROBE_FIRST_NS << (o->probes - 1));
	else
		still_there(o, m->state == PROBE_RUNNING ? "running" : "unconfirmed", m->why);
}

void order_probe(struct order *o, uint64_t now)
{
	struct guest *g = o->guest;
	struct m_probe m = { .pid = o->m.pid, .start_ns = o->m.start_ns };
	struct request *r = g->kernel.state == KERNEL_READY ?
			    guest_request(g, REQUEST_PROBE) : NULL;

	if (!r) {
		o->next = now + PROBE_FIRST_NS;
		if (now >= o->give_up)
			still_there(o, "unconfirmed", "introspection of this guest does not work now");
		return;
	}
	r->order = o->seq;
	o->probing = true;
	o->next = now + 5 * NS_PER_S;	/* then asked anew */
	if (peer_post(&g->introspector, &msg_probe, r->id, &m, -1))
		o->probing = false;
}

/* ---- files: what the agent says is all there is ---- */

void order_told(struct order *o)
{
	if (o->status == ORDER_DONE) {
		order_outcome(o, "said by the agent", "where a file is is not seen from outside");
		order_free(o);
	} else if (order_may_retry(o)) {
		order_wait(o);
	} else {
		order_outcome(o, "not done", o->status ? order_status_name(o->status) :
			      "sent, and what became of it is not known");
		order_came_to_nothing(o, "not done");
	}
}

void orders_unhold(struct guest *g, uint32_t pid, uint64_t start_ns)
{
	struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry)
		if (o->phase == ORDER_HELD && o->m.pid == pid && o->m.start_ns == start_ns)
			o->phase = ORDER_QUEUED;
}

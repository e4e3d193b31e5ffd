// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Orders to the agents, and their confirmation from outside.
 *
 * An order is durable before it is sent, and sent once; one that could not be
 * delivered is sent once more when a session of that guest's agent comes up
 * and the process is still there.  What the agent answers is recorded and
 * believed by nobody: the process counts as killed when introspection shows
 * it gone or dying.
 */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/util.h"

#define ORDERS_OUTSTANDING 128		/* their messages fit the channel's socket */
#define ORDERS_RESERVED 32		/* of these for guests that have none under way */
#define ORDERS_PER_GUEST 1024
#define ANSWER_GRACE_NS (2 * NS_PER_S)	/* beyond the deadline the channel keeps */
#define PROBE_TRIES 6			/* after 0, 100, 200, 400, 800, 1600 ms */
#define PROBE_FIRST_NS (100 * NS_PER_MS)
#define PROBE_PATIENCE_NS (20 * NS_PER_S)	/* without any introspector to ask */

bool engine_has_session(const struct engine *e, uint32_t cid)
{
	for (unsigned i = 0; i < e->nsessions; i++)
		if (e->sessions[i].m.cid == cid)
			return true;
	return false;
}

static struct engine *engine_of(const struct order *o)
{
	return o->guest->introspector.engine;
}

static void set_sent(struct order *o)
{
	o->phase = ORDER_SENT;
	o->guest->orders_sent++;
	engine_of(o)->orders_sent++;
}

static void leave_sent(struct order *o)
{
	if (o->phase != ORDER_SENT)
		return;
	o->guest->orders_sent--;
	engine_of(o)->orders_sent--;
}

static void order_free(struct order *o)
{
	leave_sent(o);
	TAILQ_REMOVE(&o->guest->orders, o, entry);
	o->guest->norders--;
	free(o);
}

/* It is over, and its process was not seen to end. */
static void order_failed(struct order *o)
{
	findings_order_failed(o->guest, o->m.pid, o->m.start_ns, now_mono());
	order_free(o);
}

int64_t orders_open(const struct guest *g, uint32_t pid, uint64_t start_ns)
{
	const struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry)
		if (o->m.pid == pid && o->m.start_ns == start_ns)
			return o->seq;
	return 0;
}

/* Only one that merely waits for an agent may be forgotten; the journal has it. */
static bool room_for_order(struct guest *g)
{
	struct order *o;

	if (g->norders < ORDERS_PER_GUEST)
		return true;
	TAILQ_FOREACH(o, &g->orders, entry) {
		if (o->phase != ORDER_WAIT)
			continue;
		order_failed(o);
		return true;
	}
	return false;
}

static struct order *new_order(struct guest *g, int64_t seq, enum order_phase phase)
{
	struct order *o = room_for_order(g) ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return NULL;
	o->guest = g;
	o->seq = seq;
	o->phase = phase;
	TAILQ_INSERT_TAIL(&g->orders, o, entry);
	g->norders++;
	return o;
}

struct order *order_make(struct guest *g, const struct task *t, int64_t decision, int64_t finding)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct m_order m = { .verb = VERB_KILL, .pid = t->pid, .start_ns = t->start_ns };
	struct order *o;
	int64_t seq;

	memcpy(m.exe_hash, t->exe_hash, HASH_BYTES);
	m.exe_ranges.len = MIN(t->nranges, EXE_MAX_RANGES) * sizeof(struct exe_range);
	if (m.exe_ranges.len)
		memcpy(m.exe_ranges.range, t->ranges, m.exe_ranges.len);
	seq = record_order(&e->journal, decision, finding, &ref, &m);
	if (seq < 0)
		return NULL;
	o = new_order(g, seq, ORDER_QUEUED);
	if (o) {
		o->m = m;
		return o;
	}
	record_result(&e->journal, seq, "result", order_status_name(ORDER_UNDELIVERABLE),
		      0, "too many orders for this guest are open");
	findings_order_failed(g, m.pid, m.start_ns, now_mono());
	return NULL;
}

/* The answer, whoever gave it.  Next: what does introspection see? */
static void answered(struct order *o, uint32_t status, uint64_t elapsed_us,
		     const char *detail, uint64_t now)
{
	struct engine *e = engine_of(o);

	leave_sent(o);
	o->status = status;
	o->phase = ORDER_VERIFY;
	o->probes = 0;
	o->next = now;
	o->give_up = now + PROBE_PATIENCE_NS;
	record_result(&e->journal, o->seq, "result", order_status_name(status), elapsed_us, detail);
	log_info("order %lld, process %u of guest %llu: %s%s%s", (long long)o->seq, o->m.pid,
		 (unsigned long long)o->guest->id, order_status_name(status),
		 detail[0] ? ": " : "", detail);
	engine_flush_soon(e);
}

/* Nothing leaves before the decision, the order and this row are on the disk. */
static void send_order(struct order *o, uint64_t now)
{
	struct engine *e = engine_of(o);

	if (!o->guest->has_cid) {
		answered(o, ORDER_UNDELIVERABLE, 0, "no vsock CID known for this guest", now);
		return;
	}
	if (guest_shares_cid(o->guest)) {
		answered(o, ORDER_UNDELIVERABLE, 0, "withheld: CID claimed twice", now);
		return;
	}
	if (e->channel.fd < 0) {
		answered(o, ORDER_UNDELIVERABLE, 0, "the channel is not running", now);
		return;
	}
	o->m.cid = o->guest->cid;
	o->m.deadline_ms = e->config.order_seconds * 1000;
	if (record_result(&e->journal, o->seq, "sent", "sent", 0, "") ||
	    journal_commit(&e->journal)) {
		log_err("order for process %u not sent: the journal cannot be written", o->m.pid);
		e->journal_failed = true;
		return;
	}
	set_sent(o);
	o->message = e->next_id++;
	o->give_up = now + e->config.order_seconds * NS_PER_S + ANSWER_GRACE_NS;
	if (peer_post(&e->channel, &msg_order, o->message, &o->m, -1))
		answered(o, ORDER_UNDELIVERABLE, 0, "the channel does not take it", now);
}

/* An agent that does not answer holds its own orders up, and nobody else's. */
static bool may_send(const struct guest *g)
{
	const struct engine *e = g->introspector.engine;
	unsigned total = g->orders_sent ? ORDERS_OUTSTANDING - ORDERS_RESERVED : ORDERS_OUTSTANDING;

	return g->orders_sent < ORDERS_PER_SESSION && e->orders_sent < total && !e->journal_failed;
}

void orders_send(struct engine *e, uint64_t now)
{
	struct guest *g;
	struct order *o, *next;

	TAILQ_FOREACH(g, &e->guests, entry) {
		for (o = TAILQ_FIRST(&g->orders); o && may_send(g); o = next) {
			next = TAILQ_NEXT(o, entry);
			if (o->phase == ORDER_QUEUED)
				send_order(o, now);
		}
	}
}

static struct order *find_message(struct engine *e, uint64_t id)
{
	struct guest *g;
	struct order *o;

	TAILQ_FOREACH(g, &e->guests, entry)
		TAILQ_FOREACH(o, &g->orders, entry)
			if (o->phase == ORDER_SENT && o->message == id)
				return o;
	return NULL;
}

int orders_result(struct engine *e, uint64_t id, const struct m_result *m, uint64_t now)
{
	struct order *o = find_message(e, id);

	/* Its guest may be down, or the engine gave it up: late is not malformed. */
	if (!o)
		log_info("a result for an order that is not open: %s",
			 order_status_name(m->status));
	else
		answered(o, m->status, m->elapsed_us, m->detail, now);
	return 0;
}

void orders_channel_lost(struct engine *e, uint64_t now)
{
	struct guest *g;
	struct order *o;

	e->nsessions = 0;
	TAILQ_FOREACH(g, &e->guests, entry)
		TAILQ_FOREACH(o, &g->orders, entry)
			if (o->phase == ORDER_SENT)
				answered(o, ORDER_EXPIRED, 0,
					 "the channel ended before an answer", now);
}

/* ---- confirmation from outside ---- */

static void set_outcome(struct order *o, const char *outcome, const char *detail)
{
	record_result(&engine_of(o)->journal, o->seq, "probe", outcome, 0, detail);
	engine_flush_soon(engine_of(o));
	log_info("order %lld, process %u of guest %llu: seen from outside: %s",
		 (long long)o->seq, o->m.pid, (unsigned long long)o->guest->id, outcome);
}

/* An agent that says what introspection contradicts is broken, or not ours any more. */
static void note_lie(struct order *o)
{
	struct engine *e = engine_of(o);

	log_warn("guest %llu: its agent says '%s' for process %u, introspection sees it run",
		 (unsigned long long)o->guest->id, order_status_name(o->status), o->m.pid);
	record_event(&e->journal, "agent lies", o->guest->id, o->guest->vmm_pid, o->m.pid,
		     json_pack("{s:I,s:s,s:s}", "order", (json_int_t)o->seq, "agent says",
			       order_status_name(o->status), "introspection sees", "running"));
}

static bool has_session(const struct order *o)
{
	return o->guest->has_cid && !guest_shares_cid(o->guest) &&
	       engine_has_session(engine_of(o), o->guest->cid);
}

/* An agent that was there and did not answer is not waited for: it is decided again. */
static bool may_retry(const struct order *o)
{
	return !o->retried && (o->status == ORDER_UNDELIVERABLE ||
			       (o->status == ORDER_EXPIRED && !has_session(o)));
}

/* The process was not seen to end. */
static void still_there(struct order *o, const char *outcome, const char *why)
{
	bool first = o->phase == ORDER_VERIFY;

	set_outcome(o, outcome, why);
	if (!strcmp(outcome, "running") &&
	    (o->status == ORDER_DONE || o->status == ORDER_NO_TARGET))
		note_lie(o);
	/* Asked for with a session, in vain: no other one is waited for. */
	if (!may_retry(o) || (!first && has_session(o))) {
		order_failed(o);
		return;
	}
	o->phase = ORDER_WAIT;
	/* It may have come up since the order was tried. */
	if (first && o->status == ORDER_UNDELIVERABLE && has_session(o))
		orders_session_up(engine_of(o), o->guest->cid, now_mono());
}

static void gone(struct order *o, const struct m_probed *m)
{
	struct inventory *inv = &o->guest->inventory;
	struct task *t = inventory_find_task(inv, o->m.pid, o->m.start_ns);
	bool ordered = o->status == ORDER_DONE || o->status == ORDER_EXPIRED || !o->status;

	if (t)
		t->dead = true;
	/* It ended; by the order only if an order reached it. */
	set_outcome(o, ordered ? "killed" : "gone",
		    m->state == PROBE_DYING ? "dying" : "no such process");
	order_free(o);
}

/* ORDER_CHECK: there is a session now and the process is still there. */
static void retry(struct order *o, uint64_t now)
{
	struct engine *e = engine_of(o);

	o->retried = true;
	o->phase = ORDER_QUEUED;
	if (record_result(&e->journal, o->seq, "retry", "queued", 0,
			  "the agent has a session now, and the process still runs"))
		order_failed(o);
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
	else if (o->phase == ORDER_CHECK && m->state == PROBE_RUNNING)
		retry(o, now);
	else if (o->probes < tries(o))
		o->next = now + (PROBE_FIRST_NS << (o->probes - 1));
	else
		still_there(o, m->state == PROBE_RUNNING ? "running" : "unconfirmed", m->why);
}

static void probe(struct order *o, uint64_t now)
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

static void pump_one(struct order *o, uint64_t now)
{
	switch (o->phase) {
	case ORDER_SENT:
		if (now >= o->give_up)
			answered(o, ORDER_EXPIRED, 0, "the channel gave no answer", now);
		break;
	case ORDER_VERIFY:
	case ORDER_CHECK:
		if (now >= o->next)
			probe(o, now);
		break;
	default:
		break;
	}
}

uint64_t orders_pump(struct guest *g, uint64_t now)
{
	uint64_t due = NEVER;
	struct order *o, *next;

	for (o = TAILQ_FIRST(&g->orders); o; o = next) {
		next = TAILQ_NEXT(o, entry);
		pump_one(o, now);
	}
	TAILQ_FOREACH(o, &g->orders, entry) {
		if (o->phase == ORDER_SENT)
			due = MIN(due, o->give_up);
		else if (o->phase == ORDER_VERIFY || o->phase == ORDER_CHECK)
			due = MIN(due, o->next);
	}
	return due;
}

void orders_session_up(struct engine *e, uint32_t cid, uint64_t now)
{
	struct guest *g;
	struct order *o;

	TAILQ_FOREACH(g, &e->guests, entry) {
		if (!g->has_cid || g->cid != cid || guest_shares_cid(g))
			continue;
		TAILQ_FOREACH(o, &g->orders, entry) {
			if (o->phase != ORDER_WAIT)
				continue;
			o->phase = ORDER_CHECK;
			o->probes = 0;
			o->next = now;
			o->give_up = now + PROBE_PATIENCE_NS;
		}
	}
}

/* ---- over restarts and a guest's end ---- */

static uint32_t status_of(const char *state)
{
	for (uint32_t s = ORDER_DONE; s <= ORDER_EXPIRED; s++)
		if (!strcmp(order_status_name(s), state))
			return s;
	return 0;
}

static void adopt(void *user, const struct open_order *from)
{
	struct guest *g = user;
	struct order *o = new_order(g, from->seq, ORDER_VERIFY);

	if (!o)
		return;
	o->m = from->order;
	o->status = status_of(from->state);
	o->retried = from->retried;
	o->give_up = now_mono() + 3 * PROBE_PATIENCE_NS;
	/* Known to run: nothing new until a session comes. */
	if (from->outcome[0] && may_retry(o))
		o->phase = ORDER_WAIT;
	else if (from->outcome[0])
		order_free(o);
}

/* An engine before this one left them open. */
void orders_adopt(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	int n = record_open_orders(&e->journal, &ref, adopt, g);

	if (n > 0)
		log_info("guest %llu: %d orders of before are open", (unsigned long long)g->id, n);
}

/* Rolled back: these rows are not in the journal, their numbers will be others'. */
void orders_drop_after(struct guest *g, int64_t seq)
{
	struct order *o, *next;

	for (o = TAILQ_FIRST(&g->orders); o; o = next) {
		next = TAILQ_NEXT(o, entry);
		if (o->seq > seq)
			order_free(o);
	}
}

void orders_drop(struct guest *g, const char *why)
{
	struct order *o;

	while ((o = TAILQ_FIRST(&g->orders))) {
		log_debug("order %lld: dropped: %s", (long long)o->seq, why);
		order_free(o);
	}
}

/* ---- the channel's messages ---- */

static void note_session(struct engine *e, const struct m_session *m)
{
	unsigned i = 0;

	while (i < e->nsessions && e->sessions[i].m.cid != m->cid)
		i++;
	if (!m->up) {
		if (i < e->nsessions)
			e->sessions[i] = e->sessions[--e->nsessions];
		return;
	}
	if (i == SESSIONS_MAX)
		return;
	e->sessions[i] = (struct session){ *m, now_wall() };
	e->nsessions = MAX(e->nsessions, i + 1);
}

/* An agent that comes and goes writes on its guest's account. */
static bool may_note_session(struct engine *e, uint32_t cid)
{
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down && g->has_cid && g->cid == cid)
			return guest_may_note(g);
	return engine_may_note(e);
}

static void record_session(struct engine *e, const struct m_session *m)
{
	if (!may_note_session(e, m->cid))
		return;
	record_event(&e->journal, m->up ? "session up" : "session down", 0, 0, 0,
		     json_pack("{s:I,s:s,s:I,s:s}", "cid", (json_int_t)m->cid, "agent", m->agent,
			       "capabilities", (json_int_t)m->capabilities, "why", m->why));
	engine_flush_soon(e);
}

static int on_session(struct engine *e, struct msg *raw, uint64_t now)
{
	struct m_session m;

	if (!msg_decode(raw, &msg_session, &m))
		return -1;
	note_session(e, &m);
	record_session(e, &m);
	if (m.up)
		orders_session_up(e, m.cid, now);
	return 0;
}

int handle_channel(struct peer *peer, struct msg *m, uint64_t now)
{
	struct m_result result;

	if (m->type == M_SESSION)
		return on_session(peer->engine, m, now);
	if (m->type != M_RESULT || !msg_decode(m, &msg_result, &result) ||
	    !result.status || result.status > ORDER_EXPIRED)
		return -1;
	return orders_result(peer->engine, m->id, &result, now);
}

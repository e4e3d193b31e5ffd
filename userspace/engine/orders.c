// SPDX-License-Identifier: GPL-2.0-or-later
/* The life of an order: made, sent, answered, sent again, found after a restart. */
#include "engine/orders.h"

#include <stdlib.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/agents.h"
#include "engine/sessions.h"
#include "lib/log.h"
#include "lib/util.h"

#define ORDERS_OUTSTANDING 128		/* their messages fit the channel's socket */
#define ORDERS_RESERVED 32		/* of these for guests that have none under way */
#define ORDERS_PER_GUEST 1024
#define FILE_SECONDS 70			/* an agent works on a file for 60 s at most */
#define ANSWER_GRACE_NS (2 * NS_PER_S)	/* beyond the deadline the channel keeps */
#define FALLBACK_AGAIN_NS (60 * NS_PER_S)
#define PROBE_PATIENCE_NS (20 * NS_PER_S)	/* without any introspector to ask */

struct engine *order_engine(const struct order *o)
{
	return o->guest->introspector.engine;
}

const char *order_untold(const struct order *o)
{
	if (o->m.verb != VERB_KILL)
		return NULL;
	if (o->m.pid == 1)
		return "no agent is told to end process 1";
	return o->m.exe_ranges.len ? NULL :
	       "nothing of its executable is in memory, by which an agent would know it";
}

bool order_has_session(const struct order *o)
{
	return session_bound(o->guest) && !order_untold(o);
}

static void set_sent(struct order *o)
{
	o->phase = ORDER_SENT;
	o->guest->orders_sent++;
	order_engine(o)->orders_sent++;
}

static void leave_sent(struct order *o)
{
	if (o->phase != ORDER_SENT)
		return;
	o->guest->orders_sent--;
	order_engine(o)->orders_sent--;
}

void order_free(struct order *o)
{
	leave_sent(o);
	TAILQ_REMOVE(&o->guest->orders, o, entry);
	o->guest->norders--;
	free(o);
}

int64_t orders_open(const struct guest *g, uint32_t pid, uint64_t start_ns)
{
	const struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry)
		if (o->m.verb == VERB_KILL && o->m.pid == pid && o->m.start_ns == start_ns)
			return o->seq;
	return 0;
}

/* Only one that merely waits may be forgotten; the journal has it. */
static bool room_for_order(struct guest *g)
{
	struct order *o;

	if (g->norders < ORDERS_PER_GUEST)
		return true;
	TAILQ_FOREACH(o, &g->orders, entry) {
		if (o->phase != ORDER_WAIT && o->phase != ORDER_HELD)
			continue;
		order_came_to_nothing(o, "forgotten for newer ones");
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
	o->patience = NEVER;
	TAILQ_INSERT_TAIL(&g->orders, o, entry);
	g->norders++;
	return o;
}

/* begun: when it was first decided, by the monotonic clock. */
static void set_rule(struct order *o, const char *name, uint64_t begun)
{
	const struct policy_entry *rule = policy_rule(&order_engine(o)->policy, name);

	snprintf(o->rule, sizeof(o->rule), "%s", name);
	if (rule && rule->nfallback)
		o->patience = begun + rule->patience_s * NS_PER_S;
}

static int64_t record(struct guest *g, const struct m_order *m, const struct order_cause *c)
{
	struct journal *j = &g->introspector.engine->journal;
	struct guest_ref ref = guest_ref(g->introspector.engine, g);
	int64_t seq = record_order(j, c->decision, c->finding, &ref, m);

	if (seq > 0 && m->verb != VERB_KILL &&
	    record_item(j, seq, m, g->name, c->signature) < 0)
		return -1;
	return seq;
}

struct m_order order_kill(const struct task *t)
{
	struct m_order m = { .verb = VERB_KILL, .pid = t->pid, .start_ns = t->start_ns };

	memcpy(m.exe_hash, t->exe_hash, HASH_BYTES);
	m.exe_ranges.len = MIN(t->nranges, EXE_MAX_RANGES) * sizeof(struct exe_range);
	if (m.exe_ranges.len)
		memcpy(m.exe_ranges.range, t->ranges, m.exe_ranges.len);
	return m;
}

struct order *order_make(struct guest *g, const struct m_order *m, const struct order_cause *c,
			 enum order_phase phase)
{
	struct engine *e = g->introspector.engine;
	int64_t seq = record(g, m, c);
	struct order *o;

	if (seq < 0)
		return NULL;
	o = new_order(g, seq, phase);
	if (!o) {
		record_result(&e->journal, seq, "result", order_status_name(ORDER_UNDELIVERABLE),
			      0, "too many orders for this guest are open");
		findings_order_failed(g, m->pid, m->start_ns, now_mono());
		return NULL;
	}
	o->m = *m;
	o->finding = c->finding;
	set_rule(o, c->rule, now_mono());
	return o;
}

/* The answer, whoever gave it.  Next: what does introspection see? */
static void answered(struct order *o, uint32_t status, uint64_t elapsed_us,
		     const char *detail, uint64_t now)
{
	struct engine *e = order_engine(o);

	leave_sent(o);
	o->status = status;
	record_result(&e->journal, o->seq, "result", order_status_name(status), elapsed_us, detail);
	log_info("order %lld, %s %u of guest %llu: %s%s%s", (long long)o->seq,
		 order_verb_name(o->m.verb), o->m.pid, (unsigned long long)o->guest->id,
		 order_status_name(status), detail[0] ? ": " : "", detail);
	engine_flush_soon(e);
	o->phase = ORDER_VERIFY;
	o->probes = 0;
	o->next = now;
	o->give_up = now + PROBE_PATIENCE_NS;
	if (o->m.verb != VERB_KILL)
		order_told(o);
}

/* Why it cannot be sent at all; NULL: it can. */
static const char *obstacle(const struct order *o, uint32_t *ret_status)
{
	const struct guest *g = o->guest;
	const struct session *s = session_bound(g);

	*ret_status = ORDER_UNDELIVERABLE;
	if (order_untold(o))
		return order_untold(o);
	if (!g->has_cid)
		return "no vsock CID known for this guest";
	if (guest_shares_cid(g))
		return "withheld: CID claimed twice";
	if (order_engine(o)->channel.fd < 0)
		return "the channel is not running";
	if (!s)
		return session_of_cid(g) ? "the session with the guest's agent is not bound" :
		       "no session with the guest's agent";
	*ret_status = ORDER_REFUSED;
	return session_can(s, o->m.verb) ? NULL : "the agent does not offer this";
}

/* What it was made without has come into memory since. */
static bool take_identity(struct order *o)
{
	const struct task *t = inventory_find_task(&o->guest->inventory, o->m.pid, o->m.start_ns);

	if (o->m.verb != VERB_KILL || o->m.exe_ranges.len || !t || !t->nranges)
		return false;
	o->m = order_kill(t);
	return true;
}

static unsigned seconds_for(const struct order *o)
{
	unsigned seconds = order_engine(o)->config.order_seconds;

	return o->m.verb == VERB_KILL ? seconds : MAX(seconds, FILE_SECONDS);
}

/* Nothing leaves before the decision, the order and this row are on the disk. */
static void send_order(struct order *o, uint64_t now)
{
	struct engine *e = order_engine(o);
	uint32_t status;
	const char *why = obstacle(o, &status);

	if (why) {
		answered(o, status, 0, why, now);
		return;
	}
	o->m.cid = o->guest->cid;
	o->m.deadline_ms = seconds_for(o) * 1000;
	if (record_result(&e->journal, o->seq, "sent", "sent", 0, "") ||
	    journal_commit(&e->journal)) {
		log_err("order for process %u not sent: the journal cannot be written", o->m.pid);
		e->journal_failed = true;
		return;
	}
	set_sent(o);
	o->message = e->next_id++;
	o->give_up = now + seconds_for(o) * NS_PER_S + ANSWER_GRACE_NS;
	if (peer_post(&e->channel, &msg_order, o->message, &o->m, -1))
		answered(o, ORDER_UNDELIVERABLE, 0, "the channel does not take it", now);
}

/*
 * An agent that does not answer holds its own orders up, and nobody else's.
 * One in a guest that stands still could not answer.  Files take long: half of
 * the places are never theirs, so that no kill waits for them.
 */
static bool may_send(const struct order *o)
{
	const struct guest *g = o->guest;
	const struct engine *e = order_engine(o);
	unsigned total = g->orders_sent ? ORDERS_OUTSTANDING - ORDERS_RESERVED : ORDERS_OUTSTANDING;
	unsigned share = o->m.verb == VERB_KILL ? 1 : 2;

	return g->orders_sent < ORDERS_PER_SESSION / share && e->orders_sent < total / share &&
	       !e->journal_failed && !guest_is_stopped(g);
}

void orders_send(struct engine *e, uint64_t now)
{
	struct guest *g;
	struct order *o, *next;

	TAILQ_FOREACH(g, &e->guests, entry) {
		for (o = TAILQ_FIRST(&g->orders); o; o = next) {
			next = TAILQ_NEXT(o, entry);
			if (o->phase == ORDER_QUEUED && may_send(o))
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
	struct order *o, *next;

	e->nsessions = 0;
	agents_lost(e);
	TAILQ_FOREACH(g, &e->guests, entry) {
		for (o = TAILQ_FIRST(&g->orders); o; o = next) {
			next = TAILQ_NEXT(o, entry);
			if (o->phase == ORDER_SENT)
				answered(o, ORDER_EXPIRED, 0,
					 "the channel ended before an answer", now);
		}
	}
}

/* ---- waiting for a session ---- */

/*
 * An agent that was there and did not answer is not waited for: it is decided
 * again.  Unless its guest stands still.
 */
bool order_may_retry(const struct order *o)
{
	if (o->status == ORDER_EXPIRED && guest_is_stopped(o->guest))
		return true;
	return !o->retried && (o->status == ORDER_UNDELIVERABLE ||
			       (o->status == ORDER_EXPIRED && !order_has_session(o)));
}

void order_wait(struct order *o)
{
	o->phase = ORDER_WAIT;
	o->impatient = false;
}

void order_check(struct order *o, bool impatient, uint64_t now)
{
	o->phase = ORDER_CHECK;
	o->impatient = impatient;
	o->probes = 0;
	o->next = now;
	o->give_up = now + PROBE_PATIENCE_NS;
}

void order_retry(struct order *o, const char *why)
{
	if (record_result(&order_engine(o)->journal, o->seq, "retry", "queued", 0, why)) {
		order_wait(o);
		return;
	}
	o->retried = true;
	o->phase = ORDER_QUEUED;
}

/* A kill is sent again if its process is still there; the agent knows its files. */
static void wake(struct order *o, uint64_t now)
{
	if (o->phase == ORDER_CHECK)
		o->impatient = false;
	if (o->phase != ORDER_WAIT || order_untold(o))
		return;
	if (o->m.verb == VERB_KILL)
		order_check(o, false, now);
	else
		order_retry(o, "the agent has a session now");
}

void orders_session_up(struct engine *e, uint32_t cid, uint64_t now)
{
	struct guest *g;
	struct order *o, *next;

	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down || !g->has_cid || g->cid != cid || !session_bound(g))
			continue;
		for (o = TAILQ_FIRST(&g->orders); o; o = next) {
			next = TAILQ_NEXT(o, entry);
			wake(o, now);
		}
	}
}

void orders_thawed(struct guest *g, bool by_operator, uint64_t now)
{
	struct engine *e = g->introspector.engine;
	struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry) {
		const struct policy_entry *rule = policy_rule(&e->policy, o->rule);

		if (rule && rule->nfallback && (o->patience != NEVER || !by_operator))
			o->patience = now + rule->patience_s * NS_PER_S;
	}
	if (g->has_cid)
		orders_session_up(e, g->cid, now);
}

void orders_fallback_failed(struct guest *g, int64_t finding, uint64_t now)
{
	struct order *o;

	TAILQ_FOREACH(o, &g->orders, entry)
		if (o->finding == finding && o->fallback)
			o->patience = now + FALLBACK_AGAIN_NS;
}

static bool is_patient(const struct order *o, uint64_t now)
{
	return now < o->patience || guest_is_stopped(o->guest);
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
			order_probe(o, now);
		break;
	case ORDER_WAIT:
		if (take_identity(o) && order_has_session(o))
			wake(o, now);
		else if (o->m.verb == VERB_KILL && !is_patient(o, now))
			order_check(o, true, now);
		break;
	case ORDER_HELD:
		if (order_process_ended(o))
			o->phase = ORDER_QUEUED;
		break;
	default:
		break;
	}
}

static uint64_t due_of(const struct order *o)
{
	switch (o->phase) {
	case ORDER_SENT:
		return o->give_up;
	case ORDER_VERIFY:
	case ORDER_CHECK:
		return o->next;
	case ORDER_WAIT:
		return o->m.verb == VERB_KILL && !guest_is_stopped(o->guest) ? o->patience : NEVER;
	default:
		return NEVER;
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
	TAILQ_FOREACH(o, &g->orders, entry)
		due = MIN(due, due_of(o));
	return due;
}

/* ---- over restarts and a guest's end ---- */

static uint32_t status_of(const char *state)
{
	for (uint32_t s = ORDER_DONE; s <= ORDER_EXPIRED; s++)
		if (!strcmp(order_status_name(s), state))
			return s;
	return 0;
}

/* Known to run: nothing new until a session comes, or patience ends. */
static void adopt_kill(struct order *o, const struct open_order *from)
{
	if (from->outcome[0] && order_may_retry(o))
		order_wait(o);
	else if (from->outcome[0])
		order_free(o);
}

/* One that was sent is not sent again: the agent may have done it. */
static void adopt_file_order(struct order *o)
{
	struct guest *g = o->guest;
	struct guest_ref ref = guest_ref(order_engine(o), g);
	const struct policy_entry *rule = policy_rule(&order_engine(o)->policy, o->rule);

	if (o->status != ORDER_UNDELIVERABLE)
		order_told(o);
	else if (o->m.verb == VERB_QUARANTINE && o->m.pid && rule && rule->actions & ACTION_KILL &&
		 record_find_death(&order_engine(o)->journal, &ref, o->m.pid, o->m.start_ns) <= 0)
		o->phase = ORDER_HELD;
	else
		order_wait(o);
}

static void adopt(void *user, const struct open_order *from)
{
	struct guest *g = user;
	struct order *o = new_order(g, from->seq, ORDER_VERIFY);

	if (!o)
		return;
	o->m = from->order;
	o->finding = from->finding;
	set_rule(o, from->rule, from->mono_ns);
	if (from->fell_back)
		o->patience = NEVER;
	o->status = status_of(from->state);
	o->retried = from->retried;
	o->give_up = now_mono() + 3 * PROBE_PATIENCE_NS;
	if (o->m.verb == VERB_KILL)
		adopt_kill(o, from);
	else
		adopt_file_order(o);
}

/* An engine before this one left them open.  Before its name no agent of it is to be had. */
void orders_adopt(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	int n = g->unnamed ? 0 : record_open_orders(&e->journal, &ref, adopt, g);

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
		else if (o->fallback > seq)
			o->patience = o->fallback = 0;
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

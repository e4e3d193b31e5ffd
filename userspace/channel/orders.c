// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/clock.h"
#include "channel/conns.h"
#include "lib/log.h"
#include "lib/util.h"

#define ORDER_MS_MAX (10u * 60 * 1000)

/* A status goes from the wire to the engine as it is. */
_Static_assert((int)ORDER_DONE == WIRE_DONE && (int)ORDER_NO_TARGET == WIRE_NO_TARGET &&
	       (int)ORDER_MISMATCH == WIRE_MISMATCH && (int)ORDER_REFUSED == WIRE_NOT_ALLOWED &&
	       (int)ORDER_FAILED == WIRE_FAILED && (int)VERB_KILL == WIRE_VERB_KILL &&
	       EXE_MAX_RANGES == WIRE_ORDER_RANGES, "messages.h and wire.h agree");

struct order {
	enum {
		ORDER_FREE,
		ORDER_SENT,		/* conn has it */
		ORDER_WAITING,		/* conn is gone, its agent may be back */
		ORDER_LATE,		/* the engine has EXPIRED; conn still has it */
	} state;
	uint64_t id;			/* the engine's, and the one on the wire */
	uint32_t cid;
	uint64_t begun_us, deadline_ms;
	struct conn *conn;
	const struct pin *pin;
	char lost[64];			/* WAITING: why the session ended */
	struct record_order record;
};

void orders_init(struct channel *ch)
{
	/* Late ones count in their session alone: an agent takes no other's place. */
	ch->norders = ORDERS_MAX + ch->max_conns * WIRE_ORDERS_OPEN;
	ch->orders = calloc(ch->norders, sizeof(*ch->orders));
	if (!ch->orders)
		fatal("out of memory");
}

static void answer(struct channel *ch, uint64_t id, uint32_t status, uint64_t begun_us,
		   const char *detail)
{
	struct m_result m = { .status = status, .elapsed_us = clock_us() - begun_us };

	text_escape(m.detail, sizeof(m.detail), detail, strlen(detail));
	if (msg_post(ch->engine, &msg_result, id, &m, -1))
		fatal("the engine is gone");
}

static bool awaited(const struct order *o)
{
	return o->state == ORDER_SENT || o->state == ORDER_WAITING;
}

/* NULL if the engine awaits ORDERS_MAX already. */
static struct order *free_order(struct channel *ch)
{
	struct order *free = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ch->norders; i++) {
		n += awaited(&ch->orders[i]);
		if (!free && ch->orders[i].state == ORDER_FREE)
			free = &ch->orders[i];
	}
	return n < ORDERS_MAX ? free : NULL;
}

/* Each delivery has a nonce of its own: its result cannot be another's. */
static void deliver(struct channel *ch, struct order *o, struct conn *c, uint64_t now_ms)
{
	uint8_t record[RECORD_MAX];

	randombytes_buf(o->record.nonce, sizeof(o->record.nonce));
	o->state = ORDER_SENT;
	o->conn = c;
	c->orders++;
	conn_send(ch, c, record, record_put_order(record, &o->record), now_ms);
}

static bool to_record(uint64_t id, const struct m_order *m, struct record_order *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (m->exe_ranges.len % sizeof(struct exe_range))
		return false;
	ret->verb = m->verb;
	ret->order = id;
	ret->pid = m->pid;
	ret->start_ns = m->start_ns;
	memcpy(ret->exe_hash, m->exe_hash, sizeof(ret->exe_hash));
	ret->nranges = m->exe_ranges.len / sizeof(struct exe_range);
	for (uint32_t i = 0; i < ret->nranges; i++)
		ret->range[i] = (struct record_range){ m->exe_ranges.range[i].first_page,
						       m->exe_ranges.range[i].pages };
	return true;
}

void orders_take(struct channel *ch, uint64_t id, const struct m_order *m, uint64_t now_ms)
{
	struct conn *c = conns_find(ch, m->cid);
	struct order *o = free_order(ch);
	uint64_t begun_us = clock_us();

	if (!c) {
		answer(ch, id, ORDER_UNDELIVERABLE, begun_us, "no session with the guest's agent");
	} else if (m->verb >= 64 || !(c->capabilities >> m->verb & 1)) {
		answer(ch, id, ORDER_REFUSED, begun_us, "the agent does not offer this verb");
	} else if (!o || c->orders >= WIRE_ORDERS_OPEN) {
		answer(ch, id, ORDER_UNDELIVERABLE, begun_us, "too many orders are unanswered");
	} else if (!to_record(id, m, &o->record)) {
		answer(ch, id, ORDER_REFUSED, begun_us, "malformed ranges");
	} else {
		o->id = id;
		o->cid = m->cid;
		o->begun_us = begun_us;
		o->deadline_ms = now_ms + MIN(m->deadline_ms ? m->deadline_ms : ch->order_ms,
					      ORDER_MS_MAX);
		o->pin = c->pin;
		deliver(ch, o, c, now_ms);
	}
}

/* A late result goes to the log alone: the engine has its answer. */
bool orders_result(struct channel *ch, struct conn *c, const struct record_result *result)
{
	for (size_t i = 0; i < ch->norders; i++) {
		struct order *o = &ch->orders[i];

		if ((o->state != ORDER_SENT && o->state != ORDER_LATE) || o->conn != c ||
		    o->id != result->order ||
		    sodium_memcmp(o->record.nonce, result->nonce, sizeof(result->nonce)))
			continue;
		if (o->state == ORDER_SENT)
			answer(ch, o->id, result->status, o->begun_us, result->detail);
		else
			log_warn("order %llu: late answer: %s: %s", (unsigned long long)o->id,
				 order_status_name(result->status), result->detail);
		o->state = ORDER_FREE;
		c->orders--;
		return true;
	}
	return false;
}

void orders_agent_lost(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms)
{
	for (size_t i = 0; i < ch->norders; i++) {
		struct order *o = &ch->orders[i];

		if (o->state == ORDER_FREE || o->conn != c)
			continue;
		o->conn = NULL;
		o->state = o->state == ORDER_SENT ? ORDER_WAITING : ORDER_FREE;
		o->deadline_ms = MIN(o->deadline_ms, now_ms + RECONNECT_MS);
		snprintf(o->lost, sizeof(o->lost), "%s", why);
	}
	c->orders = 0;
}

/* The agent knows an order by its id and content: it does nothing twice. */
void orders_agent_back(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	for (size_t i = 0; i < ch->norders; i++) {
		struct order *o = &ch->orders[i];

		if (c->state == CONN_UP && c->orders < WIRE_ORDERS_OPEN &&
		    o->state == ORDER_WAITING && o->pin == c->pin && o->cid == c->cid)
			deliver(ch, o, c, now_ms);
	}
}

static void expire(struct channel *ch, struct order *o)
{
	char detail[TEXT_WHY] = "no answer by the deadline";

	if (o->state == ORDER_WAITING)
		snprintf(detail, sizeof(detail), "the session ended before the answer: %s", o->lost);
	answer(ch, o->id, ORDER_EXPIRED, o->begun_us, detail);
	o->state = o->state == ORDER_SENT ? ORDER_LATE : ORDER_FREE;
}

void orders_tend(struct channel *ch, uint64_t now_ms)
{
	for (size_t i = 0; i < ch->norders; i++)
		if (awaited(&ch->orders[i]) && now_ms >= ch->orders[i].deadline_ms)
			expire(ch, &ch->orders[i]);
}

uint64_t orders_deadline(const struct channel *ch)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < ch->norders; i++)
		if (awaited(&ch->orders[i]))
			next = MIN(next, ch->orders[i].deadline_ms);
	return next;
}

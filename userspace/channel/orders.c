// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/orders.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel/clock.h"
#include "channel/conns.h"
#include "channel/vault.h"
#include "lib/log.h"
#include "lib/util.h"

#define ORDER_MS_MAX (10u * 60 * 1000)

/* A status goes from the wire to the engine as it is. */
_Static_assert((int)ORDER_DONE == WIRE_DONE && (int)ORDER_NO_TARGET == WIRE_NO_TARGET &&
	       (int)ORDER_MISMATCH == WIRE_MISMATCH && (int)ORDER_REFUSED == WIRE_NOT_ALLOWED &&
	       (int)ORDER_FAILED == WIRE_FAILED && (int)VERB_KILL == WIRE_VERB_KILL &&
	       (int)VERB_QUARANTINE == WIRE_VERB_QUARANTINE &&
	       (int)VERB_RESTORE == WIRE_VERB_RESTORE && EXE_MAX_RANGES == WIRE_RANGES &&
	       ITEM_BYTES == WIRE_ITEM && TEXT_PATH == WIRE_PATH_MAX + 1,
	       "messages.h and wire.h agree");

struct order {
	enum {
		ORDER_FREE,
		ORDER_SENT,		/* conn has it */
		ORDER_WAITING,		/* conn is gone, its agent may be back */
	} state;
	uint64_t id;			/* the engine's, and the one on the wire */
	uint32_t cid;
	uint64_t begun_us, deadline_ms;
	uint64_t give_up_ms;		/* WAITING: unless the agent logs in before */
	struct conn *conn;
	const struct pin *pin;
	char lost[64];			/* WAITING: why the session ended */
	struct record_order record;
};

void orders_init(struct channel *ch)
{
	ch->orders = calloc(ORDERS_MAX, sizeof(*ch->orders));
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

/* The record may hold a guest's key. */
static void release(struct order *o)
{
	sodium_memzero(o, sizeof(*o));
}

/* NULL if the engine awaits ORDERS_MAX already. */
static struct order *free_order(struct channel *ch)
{
	for (size_t i = 0; i < ORDERS_MAX; i++)
		if (ch->orders[i].state == ORDER_FREE)
			return &ch->orders[i];
	return NULL;
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
	sodium_memzero(record, sizeof(record));
}

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? at - digits : -1;
}

/*
 * The bytes that text_escape was given.  False for anything it does not write;
 * what it had to cut cannot be told, and is then no file of the guest's.
 */
static bool unescape(char *out, const char *text)
{
	while (*text) {
		int high, low;

		if (*text != '\\') {
			*out++ = *text++;
			continue;
		}
		high = text[1] == 'x' ? hex_value(text[2]) : -1;
		low = high >= 0 ? hex_value(text[3]) : -1;
		if (low < 0 || !(high | low))
			return false;
		*out++ = high << 4 | low;
		text += 4;
	}
	*out = '\0';
	return true;
}

/* False: a blob of the engine's that is no list of ranges, or no path. */
static bool to_record(const struct channel *ch, uint64_t id, const struct m_order *m,
		      const struct pin *pin, struct record_order *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (m->exe_ranges.len % sizeof(struct exe_range) || !unescape(ret->path, m->path))
		return false;
	ret->verb = m->verb;
	ret->order = id;
	ret->pid = m->pid;
	ret->start_ns = m->start_ns;
	ret->size = m->size;
	memcpy(ret->item, m->item, sizeof(ret->item));
	memcpy(ret->file.hash, m->exe_hash, sizeof(ret->file.hash));
	ret->file.nranges = m->exe_ranges.len / sizeof(struct exe_range);
	for (uint32_t i = 0; i < ret->file.nranges; i++)
		ret->file.range[i] = (struct record_range){ m->exe_ranges.range[i].first_page,
							    m->exe_ranges.range[i].pages };
	if (m->verb != VERB_KILL)
		vault_key(ret->key, ch->vault, pin->name);
	return true;
}

/* NULL, or why this order cannot go out now; *ret_status says whose fault it is. */
static const char *obstacle(const struct conn *c, const struct order *free,
			    const struct m_order *m, uint32_t *ret_status)
{
	*ret_status = ORDER_UNDELIVERABLE;
	if (!c)
		return "no session with the guest's agent";
	if (!c->bound)
		return "the session is not bound to the guest yet: its nonce has not been read there";
	if (!free || c->orders >= WIRE_ORDERS_OPEN)
		return "too many orders are unanswered";
	*ret_status = ORDER_REFUSED;
	if (m->verb >= 64 || !(c->login.capabilities >> m->verb & 1))
		return "the agent does not offer this verb";
	return NULL;
}

void orders_take(struct channel *ch, uint64_t id, const struct m_order *m, uint64_t now_ms)
{
	struct conn *c = conns_find(ch, m->cid);
	struct order *o = free_order(ch);
	uint64_t begun_us = clock_us();
	uint32_t status;
	const char *why = obstacle(c, o, m, &status);

	if (why) {
		answer(ch, id, status, begun_us, why);
	} else if (!to_record(ch, id, m, c->pin, &o->record)) {
		release(o);
		answer(ch, id, ORDER_REFUSED, begun_us, "malformed ranges or path");
	} else {
		o->id = id;
		o->cid = m->cid;
		o->begun_us = begun_us;
		/* one more: this millisecond has begun already */
		o->deadline_ms = now_ms + 1 + MIN(m->deadline_ms ? m->deadline_ms : ch->order_ms,
						  ORDER_MS_MAX);
		o->pin = c->pin;
		deliver(ch, o, c, now_ms);
	}
}

/* The engine has its answer already: this one goes to the log alone. */
static bool late_result(struct conn *c, const struct record_result *result)
{
	for (unsigned i = 0; i < c->nlate; i++) {
		if (c->late[i].order != result->order ||
		    sodium_memcmp(c->late[i].nonce, result->nonce, WIRE_NONCE))
			continue;
		log_warn("order %llu: late answer: %s: %s", (unsigned long long)result->order,
			 order_status_name(result->status), result->detail);
		c->late[i] = c->late[--c->nlate];
		c->orders--;
		return true;
	}
	return false;
}

bool orders_result(struct channel *ch, struct conn *c, const struct record_result *result)
{
	for (size_t i = 0; i < ORDERS_MAX; i++) {
		struct order *o = &ch->orders[i];

		if (o->state != ORDER_SENT || o->conn != c || o->id != result->order ||
		    sodium_memcmp(o->record.nonce, result->nonce, sizeof(result->nonce)))
			continue;
		answer(ch, o->id, result->status, o->begun_us, result->detail);
		release(o);
		c->orders--;
		return true;
	}
	return late_result(c, result);
}

void orders_agent_lost(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms)
{
	for (size_t i = 0; i < ORDERS_MAX; i++) {
		struct order *o = &ch->orders[i];

		if (o->state != ORDER_SENT || o->conn != c)
			continue;
		o->conn = NULL;
		o->state = ORDER_WAITING;
		o->give_up_ms = now_ms + RECONNECT_MS;
		snprintf(o->lost, sizeof(o->lost), "%s", why);
	}
	c->orders = c->nlate = 0;
}

static bool waits_for(const struct order *o, const struct conn *c)
{
	return o->state == ORDER_WAITING && o->pin == c->pin && o->cid == c->cid;
}

void orders_agent_back(struct channel *ch, const struct conn *c)
{
	for (size_t i = 0; i < ORDERS_MAX; i++)
		if (waits_for(&ch->orders[i], c))
			ch->orders[i].give_up_ms = UINT64_MAX;
}

/* The agent knows an order by its id and content: it does nothing twice. */
void orders_agent_bound(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	for (size_t i = 0; i < ORDERS_MAX; i++)
		if (c->state == CONN_UP && c->orders < WIRE_ORDERS_OPEN &&
		    waits_for(&ch->orders[i], c))
			deliver(ch, &ch->orders[i], c, now_ms);
}

void orders_agent_revoked(struct channel *ch, const struct pin *pin)
{
	for (size_t i = 0; i < ORDERS_MAX; i++) {
		struct order *o = &ch->orders[i];

		if (o->state != ORDER_WAITING || o->pin != pin)
			continue;
		answer(ch, o->id, ORDER_EXPIRED, o->begun_us, "the agent's key was revoked before "
		       "it answered");
		release(o);
	}
}

static uint64_t due(const struct order *o)
{
	if (o->state == ORDER_FREE)
		return UINT64_MAX;
	return o->state == ORDER_WAITING ? MIN(o->deadline_ms, o->give_up_ms) : o->deadline_ms;
}

static void expire(struct channel *ch, struct order *o)
{
	char detail[TEXT_WHY] = "no answer by the deadline";
	struct conn *c = o->conn;

	if (o->state == ORDER_WAITING) {
		snprintf(detail, sizeof(detail), "the session ended before the answer: %s", o->lost);
	} else {
		c->late[c->nlate].order = o->id;
		memcpy(c->late[c->nlate++].nonce, o->record.nonce, WIRE_NONCE);
	}
	answer(ch, o->id, ORDER_EXPIRED, o->begun_us, detail);
	release(o);
}

void orders_tend(struct channel *ch, uint64_t now_ms)
{
	for (size_t i = 0; i < ORDERS_MAX; i++)
		if (now_ms >= due(&ch->orders[i]))
			expire(ch, &ch->orders[i]);
}

uint64_t orders_deadline(const struct channel *ch)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < ORDERS_MAX; i++)
		next = MIN(next, due(&ch->orders[i]));
	return next;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/conns.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel/agents.h"
#include "channel/bytes.h"
#include "channel/proof.h"
#include "channel/orders.h"
#include "lib/log.h"
#include "lib/util.h"

void conns_init(struct channel *ch)
{
	/* A connection is a mapping of its own: what it does not use costs nothing. */
	mallopt(M_MMAP_THRESHOLD, sizeof(struct conn) / 2);
	ch->conns = calloc(CONNS_MAX, sizeof(*ch->conns));
	if (!ch->conns)
		fatal("out of memory");
}

struct conn *conns_find(const struct channel *ch, uint32_t cid)
{
	for (size_t i = 0; i < ch->nconns; i++)
		if (ch->conns[i]->state == CONN_UP && ch->conns[i]->cid == cid)
			return ch->conns[i];
	return NULL;
}

static void report(struct channel *ch, const struct conn *c, bool up, const char *why)
{
	struct m_session m = { .cid = c->cid, .up = up };

	if (up) {
		m.capabilities = c->login.capabilities;
		m.beacon_pid = c->login.beacon_pid;
		m.beacon_gva = c->login.beacon_gva;
		snprintf(m.version, sizeof(m.version), "%s", c->login.version);
	}
	memcpy(m.nonce, c->login.nonce, sizeof(m.nonce));
	if (c->pin)
		snprintf(m.agent, sizeof(m.agent), "%s", c->pin->name);
	snprintf(m.why, sizeof(m.why), "%s", why);
	log_info("CID %u: %s%s%s", c->cid, m.agent, up ? " logged in" : c->pin ? ": " : "", m.why);
	if (msg_post(ch->engine, &msg_session, 0, &m, -1))
		fatal("the engine is gone");
}

/*
 * "refused" is told only while no session with that guest is up, so that the
 * engine never takes somebody's vain try for the end of it.
 */
static void report_refused(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms)
{
	const struct handshake *h = &c->link.handshake;
	char key[2 * WIRE_KEY + 1] = "", text[TEXT_WHY];

	c->pin = NULL;
	if (conns_find(ch, c->cid) || !rate_take(&ch->refusals, c->cid, now_ms)) {
		log_debug("CID %u: refused: %s", c->cid, why);
		return;
	}
	/* what it claimed to be, so that an operator can pin it */
	if (!sodium_is_zero(h->peer, sizeof(h->peer)) && !pins_find(&ch->pins, h->peer))
		hex_encode(key, h->peer, sizeof(h->peer));
	snprintf(text, sizeof(text), "refused: %s%s%s", why, key[0] ? ": key " : "", key);
	report(ch, c, false, text);
}

static void transmit(struct conn *c)
{
	ssize_t n = send(c->fd, c->link.out, c->link.out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0)
		link_sent(&c->link, n);
}

/* The conn stays in the table, dead, until conns_tend: callers may hold it. */
static void conn_end(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms)
{
	bool was_up = c->state == CONN_UP, told = c->state != CONN_PREFACE;

	if (c->state == CONN_DEAD)
		return;
	if (c->link.out_len)
		transmit(c);	/* a refusal should reach the agent's log */
	c->state = CONN_DEAD;
	close(c->fd);
	c->fd = -1;
	if (was_up) {
		report(ch, c, false, why);
		agents_lost(ch, c, why);
		orders_agent_lost(ch, c, why, now_ms);
	} else if (told) {
		report_refused(ch, c, why, now_ms);
	}
	link_wipe(&c->link);
}

/* The same, and the agent is told why, if it can hear it. */
void conn_dismiss(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms)
{
	uint8_t record[RECORD_MAX];

	if (c->state == CONN_DEAD)
		return;
	link_send(&c->link, record, record_put_text(record, WIRE_CLOSE, why), now_ms);
	conn_end(ch, c, why, now_ms);
}

bool conn_send(struct channel *ch, struct conn *c, const uint8_t *record, size_t len,
	       uint64_t now_ms)
{
	if (link_send(&c->link, record, len, now_ms))
		return true;
	conn_end(ch, c, "the agent does not read", now_ms);
	return false;
}

static unsigned half_open(const struct channel *ch, const uint32_t *cid)
{
	unsigned n = 0;

	for (size_t i = 0; i < ch->nconns; i++)
		n += ch->conns[i]->state == CONN_HALF_OPEN && (!cid || ch->conns[i]->cid == *cid);
	return n;
}

/* The table is in order of arrival. */
static struct conn *oldest(const struct channel *ch, const uint32_t *cid)
{
	for (size_t i = 0; i < ch->nconns; i++)
		if (ch->conns[i]->state == CONN_HALF_OPEN && (!cid || ch->conns[i]->cid == *cid))
			return ch->conns[i];
	return NULL;
}

/* The oldest that is not its guest's only one.  Each is counted in vain once at most. */
static struct conn *oldest_second(struct channel *ch)
{
	for (size_t i = 0; i < ch->nconns; i++) {
		struct conn *c = ch->conns[i];

		if (c->state != CONN_HALF_OPEN || !c->another)
			continue;
		if (half_open(ch, &c->cid) > 1)
			return c;
		c->another = false;
	}
	return NULL;
}

/*
 * All places are taken: who makes room for c.  A guest's first connection has
 * a place while fewer guests than there are places knock; beyond that it has
 * the time that an agent needs.  So a crowd of guests may delay an agent that
 * answers at once, and not lock it out.
 */
static struct conn *who_gives_way(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	struct conn *other = c->another ? oldest(ch, &c->cid) : oldest_second(ch);

	if (other)
		return other;
	other = oldest(ch, NULL);
	return now_ms >= other->since_ms + HALF_OPEN_GRACE_MS ? other : c;
}

/* c is in the table and its CID is known. */
static void admit(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	unsigned mine = half_open(ch, &c->cid);

	c->another = mine > 1;
	if (mine > HALF_OPEN_CID)
		conn_end(ch, c, "too many handshakes at once", now_ms);
	else if (half_open(ch, NULL) > HALF_OPEN_MAX)
		conn_end(ch, who_gives_way(ch, c, now_ms), "too many handshakes of all guests",
			 now_ms);
}

static uint8_t admit_identity(void *arg, const uint8_t identity[WIRE_KEY])
{
	struct pins *pins = arg;

	if (pins_find(pins, identity))
		return 0;
	if (pins_is_revoked(pins, identity))
		return WIRE_REFUSED_REVOKED;
	return pins_invites(pins) ? 0 : WIRE_REFUSED_UNKNOWN;
}

/* One that comes too often hears not a word. */
static void add_conn(struct channel *ch, int fd, uint32_t cid, uint64_t now_ms)
{
	bool known = !ch->listener.unix_preface;
	bool too_often = known && !rate_take(&ch->logins, cid, now_ms);
	struct conn *c = !too_often && ch->nconns < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->cid = cid;
	c->since_ms = now_ms;
	c->state = known ? CONN_HALF_OPEN : CONN_PREFACE;
	link_host(&c->link, &ch->self, admit_identity, &ch->pins);
	ch->conns[ch->nconns++] = c;
	if (c->state == CONN_HALF_OPEN)
		admit(ch, c, now_ms);
}

void conns_accept(struct channel *ch, uint64_t now_ms)
{
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		uint32_t cid;
		int fd = listener_accept(&ch->listener, &cid);

		if (fd == -EAGAIN)
			return;
		if (fd >= 0)
			add_conn(ch, fd, cid, now_ms);
	}
}

/*
 * One session an identity, and one a guest: the newest.  But one that is bound
 * elsewhere stays until the new one is bound too: who stole a guest's key and
 * logs in from another guest must not cut off the first.
 */
static void replace_others(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	for (size_t i = 0; i < ch->nconns; i++) {
		struct conn *other = ch->conns[i];

		if (other != c && other->state == CONN_UP &&
		    (other->cid == c->cid ||
		     (other->pin == c->pin && (c->bound || !other->bound))))
			conn_end(ch, other, "replaced by a new login", now_ms);
	}
}

void conns_bound(struct channel *ch, const struct m_bound *m, uint64_t now_ms)
{
	struct conn *c = conns_find(ch, m->cid);

	if (!c || sodium_memcmp(c->login.nonce, m->nonce, sizeof(m->nonce))) {
		log_debug("CID %u: the session that the engine means is gone", m->cid);
	} else if (!m->bound) {
		conn_dismiss(ch, c, m->why, now_ms);
	} else if (!c->bound) {
		c->bound = true;
		log_info("CID %u: %s is bound to its guest", c->cid, c->pin->name);
		replace_others(ch, c, now_ms);
		orders_agent_bound(ch, c, now_ms);
	}
}

static void send_ping(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	uint8_t record[RECORD_MAX];

	randombytes_buf(&c->ping_value, sizeof(c->ping_value));
	c->ping_ms = now_ms;
	conn_send(ch, c, record, record_put_ping(record, WIRE_PING, c->ping_value), now_ms);
}

/* Agents that are told keep both keys until the first handshake with the new one. */
static void announce_successor(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	const uint8_t *transcript = c->link.handshake.transcript;
	struct record_new_key next;
	uint8_t record[RECORD_MAX];

	memcpy(next.key, ch->next.public, WIRE_KEY);
	proof_sign(next.by_old, &ch->self, WIRE_LABEL_SUCCESSOR, transcript, next.key);
	proof_sign(next.by_new, &ch->next, WIRE_LABEL_SUCCESSOR, transcript, next.key);
	conn_send(ch, c, record, record_put_new_key(record, WIRE_SUCCESSOR, &next), now_ms);
}

static void on_login(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	if (!record_get_login(c->link.record, c->link.record_len, &c->login)) {
		conn_end(ch, c, "its first record is no login", now_ms);
		return;
	}
	c->pin = agents_login(ch, c->link.handshake.peer);
	if (!c->pin) {
		conn_dismiss(ch, c, "key is not pinned", now_ms);
		return;
	}
	replace_others(ch, c, now_ms);
	c->state = CONN_UP;
	report(ch, c, true, "");
	send_ping(ch, c, now_ms);	/* tells the agent that it is in */
	if (ch->has_next && c->state == CONN_UP)
		announce_successor(ch, c, now_ms);
	orders_agent_back(ch, c);
}

static void on_record(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	const uint8_t *record = c->link.record;
	size_t len = c->link.record_len;
	struct record_result result;
	struct record_enrol enrol;
	uint64_t value;

	c->heard_ms = now_ms;
	if (c->state == CONN_HALF_OPEN && record_get_enrol(record, len, &enrol)) {
		agents_enrol(ch, c, &enrol, now_ms);
	} else if (c->state == CONN_HALF_OPEN) {
		on_login(ch, c, now_ms);
	} else if (record_get_result(record, len, &result)) {
		if (!orders_result(ch, c, &result))
			conn_end(ch, c, "a result that nobody asked for", now_ms);
	} else if (record_get_ping(record, len, WIRE_PONG, &value) && c->ping_ms &&
		   value == c->ping_value) {
		c->ping_ms = 0;
	} else if (c->rotate_ms && agents_rotated(ch, c, record, len, now_ms)) {
		return;
	} else {
		conn_end(ch, c, "a malformed or unexpected record", now_ms);
	}
}

/* Tests alone: the CID that a unix socket cannot tell. */
static void take_preface(struct channel *ch, struct conn *c, const uint8_t **data, size_t *n,
			 uint64_t now_ms)
{
	struct reader r = { c->preface, c->preface + sizeof(c->preface), false };

	while (*n && c->preface_have < sizeof(c->preface)) {
		c->preface[c->preface_have++] = *(*data)++;
		(*n)--;
	}
	if (c->preface_have < sizeof(c->preface))
		return;
	c->cid = get_u32(&r);
	if (!rate_take(&ch->logins, c->cid, now_ms))
		return conn_end(ch, c, "", now_ms);
	c->state = CONN_HALF_OPEN;
	admit(ch, c, now_ms);
}

static void on_bytes(struct channel *ch, struct conn *c, const uint8_t *data, size_t n,
		     uint64_t now_ms)
{
	enum link_event event;

	if (c->state == CONN_PREFACE)
		take_preface(ch, c, &data, &n, now_ms);
	while (c->state != CONN_DEAD && n &&
	       (event = link_input(&c->link, &data, &n)) != LINK_MORE) {
		if (event == LINK_RECORD)
			on_record(ch, c, now_ms);
		else if (event == LINK_FAILED)
			conn_end(ch, c, c->link.why, now_ms);
	}
}

void conn_receive(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	static uint8_t data[16384];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0)
		on_bytes(ch, c, data, n, now_ms);
	else if (n == 0)
		conn_end(ch, c, "the agent closed the connection", now_ms);
	else if (errno != EAGAIN && errno != EINTR)
		conn_end(ch, c, strerror(errno), now_ms);
}

static uint64_t deadline(const struct conn *c)
{
	if (c->state == CONN_DEAD)
		return UINT64_MAX;
	if (c->state != CONN_UP)
		return c->since_ms + LOGIN_MS;
	if (c->rotate_ms)
		return MIN(c->rotate_ms + ROTATE_MS, c->ping_ms ? c->ping_ms + PONG_MS : UINT64_MAX);
	return c->ping_ms ? c->ping_ms + PONG_MS : c->heard_ms + PING_AFTER_MS;
}

uint64_t conns_deadline(const struct channel *ch)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < ch->nconns; i++)
		next = MIN(next, deadline(ch->conns[i]));
	return next;
}

static void on_deadline(struct channel *ch, struct conn *c, uint64_t now_ms)
{
	if (c->state != CONN_UP)
		conn_end(ch, c, "no login in time", now_ms);
	else if (c->rotate_ms && now_ms >= c->rotate_ms + ROTATE_MS)
		agents_rotate_late(ch, c);
	else if (c->ping_ms)
		conn_end(ch, c, "the agent does not answer", now_ms);
	else
		send_ping(ch, c, now_ms);
}

void conns_tend(struct channel *ch, uint64_t now_ms)
{
	size_t kept = 0;

	for (size_t i = 0; i < ch->nconns; i++)
		if (now_ms >= deadline(ch->conns[i]))
			on_deadline(ch, ch->conns[i], now_ms);
	for (size_t i = 0; i < ch->nconns; i++) {
		struct conn *c = ch->conns[i];

		if (c->state == CONN_DEAD) {
			free(c);
			continue;
		}
		if (c->link.out_len)
			transmit(c);
		ch->conns[kept++] = c;
	}
	ch->nconns = kept;
}

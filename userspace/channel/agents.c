// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/agents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channel/conns.h"
#include "channel/orders.h"
#include "channel/proof.h"
#include "channel/token.h"
#include "lib/log.h"
#include "lib/util.h"

#define INVITE_SECONDS 3600		/* unless the engine says */
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_Static_assert(TOKEN_TEXT <= TEXT_WHY, "a token fits m_agent_done");

static void done(struct channel *ch, uint64_t id, uint32_t status, const char *why)
{
	struct m_agent_done m = { .status = status };

	snprintf(m.why, sizeof(m.why), "%s", why);
	if (msg_post(ch->engine, &msg_agent_done, id, &m, -1))
		fatal("the engine is gone");
}

static void file_failed(struct channel *ch, uint64_t id, int r)
{
	char why[TEXT_WHY];

	snprintf(why, sizeof(why), r == -ENOSPC ? "no room for another one, or the disk is full" :
		 "the folder of agents cannot be written: %s", strerror(-r));
	done(ch, id, AGENT_ERROR, why);
}

/* ---- list ---- */

static void inform(struct channel *ch, uint64_t id, struct m_agent_info *m, const char *name,
		   const uint8_t *key)
{
	snprintf(m->name, sizeof(m->name), "%s", name);
	if (key)
		hex_encode(m->key, key, WIRE_KEY);
	if (msg_post(ch->engine, &msg_agent_info, id, m, -1))
		fatal("the engine is gone");
}

static void list(struct channel *ch, uint64_t id, const char *name)
{
	struct pins *pins = &ch->pins;

	pins_invites(pins);
	for (size_t i = 0; i < PINS_MAX; i++) {
		const struct pin *p = &pins->pin[i];
		struct m_agent_info m = { .state = AGENT_PINNED, .since_wall = p->since_wall };

		if (p->used && (!name[0] || !strcmp(name, p->name)))
			inform(ch, id, &m, p->name, p->key);
	}
	for (size_t i = 0; i < pins->ninvites; i++) {
		const struct invite *v = &pins->invite[i];
		struct m_agent_info m = { .state = AGENT_INVITED, .since_wall = v->since_wall,
					  .until_wall = v->until_wall };

		if (!name[0] || !strcmp(name, v->name))
			inform(ch, id, &m, v->name, NULL);
	}
	for (size_t i = 0; i < pins->nrevoked; i++) {
		const struct revoked *v = &pins->revoked[i];
		struct m_agent_info m = { .state = AGENT_REVOKED, .since_wall = v->since_wall };

		if (!name[0] || !strcmp(name, v->name))
			inform(ch, id, &m, v->name, v->key);
	}
	done(ch, id, AGENT_OK, "");
}

/* ---- enrol ---- */

/* [A-Za-z0-9][A-Za-z0-9._-]{0,62}: it names files. */
static bool is_name(const char *name)
{
	return name[0] && strspn(name, NAME_LETTERS) &&
	       !name[strspn(name, NAME_LETTERS "._-")];
}

static void invite(struct channel *ch, uint64_t id, const struct m_agent_act *act)
{
	uint32_t seconds = act->seconds ? act->seconds : INVITE_SECONDS;
	struct m_agent_done m = { .status = AGENT_OK };
	struct identity key;
	struct token token;
	int r;

	memcpy(token.host, ch->self.public, WIRE_KEY);
	randombytes_buf(token.secret, sizeof(token.secret));
	token_identity(&token, &key);
	r = pins_invite(&ch->pins, act->name, key.public, MIN(seconds, TOKEN_SECONDS_MAX));
	token_text(m.token, &token);
	sodium_memzero(&token, sizeof(token));
	sodium_memzero(&key, sizeof(key));
	if (r)
		file_failed(ch, id, r);
	else if (msg_post(ch->engine, &msg_agent_done, id, &m, -1))
		fatal("the engine is gone");
	sodium_memzero(&m, sizeof(m));
}

static void enrol(struct channel *ch, uint64_t id, const struct m_agent_act *act)
{
	if (!is_name(act->name))
		done(ch, id, AGENT_ERROR, "a name begins with a letter or digit and has "
		     "letters, digits, '.', '_' and '-' alone, 63 at most");
	else if (pins_named(&ch->pins, act->name))
		done(ch, id, AGENT_EXISTS, "an agent of that name is pinned: revoke it first");
	else
		invite(ch, id, act);
}

static void tell_enrolled(struct channel *ch, struct conn *c, const char *name, uint64_t now_ms)
{
	uint8_t record[RECORD_MAX];

	conn_send(ch, c, record, record_put_text(record, WIRE_ENROLLED, name), now_ms);
}

/* NULL, or why not. */
static const char *take_in(struct channel *ch, struct conn *c, const struct record_enrol *enrol)
{
	const struct handshake *h = &c->link.handshake;
	struct invite *v = pins_invite_of(&ch->pins, enrol->key);
	struct pin *pin;
	int r;

	if (!v || !proof_holds(enrol->signature, enrol->key, WIRE_LABEL_ENROL, h->transcript, NULL))
		return "its token is wrong, used or too old";
	if (pins_is_revoked(&ch->pins, h->peer))
		return "key is revoked";
	r = pins_pin(&ch->pins, v->name, h->peer, &pin);
	if (r) {
		log_err("agent %s cannot be pinned: %s", v->name, strerror(-r));
		return "the host cannot keep its key";
	}
	pins_uninvite(&ch->pins, v->name);
	log_info("CID %u: %s has enrolled", c->cid, pin->name);
	return NULL;
}

/*
 * An agent that never heard the answer asks again with the same key, by now
 * pinned: it is told the same.
 */
void agents_enrol(struct channel *ch, struct conn *c, const struct record_enrol *enrol,
		  uint64_t now_ms)
{
	const struct pin *pin = pins_find(&ch->pins, c->link.handshake.peer);
	const char *why = NULL;

	if (!pin && !rate_take(&ch->enrols, c->cid, now_ms))
		why = "too many tries to enrol: wait some minutes";
	else if (!pin)
		why = take_in(ch, c, enrol);
	if (why)
		conn_dismiss(ch, c, why, now_ms);
	else
		tell_enrolled(ch, c, pins_find(&ch->pins, c->link.handshake.peer)->name, now_ms);
}

/* ---- revoke ---- */

static struct conn *session_of(const struct channel *ch, const struct pin *pin, bool bound)
{
	for (size_t i = 0; i < ch->nconns; i++)
		if (ch->conns[i]->state == CONN_UP && ch->conns[i]->pin == pin &&
		    (!bound || ch->conns[i]->bound))
			return ch->conns[i];
	return NULL;
}

static void revoke_agent(struct channel *ch, uint64_t id, const struct m_agent_act *act, uint64_t now_ms)
{
	struct pin *pin = pins_named(&ch->pins, act->name);
	struct conn *c;
	int r;

	if (!pin) {
		r = pins_uninvite(&ch->pins, act->name);
		if (r == -ENOENT)
			done(ch, id, AGENT_NOT_FOUND, "no agent of that name is pinned or invited");
		else if (r)
			file_failed(ch, id, r);
		else
			done(ch, id, AGENT_OK, "");
		return;
	}
	r = pins_revoke(&ch->pins, pin);
	while ((c = session_of(ch, pin, false)))
		conn_dismiss(ch, c, "its key was revoked", now_ms);
	orders_agent_revoked(ch, pin);
	if (r)
		file_failed(ch, id, r);
	else
		done(ch, id, AGENT_OK, "");
}

/* ---- rotate ---- */

struct pin *agents_login(struct channel *ch, const uint8_t key[WIRE_KEY])
{
	struct pin *pin = pins_find(&ch->pins, key);
	int r;

	if (!pin || !pin->has_next || memcmp(pin->next, key, WIRE_KEY))
		return pin;
	r = pins_promote(&ch->pins, pin);
	if (r)
		log_err("agent %s: its old key stays valid: %s", pin->name, strerror(-r));
	else
		log_info("agent %s: its old key is void", pin->name);
	return pin;
}

static void rotate(struct channel *ch, uint64_t id, const struct m_agent_act *act, uint64_t now_ms)
{
	struct pin *pin = pins_named(&ch->pins, act->name);
	struct conn *c = pin ? session_of(ch, pin, true) : NULL;
	uint8_t record[RECORD_MAX];

	if (!pin) {
		done(ch, id, AGENT_NOT_FOUND, "no agent of that name is pinned");
	} else if (!c) {
		done(ch, id, AGENT_NO_SESSION, "no session with it that is bound to its guest");
	} else if (c->rotate_ms) {
		done(ch, id, AGENT_ERROR, "its key is being changed already");
	} else {
		c->rotate_ms = now_ms;
		c->rotate_id = id;
		conn_send(ch, c, record, record_put_rotate(record), now_ms);
	}
}

static void rotate_over(struct channel *ch, struct conn *c, uint32_t status, const char *why)
{
	c->rotate_ms = 0;
	done(ch, c->rotate_id, status, why);
}

/* 0, or -errno: -EKEYREJECTED for a key that is not the agent's to give. */
static int keep_next(struct channel *ch, struct conn *c, const struct record_new_key *next)
{
	const struct handshake *h = &c->link.handshake;

	if (!proof_holds(next->by_old, h->peer, WIRE_LABEL_ROTATE, h->transcript, next->key) ||
	    !proof_holds(next->by_new, next->key, WIRE_LABEL_ROTATE, h->transcript, next->key) ||
	    pins_find(&ch->pins, next->key) || pins_is_revoked(&ch->pins, next->key))
		return -EKEYREJECTED;
	return pins_set_next(&ch->pins, c->pin, next->key);
}

bool agents_rotated(struct channel *ch, struct conn *c, const uint8_t *record, size_t len,
		    uint64_t now_ms)
{
	struct record_new_key next;
	struct record_text text;
	int r;

	if (record_get_text(record, len, WIRE_UNROTATED, &text)) {
		rotate_over(ch, c, AGENT_ERROR, text.text);
		return true;
	}
	if (!record_get_new_key(record, len, WIRE_ROTATED, &next))
		return false;
	r = keep_next(ch, c, &next);
	if (r == -EKEYREJECTED) {
		rotate_over(ch, c, AGENT_ERROR, "the agent's new key is not its own");
		conn_dismiss(ch, c, "a new key that is not its own", now_ms);
	} else if (r) {
		rotate_over(ch, c, AGENT_ERROR, strerror(-r));
	} else {
		rotate_over(ch, c, AGENT_OK, "");
		conn_dismiss(ch, c, "its key was changed: it logs in with the new one", now_ms);
	}
	return true;
}

void agents_rotate_late(struct channel *ch, struct conn *c)
{
	rotate_over(ch, c, AGENT_ERROR, "the agent made no new key in time");
}

void agents_lost(struct channel *ch, struct conn *c, const char *why)
{
	if (c->rotate_ms)
		rotate_over(ch, c, AGENT_NO_SESSION, why);
}

void agents_act(struct channel *ch, uint64_t id, const struct m_agent_act *act, uint64_t now_ms)
{
	switch (act->verb) {
	case AGENT_LIST:
		list(ch, id, act->name);
		break;
	case AGENT_ENROL:
		enrol(ch, id, act);
		break;
	case AGENT_REVOKE:
		revoke_agent(ch, id, act, now_ms);
		break;
	case AGENT_ROTATE:
		rotate(ch, id, act, now_ms);
		break;
	default:
		done(ch, id, AGENT_ERROR, "no such act");
	}
}

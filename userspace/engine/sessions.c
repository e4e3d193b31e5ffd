// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/sessions.h"

#include <stdio.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

#define AGAIN_NS (500 * NS_PER_MS)
#define ABSENT_TRIES 6		/* a page may be read while it is written */

const char *session_state_name(const struct session *s)
{
	static const char *const names[] = {
		[SESSION_BINDING] = "binding", [SESSION_BOUND] = "bound",
		[SESSION_REFUSED] = "refused",
	};

	return names[s->state];
}

bool session_can(const struct session *s, enum order_verb verb)
{
	return s->m.capabilities >> verb & 1;
}

static struct session *find(struct engine *e, uint32_t cid)
{
	for (unsigned i = 0; i < e->nsessions; i++)
		if (e->sessions[i].m.cid == cid)
			return &e->sessions[i];
	return NULL;
}

const struct session *session_of_cid(const struct guest *g)
{
	return g->has_cid ? find(g->introspector.engine, g->cid) : NULL;
}

const struct session *session_bound(const struct guest *g)
{
	const struct session *s = session_of_cid(g);

	return s && s->state == SESSION_BOUND && s->guest == g->id && !guest_shares_cid(g) ?
	       s : NULL;
}

bool strategy_is_agent(const struct guest *g, char *why, size_t size)
{
	const struct session *bound = session_bound(g), *s = session_of_cid(g);

	if (guest_is_stopped(g))
		snprintf(why, size, "the guest is stopped: its agent cannot act");
	else if (bound && session_can(bound, VERB_KILL))
		snprintf(why, size, "its agent is in session");
	else if (bound)
		snprintf(why, size, "its agent does not offer kill");
	else if (s)
		snprintf(why, size, "the session is %s: %.200s", session_state_name(s), s->why);
	else
		snprintf(why, size, "%s", g->has_cid ? "no agent is in session" :
			 "no vsock CID is known for this guest");
	return !guest_is_stopped(g) && bound && session_can(bound, VERB_KILL);
}

/* ---- the channel's word ---- */

/* One that was refused is kept for those who look, until its place is needed. */
static struct session *room(struct engine *e)
{
	if (e->nsessions < SESSIONS_MAX)
		return &e->sessions[e->nsessions++];
	for (unsigned i = 0; i < e->nsessions; i++)
		if (e->sessions[i].state == SESSION_REFUSED)
			return &e->sessions[i];
	return NULL;
}

static void session_up(struct engine *e, const struct m_session *m, uint64_t now)
{
	struct session *s = find(e, m->cid);

	if (!s)
		s = room(e);
	if (!s) {
		log_err("CID %u: more than %d sessions: this one gets no orders", m->cid,
			SESSIONS_MAX);
		return;
	}
	*s = (struct session){ .m = *m, .state = SESSION_BINDING, .next = now,
			       .since_wall = now_wall() };
	snprintf(s->why, sizeof(s->why), "its nonce is to be read in the guest's memory");
}

/* The end of another than the one known, by its nonce, changes nothing. */
static void session_down(struct engine *e, const struct m_session *m)
{
	struct session *s = find(e, m->cid);

	if (s && s->state != SESSION_REFUSED && !memcmp(s->m.nonce, m->nonce, HASH_BYTES))
		*s = e->sessions[--e->nsessions];
}

/* An agent that comes and goes writes on its guest's account. */
static bool may_note(struct engine *e, uint32_t cid)
{
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down && g->has_cid && g->cid == cid)
			return guest_may_note(g);
	return engine_may_note(e);
}

static void note(struct engine *e, const struct m_session *m, const char *kind,
		 const struct guest *g, const char *why)
{
	if (!may_note(e, m->cid))
		return;
	record_event(&e->journal, kind, g ? g->id : 0, g ? g->vmm_pid : 0, 0,
		     json_pack("{s:I,s:s,s:s,s:I,s:s}", "cid", (json_int_t)m->cid, "agent",
			       m->agent, "version", m->version, "capabilities",
			       (json_int_t)m->capabilities, "why", why));
	engine_flush_soon(e);
}

int sessions_message(struct engine *e, struct msg *raw, uint64_t now)
{
	struct m_session m;

	if (!msg_decode(raw, &msg_session, &m))
		return -1;
	if (m.up)
		session_up(e, &m, now);
	else
		session_down(e, &m);
	note(e, &m, m.up ? "session up" : "session down", NULL, m.why);
	return 0;
}

/* ---- binding ---- */

static void tell_channel(struct engine *e, const struct session *s, bool bound, const char *why)
{
	struct m_bound m = { .cid = s->m.cid, .bound = bound };

	memcpy(m.nonce, s->m.nonce, sizeof(m.nonce));
	snprintf(m.why, sizeof(m.why), "%s", why);
	peer_post(&e->channel, &msg_bound, 0, &m, -1);
}

static void refuse(struct engine *e, struct session *s, const struct guest *g, const char *why)
{
	log_warn("guest %llu: the session of agent %s behind CID %u is refused: %s",
		 (unsigned long long)g->id, s->m.agent, s->m.cid, why);
	s->state = SESSION_REFUSED;
	snprintf(s->why, sizeof(s->why), "%s", why);
	note(e, &s->m, "session refused", g, why);
	tell_channel(e, s, false, why);
}

static void take(struct engine *e, struct session *s, struct guest *g, uint64_t now)
{
	log_info("guest %llu: the session of agent %s is bound: its nonce is in the guest's memory",
		 (unsigned long long)g->id, s->m.agent);
	s->state = SESSION_BOUND;
	s->guest = g->id;
	s->why[0] = '\0';
	memcpy(g->agent, s->m.agent, sizeof(g->agent));
	note(e, &s->m, "session bound", g, "its nonce was read in the guest's memory");
	tell_channel(e, s, true, "");
	orders_session_up(e, s->m.cid, now);
}

static void not_yet(struct session *s, const char *why, uint64_t now)
{
	snprintf(s->why, sizeof(s->why), "%s", why);
	s->next = now + AGAIN_NS;
}

/* The guest with its CID; NULL, and why it is not known which. */
static struct guest *guest_behind(struct engine *e, const struct session *s, const char **ret_why)
{
	struct guest *g, *found = NULL;

	*ret_why = "no guest with this CID is known";
	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down && g->has_cid && g->cid == s->m.cid)
			found = g;
	if (!found || !guest_shares_cid(found))
		return found;
	*ret_why = "two guests claim this CID";
	return NULL;
}

static const struct guest *other_of_agent(const struct guest *g, const char *agent)
{
	const struct guest *other;

	TAILQ_FOREACH(other, &g->introspector.engine->guests, entry)
		if (other != g && !other->down && (!strcmp(other->agent, agent) ||
		    (!g->name[0] && !strcmp(other->name, agent))))
			return other;
	return NULL;
}

/*
 * A guest with a name is served by the agent of that name; one without, by the
 * first whose nonce it held, for its life, if that is no named guest's.  False: by another, and why.
 */
static bool may_serve(const struct session *s, const struct guest *g, char *why, size_t size)
{
	const char *name = g->name[0] ? g->name : g->agent;
	const struct guest *other = other_of_agent(g, s->m.agent);

	if (name[0] && strcmp(name, s->m.agent)) {
		snprintf(why, size, "agent of guest %s behind the CID of guest %s", s->m.agent, name);
		return false;
	}
	if (other) {
		snprintf(why, size, "agent of guest %llu behind the CID of guest %llu",
			 (unsigned long long)other->id, (unsigned long long)g->id);
		return false;
	}
	return true;
}

static void ask(struct session *s, struct guest *g, uint64_t now)
{
	struct m_beacon m = { .pid = s->m.beacon_pid, .gva = s->m.beacon_gva };
	struct request *r = guest_request(g, REQUEST_BEACON);

	s->next = now + AGAIN_NS;
	if (!r)
		return;
	r->cid = s->m.cid;
	memcpy(r->nonce, s->m.nonce, sizeof(r->nonce));
	memcpy(m.nonce, s->m.nonce, sizeof(m.nonce));
	s->asking = !peer_post(&g->introspector, &msg_beacon, r->id, &m, -1);
}

static void try_to_bind(struct engine *e, struct session *s, uint64_t now)
{
	const char *why;
	struct guest *g = guest_behind(e, s, &why);
	char text[TEXT_WHY];

	if (!g)
		not_yet(s, why, now);
	else if (!may_serve(s, g, text, sizeof(text)))
		refuse(e, s, g, text);
	else if (g->introspector.fd < 0)
		not_yet(s, "the guest's introspector is not running", now);
	else if (g->kernel.state != KERNEL_READY)
		not_yet(s, g->kernel.why[0] ? g->kernel.why : "the guest's kernel is not found yet", now);
	else
		ask(s, g, now);
}

void sessions_beacon(struct guest *g, const struct request *r, const struct m_beacon_seen *m,
		     uint64_t now)
{
	struct engine *e = g->introspector.engine;
	struct session *s = find(e, r->cid);

	/* Of a session that is over, or of a guest that lost its CID meanwhile. */
	if (!s || s->state != SESSION_BINDING || memcmp(s->m.nonce, r->nonce, HASH_BYTES))
		return;
	s->asking = false;
	s->next = now + AGAIN_NS;
	if (!g->has_cid || g->cid != r->cid || guest_shares_cid(g))
		return;
	if (m->state == BEACON_THERE)
		take(e, s, g, now);
	else if (m->state == BEACON_ABSENT && ++s->absent >= ABSENT_TRIES)
		refuse(e, s, g, "its nonce is not in this guest's memory: the agent runs elsewhere");
	else
		not_yet(s, m->why[0] ? m->why : "its nonce is not in the guest's memory", now);
}

uint64_t sessions_pump(struct engine *e, uint64_t now)
{
	uint64_t due = NEVER;

	for (unsigned i = 0; i < e->nsessions; i++) {
		struct session *s = &e->sessions[i];

		if (s->state == SESSION_BINDING && !s->asking && now >= s->next)
			try_to_bind(e, s, now);
		if (s->state == SESSION_BINDING && !s->asking)
			due = MIN(due, s->next);
	}
	return due;
}

/* ---- what ends ---- */

void sessions_lost_introspector(struct guest *g)
{
	struct session *s = g->has_cid ? find(g->introspector.engine, g->cid) : NULL;

	if (s)
		s->asking = false;
}

/* Whoever has that CID next has to show the nonce anew. */
void sessions_guest_down(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct session *s = g->has_cid ? find(e, g->cid) : NULL;

	if (!s)
		return;
	if (s->state == SESSION_REFUSED) {
		*s = e->sessions[--e->nsessions];
		return;
	}
	s->asking = false;
	if (s->guest != g->id)
		return;
	s->state = SESSION_BINDING;
	s->guest = 0;
	s->absent = 0;
	snprintf(s->why, sizeof(s->why), "its guest is down");
}

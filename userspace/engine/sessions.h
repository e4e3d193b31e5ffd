/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions with agents.  A key says who an agent is, not where it runs: a
 * session gets orders once the introspector of the guest with its CID has read
 * its nonce in that guest's memory, and one identity serves one guest.
 */
#ifndef WARDEN_ENGINE_SESSIONS_H
#define WARDEN_ENGINE_SESSIONS_H

#include "engine/engine.h"

/* The channel says that a session is there, or over.  0, or -1 if malformed. */
int sessions_message(struct engine *e, struct msg *raw, uint64_t now);

/* What the introspector read. */
void sessions_beacon(struct guest *g, const struct request *r, const struct m_beacon_seen *m,
		     uint64_t now);

/* Binds those that can be bound; when it is to be called again. */
uint64_t sessions_pump(struct engine *e, uint64_t now);

/* What was asked of that introspector is asked anew. */
void sessions_lost_introspector(struct guest *g);
void sessions_guest_down(struct guest *g);

/* The session that gets the guest's orders; NULL: none. */
const struct session *session_bound(const struct guest *g);
/* The one to be shown: bound, binding or refused. */
const struct session *session_of_cid(const struct guest *g);
bool session_can(const struct session *s, enum order_verb verb);
const char *session_state_name(const struct session *s);

/* Who answers for that guest now, and why. */
bool strategy_is_agent(const struct guest *g, char *why, size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections of agents, from accept to the end. */
#ifndef WARDEN_CONNS_H
#define WARDEN_CONNS_H

#include "channel/role.h"

void conns_init(struct channel *ch);

/* Takes what waits at the listener. */
void conns_accept(struct channel *ch, uint64_t now_ms);

/* Takes what an agent sent. */
void conn_receive(struct channel *ch, struct conn *c, uint64_t now_ms);

/* Sends what waits, checks deadlines, frees the dead. */
void conns_tend(struct channel *ch, uint64_t now_ms);

/* The next deadline of any. */
uint64_t conns_deadline(const struct channel *ch);

/* The session with that guest's agent, or NULL. */
struct conn *conns_find(const struct channel *ch, uint32_t cid);

/* The engine knows whose guest a session is, or that it is not its guest's. */
void conns_bound(struct channel *ch, const struct m_bound *m, uint64_t now_ms);

/* Ends it, and the agent is told why. */
void conn_dismiss(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms);

/* False, and the end of c, if the agent does not read. */
bool conn_send(struct channel *ch, struct conn *c, const uint8_t *record, size_t len,
	       uint64_t now_ms);

#endif

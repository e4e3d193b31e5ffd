/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders from the engine: each gets exactly one M_RESULT, and goes to a session
 * that is bound to its guest alone.  What an agent has been sent keeps its
 * place in the session until the agent answers or is gone, so that a late
 * answer is told from one that nobody asked for.
 */
#ifndef WARDEN_ORDERS_H
#define WARDEN_ORDERS_H

#include "channel/role.h"

void orders_init(struct channel *ch);
void orders_take(struct channel *ch, uint64_t id, const struct m_order *m, uint64_t now_ms);

/* False: the agent was not asked. */
bool orders_result(struct channel *ch, struct conn *c, const struct record_result *result);

/* What it has not answered waits a little for it to come back. */
void orders_agent_lost(struct channel *ch, struct conn *c, const char *why, uint64_t now_ms);

/* The same identity in the same guest has logged in: what waits does so on. */
void orders_agent_back(struct channel *ch, const struct conn *c);

/* And its session is bound: what waits is sent again. */
void orders_agent_bound(struct channel *ch, struct conn *c, uint64_t now_ms);

/* Its key is revoked: what waits for it will never go out. */
void orders_agent_revoked(struct channel *ch, const struct pin *pin);

void orders_tend(struct channel *ch, uint64_t now_ms);
uint64_t orders_deadline(const struct channel *ch);

#endif

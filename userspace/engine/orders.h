/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders to the agents, and their confirmation from outside.
 *
 * An order is durable before it is sent, and sent once; one that could not be
 * delivered is sent once more when a session of that guest's agent is bound
 * and the process is still there.  What the agent answers is recorded and
 * believed by nobody: the process counts as killed when introspection shows
 * it gone or dying.  Where a file is put away is not seen from outside: that
 * is the agent's word, and called so.
 */
#ifndef WARDEN_ENGINE_ORDERS_H
#define WARDEN_ENGINE_ORDERS_H

#include "engine/engine.h"

enum order_phase {
	ORDER_QUEUED = 1,	/* durable, to be sent */
	ORDER_SENT,
	ORDER_VERIFY,		/* answered: is the process gone, seen from outside? */
	ORDER_WAIT,		/* not delivered: waits for a session */
	ORDER_CHECK,		/* before it is sent again, or given to the host: still there? */
	ORDER_HELD,		/* quarantine: until the process that runs the file is dead */
};

struct order {
	TAILQ_ENTRY(order) entry;
	struct guest *guest;
	int64_t seq, finding;		/* in the journal; finding 0: an operator's */
	char rule[POLICY_NAME];		/* "": an operator's */
	struct m_order m;
	enum order_phase phase;
	uint32_t status;		/* enum order_status; 0: unknown */
	bool retried, probing;
	bool impatient;			/* CHECK: for the host's sake */
	unsigned probes;
	uint64_t message;		/* id of its M_ORDER */
	uint64_t next, give_up;		/* VERIFY, CHECK: next probe; SENT: no answer */
	uint64_t patience;		/* WAIT: until then; NEVER: no fallback, or it was tried */
	int64_t fallback;		/* last row that tells so, in the journal; 0: none */
};

/* What asked for it. */
struct order_cause {
	int64_t decision, finding;
	const char *rule, *signature;
};

/* To end that process, and no other that gets its pid. */
struct m_order order_kill(const struct task *t);

/* NULL: the journal does not take it, or too many are open. */
struct order *order_make(struct guest *g, const struct m_order *m, const struct order_cause *c,
			 enum order_phase phase);
/* The open order to kill that process; 0: none. */
int64_t orders_open(const struct guest *g, uint32_t pid, uint64_t start_ns);
void orders_send(struct engine *e, uint64_t now);
uint64_t orders_pump(struct guest *g, uint64_t now);
int orders_result(struct engine *e, uint64_t id, const struct m_result *m, uint64_t now);
void orders_probed(struct guest *g, int64_t seq, const struct m_probed *m, uint64_t now);
void orders_session_up(struct engine *e, uint32_t cid, uint64_t now);
void orders_channel_lost(struct engine *e, uint64_t now);
/*
 * A guest that was stopped runs again: its agent's time begins anew; and the
 * host's turn, unless an operator wants it to run.
 */
void orders_thawed(struct guest *g, bool by_operator, uint64_t now);
/* No step could be carried out: tried again for those who still wait. */
void orders_fallback_failed(struct guest *g, int64_t finding, uint64_t now);
void orders_adopt(struct guest *g);
void orders_drop_after(struct guest *g, int64_t seq);
void orders_drop(struct guest *g, const char *why);

/* ---- confirm.c, orders.c: shared ---- */

struct engine *order_engine(const struct order *o);
void order_free(struct order *o);
bool order_process_ended(const struct order *o);
/* Why no agent can be told of it, as it is; NULL: one can. */
const char *order_untold(const struct order *o);
/* Somebody is there who can be told. */
bool order_has_session(const struct order *o);
void order_outcome(struct order *o, const char *outcome, const char *detail);
void order_wait(struct order *o);
/* ORDER_WAIT: is its process still there? */
void order_check(struct order *o, bool impatient, uint64_t now);
/* To be sent once more. */
void order_retry(struct order *o, const char *why);
bool order_may_retry(const struct order *o);
/* It ended, and did not do what it was for. */
void order_came_to_nothing(struct order *o, const char *seen);
/* A process is dead: files it ran may be put away. */
void orders_unhold(struct guest *g, uint32_t pid, uint64_t start_ns);
/* VERIFY, CHECK: asks the introspector. */
void order_probe(struct order *o, uint64_t now);
/* An answer to an order that is not to kill. */
void order_told(struct order *o);

#endif

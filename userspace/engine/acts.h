/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host does itself, by the parent: each act durable before it is
 * asked for, of each guest one at a time of the module and one of its VMM, each
 * answer journalled.  And what holds a guest, which is found again after a restart.
 */
#ifndef WARDEN_ENGINE_ACTS_H
#define WARDEN_ENGINE_ACTS_H

#include "engine/engine.h"

enum act_purpose {
	ACT_OF_RULE = 1,	/* named in actions */
	ACT_OF_LADDER,		/* a fallback */
	ACT_OF_OPERATOR,
};

/* A decision's acts.  0, or -1: the journal does not take it. */
int acts_make(struct guest *g, int64_t decision, int64_t finding, uint32_t verb,
	      uint64_t expiry_ms, enum act_purpose purpose, uint64_t ticket);

/* Sends what is due; when it is to be called again. */
uint64_t acts_pump(struct guest *g, uint64_t now);

void acts_result(struct engine *e, uint64_t id, const struct m_acted *m, uint64_t now);

/* What the module says of the guest. */
void acts_counters(struct guest *g, const struct m_counters *m, uint64_t now);

/* An engine before this one left the guest so. */
void acts_adopt(struct guest *g);

void acts_guest_down(struct guest *g);
void acts_drop(struct guest *g);
void acts_drop_after(struct guest *g, int64_t seq);

/* Its vCPUs stand still, so its agent cannot answer. */
bool guest_is_stopped(const struct guest *g);

/* What the verb would do holds the guest already; NULL: it does not, or is not sure to. */
const struct hold *acts_hold(const struct guest *g, uint32_t verb);
/* Or is not answered yet. */
bool acts_may_hold(const struct guest *g, uint32_t verb);

/* ---- ladder.c ---- */

/*
 * An order of that rule came to nothing: the rule's fallback begins, unless
 * what holds the guest already is answer enough.  False: the journal does not
 * take it, to be tried again.
 */
bool ladder_begin(struct guest *g, int64_t finding, const char *rule, uint32_t pid,
		  uint64_t start_ns, const char *cause);
void ladder_acted(struct guest *g, uint32_t status);

#endif

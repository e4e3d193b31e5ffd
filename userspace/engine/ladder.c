// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The fallback of a rule: what the host does when an agent's answer came to
 * nothing.  Steps are tried in order; the first that is carried out, all its
 * parts, ends it.  One at a time for each guest.
 */
#include "engine/acts.h"

#include <stdio.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

static int64_t note(struct guest *g, const char *action, const char *format, const char *what)
{
	struct engine *e = g->introspector.engine;
	const struct ladder *l = &g->ladder;
	char text[TEXT_WHY + 64];

	snprintf(text, sizeof(text), format, what);
	engine_flush_soon(e);
	return record_decision(&e->journal, l->finding, l->rule->name, action, text);
}

static bool process_ended(struct guest *g)
{
	const struct task *t = inventory_find_task(&g->inventory, g->ladder.pid,
						   g->ladder.start_ns);

	return t && t->dead;
}

/* The next step's decision and acts.  -1: the journal does not take them. */
static int begin_step(struct guest *g)
{
	struct ladder *l = &g->ladder;
	const struct policy_step *step = &l->rule->fallback[l->step];
	char name[64], text[64];
	int64_t decision;

	policy_step_text(step, name, sizeof(name));
	snprintf(text, sizeof(text), "fallback, step %u of %u: %%s", l->step + 1, l->rule->nfallback);
	decision = note(g, name, text, l->cause);
	if (decision < 0)
		return -1;
	log_warn("guest %llu (%s): %s: %s", (unsigned long long)g->id, g->name, l->cause, name);
	l->pending = step->n;
	l->failed = false;
	for (unsigned i = 0; i < step->n; i++)
		if (acts_make(g, decision, l->finding, step->verb[i], l->rule->expiry_s * 1000ull,
			      ACT_OF_LADDER, 0))
			return -1;
	return 0;
}

static void next_step(struct guest *g)
{
	struct ladder *l = &g->ladder;

	l->on = false;
	if (process_ended(g)) {
		note(g, "report", "%s", "fallback ended: the process is gone meanwhile");
	} else if (++l->step == l->rule->nfallback) {
		note(g, "report", "%s", "fallback ended: no step could be carried out");
		log_err("guest %llu (%s): no step of the fallback of rule %s could be carried out",
			(unsigned long long)g->id, g->name, l->rule->name);
		orders_fallback_failed(g, l->finding, now_mono());
	} else {
		l->on = !begin_step(g);
	}
}

void ladder_acted(struct guest *g, uint32_t status)
{
	struct ladder *l = &g->ladder;

	if (!l->on)
		return;
	l->failed |= status != ACT_DONE;
	if (--l->pending)
		return;
	if (l->failed && status != ACT_NO_GUEST)
		next_step(g);
	else
		l->on = false;
}

static bool is_held(const struct guest *g, const struct policy_step *step)
{
	for (unsigned i = 0; i < step->n; i++)
		if (!acts_hold(g, step->verb[i]))
			return false;
	return true;
}

static const char *held_by(const struct guest *g, const struct policy_entry *rule)
{
	if (g->ladder.on)
		return "one is under way for this guest";
	if (acts_hold(g, HOST_CONTAIN))
		return "the guest is contained already";
	if (acts_hold(g, HOST_PAUSE))
		return "the guest is paused already";
	for (unsigned i = 0; i < rule->nfallback; i++)
		if (is_held(g, &rule->fallback[i]))
			return "what a step of it does holds the guest already";
	return NULL;
}

bool ladder_begin(struct guest *g, int64_t finding, const char *rule_name, uint32_t pid,
		  uint64_t start_ns, const char *cause)
{
	struct engine *e = g->introspector.engine;
	const struct policy_entry *rule = policy_rule(&e->policy, rule_name);
	struct ladder ladder = { .rule = rule, .finding = finding, .pid = pid,
				 .start_ns = start_ns };
	char why[128], text[128];
	const char *held;

	if (!rule || !rule->nfallback || g->down)
		return true;
	held = held_by(g, rule);
	if (held) {
		snprintf(text, sizeof(text), "fallback: %s", held);
		return record_decision(&e->journal, finding, rule->name, "joined", text) > 0;
	}
	if (limits_met(g, rule, ANSWER_HOST, why, sizeof(why))) {
		snprintf(text, sizeof(text), "fallback withheld: %.100s", why);
		return record_decision(&e->journal, finding, rule->name, "report", text) > 0;
	}
	snprintf(ladder.cause, sizeof(ladder.cause), "%s", cause);
	g->ladder = ladder;
	g->ladder.on = !begin_step(g);
	return g->ladder.on;
}

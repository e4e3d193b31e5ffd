// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/limits.h"

#include <stdio.h>

/* True for a second: a thousand processes ask the journal once. */
static bool is_met(struct guest *g, const struct policy_entry *rule, enum answer_kind kind,
		   const struct guest_ref *ref, const struct policy_limit *limit)
{
	struct engine *e = g->introspector.engine;
	uint64_t now = now_mono();
	int64_t n;

	if (!limit->n)
		return false;
	if (g->limit_met[kind] == limit && now - g->limit_checked[kind] < NS_PER_S)
		return true;
	n = record_answers(&e->journal, kind, rule->name, ref, limit->minutes);
	if (n >= 0 && n < limit->n)
		return false;
	g->limit_met[kind] = limit;
	g->limit_checked[kind] = now;
	return true;
}

bool limits_met(struct guest *g, const struct policy_entry *rule, enum answer_kind kind,
		char *why, size_t size)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g), host = { e->boot, 0, 0 };
	const struct policy_limit *met = NULL;

	if (is_met(g, rule, kind, &ref, &rule->limit))
		met = &rule->limit;
	else if (is_met(g, rule, kind, &host, &rule->limit_host))
		met = &rule->limit_host;
	if (!met)
		return false;
	snprintf(why, size, "the rule's limit of %u in %u min%s is met", met->n, met->minutes,
		 met == &rule->limit ? "" : " for the host");
	return true;
}

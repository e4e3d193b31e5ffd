// SPDX-License-Identifier: GPL-2.0-or-later
/* The guard over VMM processes. */
#include "engine/views.h"

const char *guard_mode_name(const struct m_guard_state *s)
{
	static const char *const modes[] = {
		[0] = "off", [GUARD_MODE_OFF] = "off", [GUARD_MODE_FINDING] = "finding",
		[GUARD_MODE_DENY] = "deny",
	};

	return modes[s->mode];
}

const char *guard_state_name(const struct m_guard_state *s)
{
	static const char *const states[] = {
		[0] = "off", [GUARD_IS_OFF] = "off", [GUARD_IS_WHOLE] = "whole",
		[GUARD_IS_DEGRADED] = "degraded",
	};

	return states[s->state];
}

json_t *view_guard(const struct engine *e)
{
	const struct m_guard_state *s = &e->guard;

	return json_pack("{s:s,s:s,s:s,s:I,s:I,s:s,s:s,s:s}", "mode", guard_mode_name(s),
			 "state", guard_state_name(s),
			 "deny", s->state == GUARD_IS_WHOLE ? "available" : "unavailable",
			 "hooks", I(s->hooks), "rules", I(s->rules), "profile", e->config.guard,
			 "missing", s->missing, "why", s->state ? s->why : "the parent has not said");
}

/* null: its VMM is not watched. */
json_t *view_guard_counts(const struct guest *g)
{
	const struct m_guard_counts *c = &g->guard;

	if (!g->is_guarded)
		return json_null();
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "processes", I(c->processes),
			 "unwatched", I(c->unwatched), "violations", I(c->violations),
			 "denied", I(c->denied), "delivered", I(c->delivered),
			 "dropped", I(c->dropped), "suppressed", I(c->suppressed));
}

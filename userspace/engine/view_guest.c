// SPDX-License-Identifier: GPL-2.0-or-later
/* Guests: what they are, what is known of them, and who answers for them. */
#include "engine/views.h"

#include <linux/kvm_warden.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/rest.h"
#include "engine/sessions.h"
#include "lib/util.h"

bool view_guest_id(const char *text, uint64_t *ret_id)
{
	return parse_u64(text + (text[0] == '+'), INT64_MAX, ret_id);
}

struct guest *view_find_named(struct engine *e, const char *name, bool *ret_many)
{
	struct guest *g, *found = NULL;

	*ret_many = false;
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down || !g->name[0] || strcmp(g->name, name))
			continue;
		*ret_many = found != NULL;
		if (found)
			return NULL;
		found = g;
	}
	return found;
}

/* Names are chosen by tenants: one that is another guest's id must not stand for either. */
struct guest *view_find_guest(struct engine *e, const char *text, bool *ret_many)
{
	uint64_t id;
	struct guest *named = view_find_named(e, text, ret_many);
	struct guest *g = view_guest_id(text, &id) ? guest_find(e, id) : NULL;

	if (text[0] == '+')
		*ret_many = false;
	else if (!g)
		return named;
	else if (named && named != g)
		*ret_many = true;
	return *ret_many ? NULL : g;
}

static void count_up(json_t *counts, const char *key)
{
	json_object_set_new(counts, key,
			    json_integer(json_integer_value(json_object_get(counts, key)) + 1));
}

/* Reasons come from roles: so many are told apart, the rest is "other". */
static void count_reason(json_t *reasons, const char *why)
{
	if (!json_object_get(reasons, why) && json_object_size(reasons) >= 32)
		why = "other";
	count_up(reasons, why);
}

static void count_objects(const struct guest *g, json_t *counts, json_t *reasons)
{
	const struct object *o;

	TAILQ_FOREACH(o, &g->inventory.object_ages, by_age) {
		count_up(counts, "known");
		count_up(counts, object_state_name(o->state));
		if (o->state == OBJECT_NOT_SCANNED)
			count_reason(reasons, o->why);
	}
}

static json_t *new_counts(json_t **ret_reasons)
{
	json_t *counts = json_pack("{s:i,s:i,s:i,s:i,s:i,s:{}}", "known", 0, "waiting", 0,
				   "clean", 0, "infected", 0, "not_scanned", 0, "reasons");

	*ret_reasons = json_object_get(counts, "reasons");
	return counts;
}

json_t *view_objects(struct engine *e, struct guest *only)
{
	json_t *reasons, *counts = new_counts(&reasons);
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down && (!only || g == only))
			count_objects(g, counts, reasons);
	return counts;
}

static json_t *capabilities_json(const struct session *s)
{
	json_t *list = json_array();

	for (uint32_t verb = VERB_KILL; verb <= VERB_RESTORE; verb++)
		if (session_can(s, verb))
			json_array_append_new(list, json_string(order_verb_name(verb)));
	return list;
}

static json_t *session_json(const struct session *s)
{
	return json_pack("{s:s,s:s,s:I,s:s,s:s,s:o,s:I}", "agent", s->m.agent, "version",
			 s->m.version, "cid", I(s->m.cid), "state", session_state_name(s),
			 "why", s->why, "capabilities", capabilities_json(s),
			 "since_wall_ns", I(s->since_wall));
}

json_t *view_sessions(const struct engine *e)
{
	json_t *sessions = json_array();

	for (unsigned i = 0; i < e->nsessions; i++)
		json_array_append_new(sessions, session_json(&e->sessions[i]));
	return sessions;
}

static json_t *kernel_json(const struct guest *g)
{
	static const char *const states[] = {
		[0] = "not heard of", [KERNEL_LOOKING] = "looking", [KERNEL_READY] = "ready",
		[KERNEL_UNOBSERVABLE] = "unobservable",
	};
	const struct m_kernel *k = &g->kernel;

	if (g->level == KVM_WARDEN_LEVEL_OFF)
		return json_pack("{s:s,s:s,s:s,s:s,s:I}", "state", "unobservable", "release", "",
				 "banner", "", "why", g->unnamed ? "its name is not known yet" :
				 "its level is off: nobody looks into it",
				 "discovery_us", I(0));
	return json_pack("{s:s,s:s,s:s,s:s,s:I}", "state", states[k->state], "release", k->release,
			 "banner", k->banner, "why", k->why, "discovery_us", I(k->discovery_us));
}

json_t *view_counters(const struct m_counters *c)
{
	json_t *o = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "exits", I(c->exits), "emitted",
			      I(c->emitted), "delivered", I(c->delivered), "dropped", I(c->dropped),
			      "suppressed", I(c->suppressed), "missed", I(c->missed));

	view_set(o, "in_flight", json_integer(counters_in_flight(c)));
	view_set(o, "ring_full", json_integer(c->ring_full));
	view_set(o, "seen_again", json_integer(c->seen_again));
	view_set(o, "mean_lag_us", json_integer(c->lagged ? c->lag_us / c->lagged : 0));
	view_set(o, "vcpus", json_integer(c->vcpus));
	view_set(o, "address_spaces", json_integer(c->address_spaces));
	view_set(o, "flags", json_integer(c->flags));
	return o;
}

static json_t *work_json(const struct guest *g)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "events", I(g->counts.events),
			 "looks", I(g->counts.looks), "looks_coalesced", I(g->looks.coalesced),
			 "looks_overflowed", I(g->looks.overflowed), "sweeps", I(g->counts.sweeps),
			 "findings", I(g->counts.findings),
			 "findings_held", I(g->counts.findings_held),
			 "notes_held", I(g->counts.notes_held),
			 "tasks_evicted", I(g->inventory.evicted_tasks),
			 "objects_evicted", I(g->inventory.evicted_objects),
			 "uses_evicted", I(g->inventory.evicted_uses));
}

static unsigned living(const struct guest *g)
{
	const struct task *t;
	unsigned n = 0;

	TAILQ_FOREACH(t, &g->inventory.task_ages, by_age)
		n += !t->dead && !t->stub;
	return n;
}

static json_t *containment_json(const struct guest *g)
{
	const struct hold *h = &g->holds[HOLD_CONTAIN];
	uint64_t now = now_mono();
	json_t *o;

	if (!h->on)
		return json_null();
	o = json_pack("{s:I,s:s}", "since_wall_ns", I(h->since_wall), "by", h->doer);
	view_set(o, "until_wall_ns", h->until ? json_integer(I(now_wall() + MAX(h->until, now) - now)) :
	    json_null());
	view_set(o, "finding", h->finding ? json_integer(h->finding) : json_null());
	return o;
}

json_t *view_freedom(const struct guest *g)
{
	return json_pack("{s:b,s:b,s:b}", "contained", (int)g->holds[HOLD_CONTAIN].on,
			 "paused", (int)g->holds[HOLD_PAUSE].on,
			 "link_down", (int)g->holds[HOLD_LINK].on);
}

static void set_answers(json_t *o, const struct guest *g)
{
	const struct session *s = session_of_cid(g);
	char why[TEXT_WHY];
	bool agent = strategy_is_agent(g, why, sizeof(why));

	view_set(o, "contained", json_boolean(g->holds[HOLD_CONTAIN].on));
	view_set(o, "containment", containment_json(g));
	view_set(o, "paused", json_boolean(g->holds[HOLD_PAUSE].on));
	view_set(o, "link_down", json_boolean(g->holds[HOLD_LINK].on));
	view_set(o, "session", s ? session_json(s) : json_null());
	view_set(o, "strategy", json_string(agent ? "agent" : "host"));
	view_set(o, "strategy_why", json_string(why));
}

static json_t *checks_json(const struct guest *g)
{
	json_t *checks = json_array();

	for (unsigned i = 0; i < CHECKS; i++) {
		const struct m_checked *c = &g->checks[i].last;

		if (c->status)
			json_array_append_new(checks, json_pack("{s:s,s:s,s:i,s:s,s:s,s:I,s:I}",
				"check", check_name(c->check), "status", check_status_name(c->status),
				"signs", (int)c->signs, "counts", c->counts, "why", c->why,
				"elapsed_us", I(c->elapsed_us), "checked_wall_ns",
				I(g->checks[i].at_wall)));
	}
	return checks;
}

json_t *view_guest(struct engine *e, struct guest *g)
{
	json_t *o = json_pack("{s:I,s:s,s:I,s:I,s:i,s:b,s:b}", "id", I(g->id), "name", g->name,
			      "vmm_pid", I(g->vmm_pid), "since_wall_ns", I(g->since_wall),
			      "tasks", (int)living(g), "introspected", g->introspector.fd >= 0,
			      "agent", session_bound(g) != NULL);

	view_set(o, "cid", g->has_cid ? json_integer(g->cid) : json_null());
	view_set(o, "cid_source", json_string(g->has_cid ? g->cid_source : ""));
	view_set(o, "level", json_string(guest_level_name(g->level)));
	view_set(o, "kernel", kernel_json(g));
	view_set(o, "counters", g->has_counters ? view_counters(&g->counters) : json_null());
	view_set(o, "guard", view_guard_counts(g));
	view_set(o, "work", work_json(g));
	view_set(o, "last_sweep", view_sweep(g));
	view_set(o, "checks", checks_json(g));
	view_set(o, "objects", view_objects(e, g));
	view_set(o, "rest", view_rest(g));
	set_answers(o, g);
	return o;
}

static json_t *guests_json(struct engine *e)
{
	json_t *guests = json_array();
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down)
			json_array_append_new(guests, view_guest(e, g));
	return guests;
}

json_t *view_guests(struct engine *e)
{
	return json_pack("{s:o}", "guests", guests_json(e));
}


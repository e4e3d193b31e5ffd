// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's state and the journal's rows as JSON, for the control API. */
#include "engine/control.h"

#include <string.h>

#include "engine/acts.h"
#include "engine/sessions.h"
#include "lib/util.h"

#define I(x) ((json_int_t)(x))

static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

struct guest *view_find_guest(struct engine *e, const char *text, bool *ret_many)
{
	struct guest *g, *found = NULL;
	uint64_t id;

	*ret_many = false;
	if (parse_u64(text, UINT64_MAX, &id) && (g = guest_find(e, id)))
		return g;
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down || !g->name[0] || strcmp(g->name, text))
			continue;
		*ret_many = found != NULL;
		if (found)
			return NULL;
		found = g;
	}
	return found;
}

/* ---- status ---- */

static json_t *roles_json(const struct engine *e)
{
	json_t *roles = json_array();

	for (unsigned i = 0; i < e->nroles; i++) {
		const struct role *r = &e->roles[i];
		json_t *role = json_pack("{s:s,s:s,s:i,s:s,s:I}", "role", r->name,
			"state", r->state == ROLE_UP ? "up" : "down", "restarts", (int)r->restarts,
			"why", r->why, "since_wall_ns", I(r->since_wall));

		if (r->guest)
			json_object_set_new(role, "guest", json_integer(r->guest));
		json_array_append_new(roles, role);
	}
	return roles;
}

/* Whether events come at once, or sweeps alone find things. */
static json_t *bpf_json(const struct engine *e)
{
	for (unsigned i = 0; i < e->nroles; i++)
		if (!strcmp(e->roles[i].name, "bpf"))
			return json_pack("{s:b,s:s}", "on", e->roles[i].state == ROLE_UP,
					 "how", e->roles[i].why);
	return json_pack("{s:b,s:s}", "on", 0, "how", e->config.bpf ?
			 "the parent has not said" : "switched off in the configuration");
}

static json_t *database_json(const struct engine *e)
{
	const struct m_database *d = &e->database;

	return json_pack("{s:b,s:I,s:s,s:s,s:s}", "ready", (int)d->ready, "signatures",
			 I(d->signatures), "epoch", d->epoch, "engine", d->engine, "why", d->why);
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

static json_t *sessions_json(const struct engine *e)
{
	json_t *sessions = json_array();

	for (unsigned i = 0; i < e->nsessions; i++)
		json_array_append_new(sessions, session_json(&e->sessions[i]));
	return sessions;
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

static const char *const state_names[] = {
	[OBJECT_WAITING] = "waiting", [OBJECT_CLEAN] = "clean",
	[OBJECT_INFECTED] = "infected", [OBJECT_NOT_SCANNED] = "not_scanned",
};

static void count_objects(const struct guest *g, json_t *counts, json_t *reasons)
{
	const struct object *o;

	TAILQ_FOREACH(o, &g->inventory.object_ages, by_age) {
		count_up(counts, "known");
		count_up(counts, state_names[o->state]);
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

static json_t *objects_json(struct engine *e, struct guest *only)
{
	json_t *reasons, *counts = new_counts(&reasons);
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (!g->down && (!only || g == only))
			count_objects(g, counts, reasons);
	return counts;
}

static json_t *scans_json(const struct engine *e)
{
	const struct scans *s = &e->scans;

	return json_pack("{s:I,s:I,s:I,s:i,s:i,s:I}", "verdicts", I(s->verdicts), "cached",
			 I(s->cached), "refused", I(s->refused), "running", (int)s->nrunning,
			 "waiting", (int)(s->jobs - s->nrunning), "bytes", I(s->bytes));
}

/* {"state": n}, with the outcomes apart. */
static json_t *tally(struct engine *e, const char *sql)
{
	json_t *rows = records_query(&e->journal, sql, NULL, 0), *row;
	json_t *counts = json_object();
	size_t i;

	json_array_foreach(rows, i, row)
		json_object_set(counts, json_string_value(json_object_get(row, "what")),
				json_object_get(row, "n"));
	json_decref(rows);
	return counts;
}

static json_int_t count(struct engine *e, const char *sql)
{
	json_t *rows = records_query(&e->journal, sql, NULL, 0);
	json_int_t n = json_integer_value(json_object_get(json_array_get(rows, 0), "n"));

	json_decref(rows);
	return n;
}

static json_t *journal_json(const struct engine *e)
{
	char head[2 * HASH_BYTES + 1];

	hex_encode(head, e->journal.head_hash, HASH_BYTES);
	return json_pack("{s:I,s:s,s:b,s:s}", "rows", I(e->journal.head_seq), "head", head,
			 "writable", !e->journal.failed,
			 "why", e->journal.failed ? e->journal.why : "");
}

/* ---- guests ---- */

static json_t *kernel_json(const struct guest *g)
{
	static const char *const states[] = {
		[0] = "not heard of", [KERNEL_LOOKING] = "looking", [KERNEL_READY] = "ready",
		[KERNEL_UNOBSERVABLE] = "unobservable",
	};
	const struct m_kernel *k = &g->kernel;

	return json_pack("{s:s,s:s,s:s,s:s,s:I}", "state", states[k->state], "release", k->release,
			 "banner", k->banner, "why", k->why, "discovery_us", I(k->discovery_us));
}

static json_t *counters_json(const struct m_counters *c)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "exits", I(c->exits), "emitted",
			 I(c->emitted), "delivered", I(c->delivered), "dropped", I(c->dropped),
			 "suppressed", I(c->suppressed), "missed", I(c->missed),
			 "mean_lag_us", I(c->delivered ? c->lag_us / c->delivered : 0),
			 "vcpus", I(c->vcpus), "flags", I(c->flags));
}

/* Over the guests there are and, since the engine started, were. */
static json_t *totals_json(const struct engine *e)
{
	struct m_counters sum = e->departed;
	const struct guest *g;
	json_t *totals;

	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		counters_add(&sum, &g->counters);
		sum.vcpus += g->counters.vcpus;
	}
	totals = counters_json(&sum);
	json_object_del(totals, "flags");
	set(totals, "guests_departed", json_integer(e->ndeparted));
	return totals;
}

static json_t *work_json(const struct guest *g)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "events", I(g->counts.events),
			 "looks", I(g->counts.looks), "looks_coalesced", I(g->looks.coalesced),
			 "looks_overflowed", I(g->looks.overflowed), "sweeps", I(g->counts.sweeps),
			 "findings", I(g->counts.findings),
			 "findings_held", I(g->counts.findings_held),
			 "notes_held", I(g->counts.notes_held),
			 "tasks_evicted", I(g->inventory.evicted_tasks),
			 "objects_evicted", I(g->inventory.evicted_objects));
}

static json_t *sweep_json(const struct guest *g)
{
	static const char *const names[] = {
		[0] = "none yet", [DONE_COMPLETE] = "complete", [DONE_INCOMPLETE] = "incomplete",
		[DONE_NOT_FOUND] = "not found", [DONE_UNOBSERVABLE] = "unobservable",
	};
	const struct m_done *d = &g->last_sweep;
	json_int_t age = g->sweep_ended ? I((now_mono() - g->sweep_ended) / NS_PER_MS) : -1;

	return json_pack("{s:s,s:i,s:I,s:I,s:s}", "status", names[d->status], "tasks", (int)d->tasks,
			 "elapsed_us", I(d->elapsed_us), "age_ms", age, "why", d->why);
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
	set(o, "until_wall_ns", h->until ? json_integer(I(now_wall() + MAX(h->until, now) - now)) :
	    json_null());
	set(o, "finding", h->finding ? json_integer(h->finding) : json_null());
	return o;
}

static void set_answers(json_t *o, const struct guest *g)
{
	const struct session *s = session_of_cid(g);
	char why[TEXT_WHY];
	bool agent = strategy_is_agent(g, why, sizeof(why));

	set(o, "contained", json_boolean(g->holds[HOLD_CONTAIN].on));
	set(o, "containment", containment_json(g));
	set(o, "paused", json_boolean(g->holds[HOLD_PAUSE].on));
	set(o, "link_down", json_boolean(g->holds[HOLD_LINK].on));
	set(o, "session", s ? session_json(s) : json_null());
	set(o, "strategy", json_string(agent ? "agent" : "host"));
	set(o, "strategy_why", json_string(why));
}

json_t *view_guest(struct engine *e, struct guest *g)
{
	json_t *o = json_pack("{s:I,s:s,s:I,s:I,s:i,s:b,s:b}", "id", I(g->id), "name", g->name,
			      "vmm_pid", I(g->vmm_pid), "since_wall_ns", I(g->since_wall),
			      "tasks", (int)living(g), "introspected", g->introspector.fd >= 0,
			      "agent", session_bound(g) != NULL);

	set(o, "cid", g->has_cid ? json_integer(g->cid) : json_null());
	set(o, "cid_source", json_string(g->cid_source));
	set(o, "kernel", kernel_json(g));
	set(o, "counters", g->has_counters ? counters_json(&g->counters) : json_null());
	set(o, "work", work_json(g));
	set(o, "last_sweep", sweep_json(g));
	set(o, "objects", objects_json(e, g));
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

json_t *view_status(struct engine *e)
{
	json_t *s = json_pack("{s:I,s:I,s:I}", "now_wall_ns", I(now_wall()), "now_mono_ns",
			      I(now_mono()), "started_wall_ns", I(e->started_wall));

	set(s, "roles", roles_json(e));
	set(s, "bpf", bpf_json(e));
	set(s, "database", database_json(e));
	set(s, "guests", guests_json(e));
	set(s, "totals", totals_json(e));
	set(s, "sessions", sessions_json(e));
	set(s, "objects", objects_json(e, NULL));
	set(s, "scans", scans_json(e));
	set(s, "policy", json_pack("{s:s,s:b,s:i,s:i}", "file", e->config.policy, "missing",
				   (int)e->policy.missing, "rules", (int)e->policy.rules,
				   "exemptions", (int)e->policy.exempts));
	set(s, "findings", json_integer(count(e, "SELECT count(*) AS n FROM findings")));
	set(s, "kills_confirmed", json_integer(count(e,
		"SELECT count(*) AS n FROM orders WHERE outcome = 'killed'")));
	set(s, "orders", tally(e, "SELECT state AS what, count(*) AS n FROM orders GROUP BY state"));
	set(s, "outcomes", tally(e, "SELECT CASE outcome WHEN '' THEN 'open' ELSE outcome END"
				 " AS what, count(*) AS n FROM orders GROUP BY outcome"));
	set(s, "acts", tally(e, "SELECT state AS what, count(*) AS n FROM acts GROUP BY state"));
	set(s, "discrepancies", json_integer(count(e,
		"SELECT count(*) AS n FROM events WHERE kind = 'agent lies'")));
	set(s, "journal", journal_json(e));
	return s;
}

/* ---- tasks ---- */

static json_t *flags_json(uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ TASK_KTHREAD, "kthread" }, { TASK_DYING, "dying" },
		{ TASK_EXE_DELETED, "exe_deleted" }, { TASK_EXE_MEMFD, "exe_memfd" },
		{ TASK_EXE_PARTIAL, "exe_partial" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

/* The worst of what it executes: one infected object outweighs a thousand clean. */
static const char *task_verdict(const struct task *t, const char **ret_why)
{
	static const int rank[] = {
		[OBJECT_CLEAN] = 1, [OBJECT_WAITING] = 2, [OBJECT_NOT_SCANNED] = 3,
		[OBJECT_INFECTED] = 4,
	};
	const struct object *worst = NULL;
	const struct use *u;

	TAILQ_FOREACH(u, &t->uses, of_task)
		if (!u->stale && (!worst || rank[u->object->state] > rank[worst->state]))
			worst = u->object;
	*ret_why = worst ? worst->why : "";
	return worst ? state_names[worst->state] : "unknown";
}

static json_t *task_json(const struct task *t)
{
	const char *why, *verdict = task_verdict(t, &why);

	return json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:o,s:s,s:s}", "pid", I(t->pid),
			 "ppid", I(t->ppid), "uid", I(t->uid), "start_ns", I(t->start_ns),
			 "comm", t->comm, "exe", t->exe, "argv", t->argv,
			 "flags", flags_json(t->flags), "verdict", verdict, "why", why);
}

json_t *view_tasks(struct engine *e, struct guest *g)
{
	json_t *tasks = json_array();
	const struct task *t;

	TAILQ_FOREACH(t, &g->inventory.task_ages, by_age)
		if (!t->dead && !t->stub)
			json_array_append_new(tasks, task_json(t));
	return json_pack("{s:I,s:s,s:o,s:o}", "guest", I(g->id), "name", g->name,
			 "sweep", sweep_json(g), "tasks", tasks);
}

/* ---- findings ---- */

#define FINDING_COLUMNS \
	"seq AS id, wall_ns, mono_ns, boot, guest, guest_name, vmm_pid, pid, start_ns, comm," \
	" exe, object_kind, path, gva, signature, content_hash, found_by, t_seen AS t_seen_ns," \
	" t_found AS t_found_ns, (t_found - t_seen) / 1000 AS latency_us, evidence"

static json_t *query_for(struct engine *e, const char *sql, json_int_t id)
{
	const struct journal_value bound[] = { V_INT(id) };
	json_t *rows = records_query(&e->journal, sql, bound, 1);

	return rows ? rows : json_array();
}

static json_t *orders_json(struct engine *e, json_int_t finding, json_int_t t_seen)
{
	json_t *orders, *order;
	size_t i;

	/* Also the order of another finding that names the same process. */
	orders = query_for(e,
		"SELECT o.seq AS id, o.wall_ns, o.mono_ns, o.finding, o.verb, o.pid, o.start_ns,"
		" o.state, o.outcome FROM orders o, findings f WHERE f.seq = ? AND"
		" o.guest = f.guest AND o.boot = f.boot AND o.vmm_pid = f.vmm_pid AND"
		" o.pid = f.pid AND o.start_ns = f.start_ns ORDER BY o.seq", finding);
	json_array_foreach(orders, i, order) {
		json_int_t id = json_integer_value(json_object_get(order, "id"));
		json_t *results = query_for(e,
			"SELECT wall_ns, mono_ns, what, status, elapsed_us, detail FROM results"
			" WHERE order_id = ? ORDER BY seq", id);
		json_t *last = json_array_get(results, json_array_size(results) - 1);

		if (!strcmp(json_string_value(json_object_get(order, "outcome")), "killed"))
			set(order, "killed_after_us", json_integer((json_integer_value(
				json_object_get(last, "mono_ns")) - t_seen) / 1000));
		set(order, "results", results);
	}
	return orders;
}

/* What the host did itself because of this finding. */
static json_t *acts_json(struct engine *e, json_int_t finding)
{
	json_t *acts = query_for(e, "SELECT seq AS id, wall_ns, mono_ns, decision, verb, state"
				 " FROM acts WHERE finding = ? ORDER BY seq", finding), *act;
	size_t i;

	json_array_foreach(acts, i, act)
		set(act, "results", query_for(e,
			"SELECT wall_ns, mono_ns, what, status, elapsed_us, detail FROM results"
			" WHERE order_id = ? ORDER BY seq",
			json_integer_value(json_object_get(act, "id"))));
	return acts;
}

static void complete_finding(struct engine *e, json_t *f)
{
	json_int_t id = json_integer_value(json_object_get(f, "id"));
	json_int_t t_seen = json_integer_value(json_object_get(f, "t_seen_ns"));
	uint64_t gva = json_integer_value(json_object_get(f, "gva"));
	json_t *evidence = json_loads(json_string_value(json_object_get(f, "evidence")), 0, NULL);
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)gva);
	set(f, "gva", json_string(text));
	set(f, "evidence", evidence ? evidence : json_object());
	set(f, "decisions", query_for(e, "SELECT seq AS id, wall_ns, mono_ns, rule, action, note"
				      " FROM decisions WHERE finding = ? ORDER BY seq", id));
	set(f, "orders", orders_json(e, id, t_seen));
	set(f, "acts", acts_json(e, id));
}

/* An id means this boot's guest; a name, all that had it. */
static json_t *select_findings(struct engine *e, const char *guest, uint64_t limit)
{
	uint64_t id = 0;
	bool by_id = guest && parse_u64(guest, INT64_MAX, &id);
	const struct journal_value all[] = { V_INT(limit) };
	const struct journal_value one[] = { V_INT(limit), V_INT(id), V_TEXT(e->boot) };
	const struct journal_value named[] = { V_INT(limit), V_TEXT(guest ? guest : "") };

	if (!guest)
		return records_query(&e->journal, "SELECT " FINDING_COLUMNS
			" FROM findings ORDER BY seq DESC LIMIT ?1", all, ARRAY_SIZE(all));
	if (by_id)
		return records_query(&e->journal, "SELECT " FINDING_COLUMNS " FROM findings"
			" WHERE guest = ?2 AND boot = ?3 ORDER BY seq DESC LIMIT ?1",
			one, ARRAY_SIZE(one));
	return records_query(&e->journal, "SELECT " FINDING_COLUMNS " FROM findings"
		" WHERE guest_name = ?2 ORDER BY seq DESC LIMIT ?1", named, ARRAY_SIZE(named));
}

json_t *view_findings(struct engine *e, const char *guest, uint64_t limit)
{
	json_t *rows = select_findings(e, guest, limit), *f;
	size_t i;

	if (!rows)
		return NULL;
	json_array_foreach(rows, i, f)
		complete_finding(e, f);
	return json_pack("{s:o}", "findings", rows);
}

json_t *view_finding(struct engine *e, uint64_t id)
{
	json_t *rows = query_for(e, "SELECT " FINDING_COLUMNS " FROM findings WHERE seq = ?", I(id));
	json_t *f = json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : json_null();

	json_decref(rows);
	if (!json_is_null(f))
		complete_finding(e, f);
	return f;
}

json_t *view_verified(struct engine *e, const struct journal_verify *v, enum verify_state state)
{
	char head[2 * HASH_BYTES + 1];

	hex_encode(head, v->end_hash, HASH_BYTES);
	return json_pack("{s:b,s:I,s:s,s:s}", "intact", state == VERIFY_INTACT, "rows", I(v->end),
			 "head", head, "why", v->what);
}

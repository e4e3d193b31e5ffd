// SPDX-License-Identifier: GPL-2.0-or-later
/* The daemon's health, in numbers. */
#include "engine/views.h"

#include <string.h>

#include "lib/util.h"

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

/* Whether a guest's vsock CID is what its VMM did, or what its command line says. */
static json_t *cids_json(const struct engine *e)
{
	return json_pack("{s:b,s:s}", "on", (int)e->cids.on, "why", e->cids.on || e->cids.why[0] ?
			 e->cids.why : "the parent has not said");
}

/* Whether guests are seen at all. */
static json_t *module_json(const struct engine *e)
{
	return json_pack("{s:b,s:s}", "attached", (int)e->module.attached, "state", e->module.state[0] ?
			 e->module.state : "the parent has not said");
}

static json_t *database_json(const struct engine *e)
{
	const struct m_database *d = &e->database;

	return json_pack("{s:b,s:I,s:s,s:s,s:s}", "ready", (int)d->ready, "signatures",
			 I(d->signatures), "epoch", d->epoch, "engine", d->engine, "why", d->why);
}

static json_t *scans_json(const struct engine *e)
{
	const struct scans *s = &e->scans;

	return json_pack("{s:I,s:I,s:I,s:i,s:i,s:I}", "verdicts", I(s->verdicts), "cached",
			 I(s->cached), "refused", I(s->refused), "running", (int)s->nrunning,
			 "waiting", (int)(s->jobs + s->rest_jobs - s->nrunning), "bytes",
			 I(s->bytes + s->rest_bytes));
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
	static const char *const reserves[] = {
		[RESERVE_NONE] = "none", [RESERVE_KEPT] = "kept", [RESERVE_RELEASED] = "released",
	};
	char head[2 * HASH_BYTES + 1];

	hex_encode(head, e->journal.head_hash, HASH_BYTES);
	return json_pack("{s:I,s:s,s:b,s:s,s:I,s:s}", "rows", I(e->journal.head_seq), "head", head,
			 "writable", !e->journal.failed, "reserve", reserves[e->journal.reserve],
			 "held", I(e->journal.held),
			 "why", e->journal.failed ? e->journal.why : "");
}

static json_t *totals_json(const struct engine *e)
{
	struct m_counters sum;
	json_t *totals;

	counters_total(e, &sum);
	totals = view_counters(&sum);
	json_object_del(totals, "flags");
	json_object_del(totals, "address_spaces");
	view_set(totals, "guests_departed", json_integer(e->ndeparted));
	return totals;
}

json_t *view_status(struct engine *e)
{
	json_t *guests = view_guests(e);
	json_t *s = json_pack("{s:s,s:I,s:I,s:I}", "version", WARDEN_VERSION, "now_wall_ns",
			      I(now_wall()), "now_mono_ns", I(now_mono()), "started_wall_ns",
			      I(e->started_wall));

	view_set(s, "module", module_json(e));
	view_set(s, "roles", roles_json(e));
	view_set(s, "bpf", bpf_json(e));
	view_set(s, "cids", cids_json(e));
	view_set(s, "guard", view_guard(e));
	view_set(s, "database", database_json(e));
	json_object_update(s, guests);
	view_set(s, "totals", totals_json(e));
	view_set(s, "sessions", view_sessions(e));
	view_set(s, "objects", view_objects(e, NULL));
	view_set(s, "scans", scans_json(e));
	view_set(s, "policy", json_pack("{s:s,s:b,s:i,s:i}", "file", e->config.policy, "missing",
				   (int)e->policy.missing, "rules", (int)e->policy.rules,
				   "exemptions", (int)e->policy.exempts));
	view_set(s, "findings", json_integer(count(e, "SELECT count(*) AS n FROM findings")));
	view_set(s, "kills_confirmed", json_integer(count(e,
		"SELECT count(*) AS n FROM orders WHERE outcome = 'killed'")));
	view_set(s, "orders", tally(e, "SELECT state AS what, count(*) AS n FROM orders GROUP BY state"));
	view_set(s, "outcomes", tally(e, "SELECT CASE outcome WHEN '' THEN 'open' ELSE outcome END"
				 " AS what, count(*) AS n FROM orders GROUP BY outcome"));
	view_set(s, "acts", tally(e, "SELECT state AS what, count(*) AS n FROM acts GROUP BY state"));
	view_set(s, "discrepancies", json_integer(count(e,
		"SELECT count(*) AS n FROM events WHERE kind = 'agent lies'")));
	view_set(s, "integrity", view_integrity(e));
	view_set(s, "journal", journal_json(e));
	json_decref(guests);
	return s;
}


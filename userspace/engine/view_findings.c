// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings, with what followed from each. */
#include "engine/views.h"

#include <string.h>

#include "lib/util.h"

#define FINDING_COLUMNS \
	"seq AS id, wall_ns, mono_ns, boot, guest, guest_name, vmm_pid, pid, start_ns, comm," \
	" exe, object_kind, path, gva, signature, content_hash, found_by, t_seen AS t_seen_ns," \
	" t_found AS t_found_ns, (t_found - t_seen) / 1000 AS latency_us, evidence"

json_t *view_query(struct engine *e, const char *sql, json_int_t id)
{
	const struct journal_value bound[] = { V_INT(id) };
	json_t *rows = records_query(&e->journal, sql, bound, 1);

	return rows ? rows : json_array();
}

json_t *view_results(struct engine *e, json_int_t of)
{
	return view_query(e, "SELECT wall_ns, mono_ns, what, status, elapsed_us, detail"
			  " FROM results WHERE order_id = ? ORDER BY seq", of);
}

static json_t *orders_json(struct engine *e, json_int_t finding, json_int_t t_seen)
{
	json_t *orders, *order;
	size_t i;

	/* Also the order of another finding that names the same process; files have none. */
	orders = view_query(e,
		"SELECT o.seq AS id, o.wall_ns, o.mono_ns, o.finding, o.verb, o.pid, o.start_ns,"
		" coalesce(i.path, '') AS path, o.state, o.outcome FROM findings f, orders o"
		" LEFT JOIN items i ON i.order_id = o.seq WHERE f.seq = ? AND"
		" o.guest = f.guest AND o.boot = f.boot AND o.vmm_pid = f.vmm_pid AND"
		" o.pid = f.pid AND o.start_ns = f.start_ns AND (f.pid OR o.finding = f.seq) ORDER BY o.seq", finding);
	json_array_foreach(orders, i, order) {
		json_int_t id = json_integer_value(json_object_get(order, "id"));
		json_t *results = view_results(e, id);
		json_t *last = json_array_get(results, json_array_size(results) - 1);

		if (!strcmp(json_string_value(json_object_get(order, "outcome")), "killed"))
			view_set(order, "killed_after_us", json_integer((json_integer_value(
				json_object_get(last, "mono_ns")) - t_seen) / 1000));
		view_set(order, "results", results);
	}
	return orders;
}

/* What the host did itself because of this finding. */
static json_t *acts_json(struct engine *e, json_int_t finding)
{
	json_t *acts = view_query(e, "SELECT seq AS id, wall_ns, mono_ns, decision, verb, state"
				 " FROM acts WHERE finding = ? ORDER BY seq", finding), *act;
	size_t i;

	json_array_foreach(acts, i, act)
		view_set(act, "results",
			 view_results(e, json_integer_value(json_object_get(act, "id"))));
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
	view_set(f, "gva", json_string(text));
	view_set(f, "evidence", evidence ? evidence : json_object());
	view_set(f, "decisions", view_query(e, "SELECT seq AS id, wall_ns, mono_ns, rule, action, note"
				      " FROM decisions WHERE finding = ? ORDER BY seq", id));
	view_set(f, "orders", orders_json(e, id, t_seen));
	view_set(f, "acts", acts_json(e, id));
}

/* An id means this boot's guest; a name, all that had it. */
static json_t *select_findings(struct engine *e, const char *guest, uint64_t limit)
{
	uint64_t id = 0;
	bool by_id = guest && view_guest_id(guest, &id);
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
	json_t *rows = view_query(e, "SELECT " FINDING_COLUMNS " FROM findings WHERE seq = ?", I(id));
	json_t *f = json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : json_null();

	json_decref(rows);
	if (!json_is_null(f))
		complete_finding(e, f);
	return f;
}


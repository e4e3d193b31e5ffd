// SPDX-License-Identifier: GPL-2.0-or-later
/* Orders, quarantine, and the journal row by row. */
#include "engine/views.h"

#include <string.h>

#include "lib/util.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* The journal writes 0 where there is none. */
static void null_if_zero(json_t *o, const char *key)
{
	if (!json_integer_value(json_object_get(o, key)))
		view_set(o, key, json_null());
}

json_t *view_order(struct engine *e, uint64_t id)
{
	const struct journal_value which[] = { V_INT(id) };
	json_t *rows = records_query(&e->journal,
		"SELECT o.seq AS \"order\", o.guest, o.finding, o.verb, o.pid,"
		" coalesce(i.path, '') AS path, o.state, o.outcome, o.wall_ns FROM orders o"
		" LEFT JOIN items i ON i.order_id = o.seq WHERE o.seq = ?", which, 1), *o;

	if (!rows)
		return NULL;
	o = json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : json_null();
	json_decref(rows);
	if (json_is_null(o))
		return o;
	null_if_zero(o, "finding");
	view_set(o, "results", view_results(e, I(id)));
	return o;
}

/* ---- quarantine ---- */

#define ITEM_COLUMNS \
	"SELECT i.item, o.guest, i.guest_name, i.path, i.size, i.signature, o.finding," \
	" o.seq AS \"order\", o.state, o.outcome, i.wall_ns," \
	" (SELECT max(p.seq) FROM items r JOIN orders p ON p.seq = r.order_id" \
	"  WHERE r.item = i.item AND p.verb = 'restore') AS restore," \
	" (SELECT detail FROM results WHERE order_id = o.seq AND what != 'probe'" \
	"  ORDER BY seq DESC LIMIT 1) AS why" \
	" FROM items i JOIN orders o ON o.seq = i.order_id WHERE o.verb = 'quarantine'"

/* Its state by the order that put it away. */
static const char *item_state(const json_t *row)
{
	if (!strcmp(text_of(row, "state"), "done"))
		return "quarantined";
	return strcmp(text_of(row, "outcome"), "not done") ? "waiting" : "failed";
}

/* And by the last order to put it back, if there is one. */
static const char *restored_state(json_t *row, const json_t *restore)
{
	json_t *results = json_object_get(restore, "results");
	const json_t *last;
	size_t n = json_array_size(results);

	if (!strcmp(text_of(restore, "state"), "done"))
		return "restored";
	if (strcmp(text_of(restore, "outcome"), "not done"))
		return "restoring";
	last = json_array_get(results, n > 1 ? n - 2 : 0);	/* before the outcome */
	view_set(row, "why", json_sprintf("not restored: %s: %s", text_of(restore, "state"),
					  text_of(last, "detail")));
	return item_state(row);
}

static void complete_item(struct engine *e, json_t *row)
{
	json_int_t id = json_integer_value(json_object_get(row, "restore"));
	json_t *restore = id ? view_order(e, id) : NULL;
	const char *state = item_state(row);

	if (strcmp(state, "failed") && strcmp(state, "waiting"))
		view_set(row, "why", json_string(""));
	if (restore)
		state = restored_state(row, restore);
	view_set(row, "state", json_string(state));
	if (!json_is_string(json_object_get(row, "why")))
		view_set(row, "why", json_string(""));
	null_if_zero(row, "finding");
	json_object_del(row, "outcome");
	json_object_del(row, "restore");
	json_decref(restore);
}

/* An id means this boot's guest; a name, all that had it. */
json_t *view_quarantine(struct engine *e, const char *guest)
{
	uint64_t id = 0;
	bool by_id = guest && view_guest_id(guest, &id);
	const struct journal_value one[] = { V_INT(id), V_TEXT(e->boot) };
	const struct journal_value named[] = { V_TEXT(guest ? guest : "") };
	json_t *rows, *row;
	size_t i;

	if (!guest)
		rows = records_query(&e->journal, ITEM_COLUMNS " ORDER BY o.seq DESC LIMIT 5000",
				     NULL, 0);
	else if (by_id)
		rows = records_query(&e->journal, ITEM_COLUMNS " AND o.guest = ? AND o.boot = ?"
				     " ORDER BY o.seq DESC LIMIT 5000", one, ARRAY_SIZE(one));
	else
		rows = records_query(&e->journal, ITEM_COLUMNS " AND i.guest_name = ?"
				     " ORDER BY o.seq DESC LIMIT 5000", named, ARRAY_SIZE(named));
	json_array_foreach(rows, i, row)
		complete_item(e, row);
	return rows ? json_pack("{s:o}", "items", rows) : NULL;
}

/* ---- rows ---- */

static json_t *rows_of(struct engine *e, enum journal_table table, uint64_t after, uint64_t limit)
{
	const struct journal_value bounds[] = {
		V_INT(after), V_INT(e->journal.durable_seq), V_INT(limit),
	};
	char sql[192];

	snprintf(sql, sizeof(sql), "SELECT *, '%s' AS \"table\" FROM %s WHERE seq > ? AND seq <= ?"
		 " ORDER BY seq LIMIT ?", journal_layouts[table].name, journal_layouts[table].name);
	return records_query(&e->journal, sql, bounds, ARRAY_SIZE(bounds));
}

static json_int_t seq_at(json_t *const rows[JOURNAL_TABLES], const size_t at[JOURNAL_TABLES], int t)
{
	const json_t *row = json_array_get(rows[t], at[t]);

	return row ? json_integer_value(json_object_get(row, "seq")) : INT64_MAX;
}

/* One chain again, of all tables' rows. */
static json_t *merge(json_t *const rows[JOURNAL_TABLES], uint64_t limit)
{
	size_t at[JOURNAL_TABLES] = { 0 };
	json_t *merged = json_array();

	while (json_array_size(merged) < limit) {
		int first = 0;

		for (int t = 1; t < JOURNAL_TABLES; t++)
			if (seq_at(rows, at, t) < seq_at(rows, at, first))
				first = t;
		if (seq_at(rows, at, first) == INT64_MAX)
			break;
		json_array_append(merged, json_array_get(rows[first], at[first]++));
	}
	return merged;
}

json_t *view_journal(struct engine *e, uint64_t after, uint64_t limit)
{
	json_t *rows[JOURNAL_TABLES], *merged = NULL;
	char head[2 * HASH_BYTES + 1];
	bool all = true;

	for (int t = 0; t < JOURNAL_TABLES; t++) {
		rows[t] = rows_of(e, t, after, limit);
		all = all && rows[t];
	}
	if (all)
		merged = merge(rows, limit);
	for (int t = 0; t < JOURNAL_TABLES; t++)
		json_decref(rows[t]);
	hex_encode(head, e->journal.durable_hash, HASH_BYTES);
	return merged ? json_pack("{s:o,s:s,s:I}", "rows", merged, "head", head,
				  "last", I(e->journal.durable_seq)) : NULL;
}

json_t *view_verified(const struct journal_verify *v, enum verify_state state)
{
	char head[2 * HASH_BYTES + 1];

	hex_encode(head, v->end_hash, HASH_BYTES);
	return json_pack("{s:b,s:I,s:s,s:s}", "intact", state == VERIFY_INTACT, "rows", I(v->end),
			 "head", head, "why", v->what);
}

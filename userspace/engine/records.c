// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/records.h"

#include <string.h>

#include "engine/clock.h"
#include "lib/crypto.h"
#include "lib/util.h"

/* Sorted keys: the text is hashed into the chain and compared by people. */
static char *json_text(json_t *json)
{
	return json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

int64_t record_event(struct journal *j, const char *kind, uint64_t guest,
		     uint32_t vmm_pid, uint32_t pid, json_t *detail)
{
	autofree char *text = json_text(detail);
	const char *shown = text ? text : "{}";
	const struct journal_value row[] = {
		V_TEXT(kind), V_INT(guest), V_INT(vmm_pid), V_INT(pid), V_TEXT(shown),
	};

	json_decref(detail);
	return journal_append(j, JOURNAL_EVENTS, row, ARRAY_SIZE(row));
}

/* One finding for each guest, process, signature and piece of code. */
static void finding_key(uint8_t out[HASH_BYTES], const struct finding_record *f)
{
	static const uint8_t zero[HASH_BYTES];
	const struct journal_value parts[] = {
		V_TEXT(f->ref.boot), V_INT(f->ref.guest), V_INT(f->ref.vmm_pid),
		V_INT(f->pid), V_INT(f->start_ns), V_TEXT(f->signature),
		V_TEXT(f->object_kind), V_TEXT(f->path),
	};

	journal_row_hash(out, zero, "finding", parts, ARRAY_SIZE(parts));
}

static int64_t first_number(struct journal *j, const char *sql,
			    const struct journal_value *values, size_t n)
{
	sqlite3_stmt *stmt = journal_prepare(j, sql);
	int64_t number = -1;
	int r;

	if (!stmt)
		return -1;
	journal_bind(stmt, values, n);
	r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	else if (r == SQLITE_DONE)
		number = 0;
	sqlite3_finalize(stmt);
	return number;
}

int64_t record_finding(struct journal *j, const struct finding_record *f, bool *ret_known)
{
	uint8_t key[HASH_BYTES];
	const struct journal_value by_key[] = { V_BLOB(key, sizeof(key)) };
	autofree char *text = json_text(f->evidence);
	const char *evidence = text ? text : "{}";
	int64_t seq;

	finding_key(key, f);
	seq = first_number(j, "SELECT seq FROM findings WHERE key = ?", by_key, 1);
	*ret_known = seq > 0;
	if (seq)
		return seq;

	const struct journal_value row[] = {
		V_BLOB(key, sizeof(key)), V_TEXT(f->ref.boot), V_INT(f->ref.guest),
		V_INT(f->ref.vmm_pid), V_TEXT(f->guest_name), V_INT(f->pid),
		V_INT(f->start_ns), V_TEXT(f->comm), V_TEXT(f->exe),
		V_TEXT(f->object_kind), V_TEXT(f->path), V_INT(f->gva),
		V_TEXT(f->signature), V_BLOB(f->content_hash, HASH_BYTES),
		V_TEXT(f->found_by), V_INT(f->t_seen), V_INT(f->t_found),
		V_TEXT(evidence),
	};

	return journal_append(j, JOURNAL_FINDINGS, row, ARRAY_SIZE(row));
}

int64_t record_decision(struct journal *j, int64_t finding, const char *rule,
			const char *action, const char *note)
{
	const struct journal_value row[] = {
		V_INT(finding), V_TEXT(rule), V_TEXT(action), V_TEXT(note),
	};

	return journal_append(j, JOURNAL_DECISIONS, row, ARRAY_SIZE(row));
}

int64_t record_order(struct journal *j, int64_t decision, int64_t finding,
		     const struct guest_ref *ref, const struct m_order *order)
{
	const struct journal_value row[] = {
		V_INT(decision), V_INT(finding), V_TEXT(ref->boot), V_INT(ref->guest),
		V_INT(ref->vmm_pid), V_TEXT("kill"), V_INT(order->pid),
		V_INT(order->start_ns), V_BLOB(order->exe_hash, HASH_BYTES),
		V_BLOB(order->exe_ranges.range, order->exe_ranges.len),
	};

	return journal_append(j, JOURNAL_ORDERS, row, ARRAY_SIZE(row));
}

int record_result(struct journal *j, int64_t order, const char *what,
		  const char *status, uint64_t elapsed_us, const char *detail)
{
	const struct journal_value row[] = {
		V_INT(order), V_TEXT(what), V_TEXT(status), V_INT(elapsed_us), V_TEXT(detail),
	};
	const struct journal_value update[] = { V_TEXT(status), V_INT(order) };

	if (journal_append(j, JOURNAL_RESULTS, row, ARRAY_SIZE(row)) < 0)
		return -1;
	return journal_execute(j, strcmp(what, "probe") ?
			       "UPDATE orders SET state = ? WHERE seq = ?" :
			       "UPDATE orders SET outcome = ? WHERE seq = ?",
			       update, ARRAY_SIZE(update));
}

int64_t record_find_death(struct journal *j, const struct guest_ref *ref,
			  uint32_t pid, uint64_t start_ns)
{
	const struct journal_value target[] = {
		V_INT(ref->guest), V_INT(pid), V_INT(start_ns), V_TEXT(ref->boot),
		V_INT(ref->vmm_pid),
	};

	return first_number(j, "SELECT seq FROM orders WHERE guest = ? AND pid = ? AND"
			    " start_ns = ? AND boot = ? AND vmm_pid = ? AND"
			    " outcome IN ('killed', 'gone')",
			    target, ARRAY_SIZE(target));
}

/* By the monotonic clock, which nobody sets back, and so by the boot. */
int64_t record_kills(struct journal *j, const char *rule, const struct guest_ref *ref,
		     uint32_t minutes)
{
	const struct journal_value which[] = {
		V_TEXT(rule), V_INT(now_mono() - minutes * 60ull * NS_PER_S), V_TEXT(ref->boot),
		V_INT(ref->guest), V_INT(ref->vmm_pid),
	};

	return first_number(j, ref->guest ?
		"SELECT count(*) FROM decisions AS d JOIN findings AS f ON f.seq = d.finding"
		" WHERE d.rule = ? AND d.action = 'kill' AND d.mono_ns > ? AND f.boot = ? AND"
		" f.guest = ? AND f.vmm_pid = ?" :
		"SELECT count(*) FROM decisions AS d JOIN findings AS f ON f.seq = d.finding"
		" WHERE d.rule = ? AND d.action = 'kill' AND d.mono_ns > ? AND f.boot = ?",
		which, ref->guest ? ARRAY_SIZE(which) : 3);
}

struct restart_list {
	int64_t seq[256];
	unsigned n;
};

static int list_orders(struct journal *j, const char *sql, struct restart_list *list)
{
	sqlite3_stmt *stmt = journal_prepare(j, sql);

	list->n = 0;
	if (!stmt)
		return -1;
	while (list->n < ARRAY_SIZE(list->seq) && sqlite3_step(stmt) == SQLITE_ROW)
		list->seq[list->n++] = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

static int mark_all(struct journal *j, const char *sql, const char *what,
		    const char *status, const char *detail)
{
	struct restart_list list;
	int total = 0;

	do {
		if (list_orders(j, sql, &list))
			return -1;
		for (unsigned i = 0; i < list.n; i++)
			if (record_result(j, list.seq[i], what, status, 0, detail))
				return -1;
		total += list.n;
	} while (list.n);
	return total;
}

int record_restart(struct journal *j)
{
	int unsent = mark_all(j, "SELECT seq FROM orders WHERE state = 'queued' LIMIT 256",
			      "restart", "undeliverable", "the engine ended before it was sent");
	int unknown = mark_all(j, "SELECT seq FROM orders WHERE state = 'sent' LIMIT 256",
			       "restart", "unknown after restart",
			       "sent, and the engine ended before an answer; not sent again");

	if (unsent < 0 || unknown < 0 || journal_commit(j))
		return -1;
	return unsent + unknown;
}

static void fill_open_order(struct open_order *o, sqlite3_stmt *stmt)
{
	size_t len;

	memset(o, 0, sizeof(*o));
	o->seq = sqlite3_column_int64(stmt, 0);
	o->order.verb = VERB_KILL;
	o->order.pid = sqlite3_column_int64(stmt, 1);
	o->order.start_ns = sqlite3_column_int64(stmt, 2);
	len = MIN((size_t)sqlite3_column_bytes(stmt, 3), sizeof(o->order.exe_hash));
	if (len)
		memcpy(o->order.exe_hash, sqlite3_column_blob(stmt, 3), len);
	len = MIN((size_t)sqlite3_column_bytes(stmt, 4), sizeof(o->order.exe_ranges.range));
	o->order.exe_ranges.len = len;
	if (len)
		memcpy(o->order.exe_ranges.range, sqlite3_column_blob(stmt, 4), len);
	snprintf(o->state, sizeof(o->state), "%s", (const char *)sqlite3_column_text(stmt, 5));
	snprintf(o->outcome, sizeof(o->outcome), "%s", (const char *)sqlite3_column_text(stmt, 6));
	o->retried = sqlite3_column_int(stmt, 7);
}

int record_open_orders(struct journal *j, const struct guest_ref *ref,
		       void (*each)(void *user, const struct open_order *order), void *user)
{
	const struct journal_value which[] = {
		V_INT(ref->guest), V_TEXT(ref->boot), V_INT(ref->vmm_pid),
	};
	sqlite3_stmt *stmt = journal_prepare(j,
		"SELECT seq, pid, start_ns, exe_hash, exe_ranges, state, outcome,"
		" EXISTS (SELECT 1 FROM results WHERE order_id = orders.seq AND what = 'retry')"
		" FROM orders"
		" WHERE guest = ? AND boot = ? AND vmm_pid = ? AND"
		" outcome IN ('', 'running', 'unconfirmed') ORDER BY seq LIMIT 1024");
	struct open_order o;
	int n = 0;

	if (!stmt)
		return -1;
	journal_bind(stmt, which, ARRAY_SIZE(which));
	for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
		fill_open_order(&o, stmt);
		each(user, &o);
	}
	sqlite3_finalize(stmt);
	return n;
}

static json_t *cell(sqlite3_stmt *stmt, int i)
{
	const void *bytes;
	size_t len;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		return json_integer(sqlite3_column_int64(stmt, i));
	case SQLITE_TEXT:
		return json_string((const char *)sqlite3_column_text(stmt, i));
	case SQLITE_BLOB:
		bytes = sqlite3_column_blob(stmt, i);
		len = sqlite3_column_bytes(stmt, i);
		{
			autofree char *hex = malloc(2 * len + 1);

			if (!hex)
				return json_null();
			hex_encode(hex, bytes, len);
			return json_string(hex);
		}
	default:
		return json_null();
	}
}

static json_t *row_object(sqlite3_stmt *stmt)
{
	json_t *row = json_object();

	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		json_object_set_new(row, sqlite3_column_name(stmt, i), cell(stmt, i));
	return row;
}

json_t *records_query(struct journal *j, const char *sql,
		      const struct journal_value *values, size_t n)
{
	sqlite3_stmt *stmt = journal_prepare(j, sql);
	json_t *rows;
	int r;

	if (!stmt)
		return NULL;
	journal_bind(stmt, values, n);
	rows = json_array();
	while ((r = sqlite3_step(stmt)) == SQLITE_ROW)
		json_array_append_new(rows, row_object(stmt));
	sqlite3_finalize(stmt);
	if (r == SQLITE_DONE)
		return rows;
	json_decref(rows);
	return NULL;
}

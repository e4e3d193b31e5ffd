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

/* What is written also while the journal lives on its reserve. */
static bool is_vital(const char *kind)
{
	static const char *const kinds[] = {
		"operator", "content", "agent lies", "session refused", "containment found",
		"containment ended", "engine up", "engine down", "journal reserve released",
		"journal reserve kept",
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i], kind))
			return true;
	return false;
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
	if (j->reserve == RESERVE_RELEASED && !is_vital(kind)) {
		j->held++;
		return 0;
	}
	return journal_append(j, JOURNAL_EVENTS, row, ARRAY_SIZE(row));
}

void record_finding_key(uint8_t out[HASH_BYTES], const struct finding_record *f)
{
	static const uint8_t zero[HASH_BYTES];
	const struct journal_value parts[] = {
		V_TEXT(f->ref.boot), V_INT(f->ref.guest), V_INT(f->ref.vmm_pid),
		V_INT(f->pid), V_INT(f->start_ns), V_TEXT(f->signature),
		V_TEXT(f->object_kind), V_TEXT(f->path), V_INT(f->inode), V_INT(f->generation),
	};
	/* The keys of all others are as they were. */
	const size_t n = ARRAY_SIZE(parts) - (f->inode ? 0 : 2);

	journal_row_hash(out, zero, "finding", parts, n);
}

int64_t records_number(struct journal *j, const char *sql,
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

static int64_t find_by_key(struct journal *j, const uint8_t key[HASH_BYTES])
{
	const struct journal_value by_key[] = { V_BLOB(key, HASH_BYTES) };

	return records_number(j, "SELECT seq FROM findings WHERE key = ?", by_key, 1);
}

int64_t record_known_finding(struct journal *j, const struct finding_record *f)
{
	uint8_t key[HASH_BYTES];

	record_finding_key(key, f);
	return find_by_key(j, key);
}

int64_t record_finding(struct journal *j, const struct finding_record *f, bool *ret_known)
{
	uint8_t key[HASH_BYTES];
	autofree char *text = json_text(f->evidence);
	const char *evidence = text ? text : "{}";
	int64_t seq;

	record_finding_key(key, f);
	seq = find_by_key(j, key);
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
		V_INT(ref->vmm_pid), V_TEXT(order_verb_name(order->verb)), V_INT(order->pid),
		V_INT(order->start_ns), V_BLOB(order->exe_hash, HASH_BYTES),
		V_BLOB(order->exe_ranges.range, order->exe_ranges.len),
	};

	return journal_append(j, JOURNAL_ORDERS, row, ARRAY_SIZE(row));
}

static int append_result(struct journal *j, int64_t of, const char *what, const char *status,
			 uint64_t elapsed_us, const char *detail, const char *update)
{
	const struct journal_value row[] = {
		V_INT(of), V_TEXT(what), V_TEXT(status), V_INT(elapsed_us), V_TEXT(detail),
	};
	const struct journal_value state[] = { V_TEXT(status), V_INT(of) };

	if (journal_append(j, JOURNAL_RESULTS, row, ARRAY_SIZE(row)) < 0)
		return -1;
	return journal_execute(j, update, state, ARRAY_SIZE(state));
}

int record_result(struct journal *j, int64_t order, const char *what,
		  const char *status, uint64_t elapsed_us, const char *detail)
{
	return append_result(j, order, what, status, elapsed_us, detail,
			     strcmp(what, "probe") ? "UPDATE orders SET state = ? WHERE seq = ?" :
			     "UPDATE orders SET outcome = ? WHERE seq = ?");
}

int64_t record_item(struct journal *j, int64_t order, const struct m_order *m,
		    const char *guest_name, const char *signature)
{
	const struct journal_value row[] = {
		V_INT(order), V_BLOB(m->item, ITEM_BYTES), V_TEXT(guest_name), V_TEXT(m->path),
		V_INT(m->size), V_TEXT(signature),
	};

	return journal_append(j, JOURNAL_ITEMS, row, ARRAY_SIZE(row));
}

int64_t record_act(struct journal *j, int64_t decision, int64_t finding,
		   const struct guest_ref *ref, const struct m_act *act, const char *doer)
{
	const struct journal_value row[] = {
		V_INT(decision), V_INT(finding), V_TEXT(ref->boot), V_INT(ref->guest),
		V_INT(ref->vmm_pid), V_TEXT(host_verb_name(act->verb)), V_INT(act->expiry_ms),
		V_TEXT(doer),
	};

	return journal_append(j, JOURNAL_ACTS, row, ARRAY_SIZE(row));
}

int record_acted(struct journal *j, int64_t act, const char *what, const char *status,
		 uint64_t elapsed_us, const char *detail)
{
	return append_result(j, act, what, status, elapsed_us, detail,
			     "UPDATE acts SET state = ? WHERE seq = ?");
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

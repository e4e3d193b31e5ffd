// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/journal.h"

#include <stdio.h>
#include <string.h>

#include "lib/crypto.h"
#include "lib/util.h"

#define MAX_COLUMNS 24

static enum verify_state broken(struct journal_verify *v, const char *what, int64_t seq)
{
	snprintf(v->what, sizeof(v->what), "row %lld: %s", (long long)seq, what);
	return VERIFY_BROKEN;
}

static int genesis(struct journal_verify *v)
{
	sqlite3_stmt *stmt = journal_prepare(v->j, "SELECT journal FROM head");
	int r = -1;

	if (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
		hash_content(v->hash, sqlite3_column_blob(stmt, 0), sqlite3_column_bytes(stmt, 0));
		r = 0;
	}
	sqlite3_finalize(stmt);
	return r;
}

int journal_verify_begin(struct journal_verify *v, struct journal *j)
{
	char sql[128];

	memset(v, 0, sizeof(*v));
	v->j = j;
	v->end = j->head_seq;
	memcpy(v->end_hash, j->head_hash, HASH_BYTES);
	for (int t = 0; t < JOURNAL_TABLES; t++) {
		snprintf(sql, sizeof(sql), "SELECT * FROM %s WHERE seq > ? AND seq <= ? ORDER BY seq",
			 journal_layouts[t].name);
		v->select[t] = journal_prepare(j, sql);
		if (!v->select[t])
			return -1;
	}
	return genesis(v);
}

void journal_verify_end(struct journal_verify *v)
{
	for (int t = 0; t < JOURNAL_TABLES; t++)
		sqlite3_finalize(v->select[t]);
	memset(v->select, 0, sizeof(v->select));
}

static struct journal_value column(sqlite3_stmt *stmt, int i)
{
	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		return V_INT(sqlite3_column_int64(stmt, i));
	case SQLITE_TEXT:
		return (struct journal_value){ VALUE_TEXT, 0, sqlite3_column_text(stmt, i),
					       sqlite3_column_bytes(stmt, i) };
	default:
		/* A null or a float is never written: its hash will not fit. */
		return (struct journal_value){ VALUE_BLOB, 0, sqlite3_column_blob(stmt, i),
					       sqlite3_column_bytes(stmt, i) };
	}
}

static enum verify_state check_row(struct journal_verify *v, enum journal_table t)
{
	const struct journal_layout *l = &journal_layouts[t];
	sqlite3_stmt *stmt = v->select[t];
	struct journal_value row[MAX_COLUMNS];
	unsigned n = l->ncolumns + 3;

	for (unsigned i = 0; i < n; i++)
		row[i] = column(stmt, i);
	journal_row_hash(v->hash, v->hash, l->name, row, n);
	v->at++;
	if (sqlite3_column_bytes(stmt, n) != HASH_BYTES ||
	    memcmp(sqlite3_column_blob(stmt, n), v->hash, HASH_BYTES)) {
		char what[64];

		snprintf(what, sizeof(what), "in %s was changed, or moved here", l->name);
		return broken(v, what, v->at);
	}
	return VERIFY_MORE;
}

/* The tables that have a row for the number after v->at; the first in *ret_table. */
static unsigned holders(struct journal_verify *v, const bool has[JOURNAL_TABLES],
			enum journal_table *ret_table)
{
	unsigned n = 0;

	for (int t = 0; t < JOURNAL_TABLES; t++)
		if (has[t] && sqlite3_column_int64(v->select[t], 0) == v->at + 1 && !n++)
			*ret_table = t;
	return n;
}

/* A merge of all tables by number, from v->at to end. */
static enum verify_state check_range(struct journal_verify *v, int64_t end)
{
	enum verify_state state = VERIFY_MORE;
	enum journal_table table = 0;
	bool has[JOURNAL_TABLES];

	for (int t = 0; t < JOURNAL_TABLES; t++) {
		sqlite3_bind_int64(v->select[t], 1, v->at);
		sqlite3_bind_int64(v->select[t], 2, end);
		has[t] = sqlite3_step(v->select[t]) == SQLITE_ROW;
	}
	while (v->at < end && state == VERIFY_MORE) {
		switch (holders(v, has, &table)) {
		case 0:
			state = broken(v, "is missing", v->at + 1);
			break;
		case 1:
			state = check_row(v, table);
			has[table] = sqlite3_step(v->select[table]) == SQLITE_ROW;
			break;
		default:
			state = broken(v, "is in two tables", v->at + 1);
		}
	}
	for (int t = 0; t < JOURNAL_TABLES; t++)
		sqlite3_reset(v->select[t]);
	return state;
}

static int64_t number(struct journal *j, const char *sql, int64_t bound)
{
	sqlite3_stmt *stmt = journal_prepare(j, sql);
	int64_t value = -1;

	if (!stmt)
		return value;
	sqlite3_bind_int64(stmt, 1, bound);
	value = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return value;
}

/* Rows outside 1..head: the chain does not cover them. */
static enum verify_state check_strays(struct journal_verify *v)
{
	char sql[128];

	for (int t = 0; t < JOURNAL_TABLES; t++) {
		int64_t seq;

		snprintf(sql, sizeof(sql), "SELECT seq FROM %s WHERE seq < 1 OR seq > ? LIMIT 1",
			 journal_layouts[t].name);
		seq = number(v->j, sql, v->j->head_seq);
		if (seq)
			return broken(v, "is beyond the journal's head", seq);
	}
	return VERIFY_INTACT;
}

/* What stands beside the chain is what the last results in it say. */
static enum verify_state check_states(struct journal_verify *v)
{
	static const struct {
		const char *what, *sql;
	} checks[] = {
		{ "this order's state is not what its results say",
		  "SELECT seq FROM orders o WHERE seq <= ? AND state IS NOT coalesce((SELECT status"
		  " FROM results WHERE order_id = o.seq AND what != 'probe' ORDER BY seq DESC LIMIT 1),"
		  " 'queued') LIMIT 1" },
		{ "this order's outcome is not what its results say",
		  "SELECT seq FROM orders o WHERE seq <= ? AND outcome IS NOT coalesce((SELECT status"
		  " FROM results WHERE order_id = o.seq AND what = 'probe' ORDER BY seq DESC LIMIT 1),"
		  " '') LIMIT 1" },
		{ "this act's state is not what its results say",
		  "SELECT seq FROM acts a WHERE seq <= ? AND state IS NOT coalesce((SELECT status"
		  " FROM results WHERE order_id = a.seq ORDER BY seq DESC LIMIT 1), 'queued') LIMIT 1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		int64_t seq = number(v->j, checks[i].sql, v->j->head_seq);

		if (seq)
			return broken(v, checks[i].what, seq);
	}
	return check_strays(v);
}

enum verify_state journal_verify_step(struct journal_verify *v, unsigned rows)
{
	enum verify_state state = check_range(v, MIN(v->end, v->at + rows));

	if (state != VERIFY_MORE || v->at < v->end)
		return state;
	if (memcmp(v->hash, v->end_hash, HASH_BYTES))
		return broken(v, "is not the head that was recorded", v->end);
	return check_states(v);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal: SQLite (WAL), one chain over all its tables.
 *
 * Every row has a number (seq) that is unique over all tables and counts from
 * 1 without gaps, and a hash: BLAKE2b-256 over the hash of the row before it,
 * the table's name and every column before `hash`.  A row changed, removed or
 * moved breaks the chain at its place.  Columns after `hash` only repeat what
 * chained rows say (an order's state) and are compared with those.
 *
 * The chain has no key: who can write the file can make a whole new chain.
 * Its head (`wardenctl status`, and the log) is what to keep elsewhere.
 *
 * Appends gather in one transaction until journal_commit.
 */
#ifndef WARDEN_ENGINE_JOURNAL_H
#define WARDEN_ENGINE_JOURNAL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"

enum journal_table {
	JOURNAL_EVENTS, JOURNAL_FINDINGS, JOURNAL_DECISIONS, JOURNAL_ORDERS,
	JOURNAL_RESULTS, JOURNAL_ACTS, JOURNAL_ITEMS, JOURNAL_TABLES
};

struct journal_value {
	enum { VALUE_INT, VALUE_TEXT, VALUE_BLOB } kind;
	int64_t number;
	const void *bytes;
	size_t len;
};

#define V_INT(x) ((struct journal_value){ VALUE_INT, (int64_t)(x), NULL, 0 })
#define V_TEXT(s) ((struct journal_value){ VALUE_TEXT, 0, (s), strlen(s) })
#define V_BLOB(p, n) ((struct journal_value){ VALUE_BLOB, 0, (p), (n) })

/*
 * Room on the disk that is kept for decisions: given away when the disk is
 * full, and kept anew when there is room.
 */
enum journal_reserve { RESERVE_NONE, RESERVE_KEPT, RESERVE_RELEASED };

struct journal {
	sqlite3 *db;
	enum journal_reserve reserve;
	uint64_t held;			/* events left out since it was released */
	bool full;			/* the last failure was of room */
	sqlite3_stmt *insert[JOURNAL_TABLES];
	int64_t head_seq;
	uint8_t head_hash[HASH_BYTES];
	int64_t durable_seq;		/* the head as of the last commit */
	uint8_t durable_hash[HASH_BYTES];
	bool dirty;			/* a transaction is open */
	bool failed;			/* the last write failed */
	int error;			/* of SQLite: the first since it was opened */
	char why[TEXT_WHY];		/* the last failure */
};

/*
 * 0, or -1 and a line in the log.  Then db is NULL, error and why say what was
 * wrong, the files are as they were, and every write fails.
 */
int journal_open(struct journal *j, const char *path);

/* It was not opened because it is no journal; any other failure may pass. */
bool journal_is_foreign(const struct journal *j);
void journal_close(struct journal *j);

/*
 * The table's columns but seq, wall_ns, mono_ns (set here) and those from
 * `hash` on.  The row's seq, or -1 and a line in the log.
 */
int64_t journal_append(struct journal *j, enum journal_table table,
		       const struct journal_value *values, size_t n);

/* All that was appended is on the disk.  0 or -1. */
int journal_commit(struct journal *j);

/* A prepared statement, or NULL and a line in the log. */
sqlite3_stmt *journal_prepare(struct journal *j, const char *sql);

/* An INSERT or UPDATE of what is not chained.  0 or -1. */
int journal_execute(struct journal *j, const char *sql,
		    const struct journal_value *values, size_t n);

void journal_bind(sqlite3_stmt *stmt, const struct journal_value *values, size_t n);

/* ---- verification, in steps so that the engine goes on meanwhile ---- */

struct journal_verify {
	struct journal *j;
	sqlite3_stmt *select[JOURNAL_TABLES];
	int64_t at, end;
	uint8_t hash[HASH_BYTES], end_hash[HASH_BYTES];
	char what[TEXT_WHY];		/* why it is broken */
};

enum verify_state { VERIFY_MORE, VERIFY_INTACT, VERIFY_BROKEN };

int journal_verify_begin(struct journal_verify *v, struct journal *j);
enum verify_state journal_verify_step(struct journal_verify *v, unsigned rows);
void journal_verify_end(struct journal_verify *v);

/* ---- journal_reserve.c ---- */

/* At start, and again from time to time while there is none. */
void journal_keep_reserve(struct journal *j, const char *path);

/* True if there was one: what failed for want of room can be tried again. */
bool journal_release_reserve(struct journal *j, const char *path);

/* Shared with journal_verify.c. */
struct journal_layout {
	const char *name;
	const char *columns;		/* between mono_ns and hash, with types */
	const char *rest;		/* after hash */
	unsigned ncolumns;
};

extern const struct journal_layout journal_layouts[JOURNAL_TABLES];

void journal_row_hash(uint8_t out[HASH_BYTES], const uint8_t prev[HASH_BYTES],
		      const char *table, const struct journal_value *values, size_t n);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/clock.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

#define MAX_COLUMNS 24

/*
 * Format 1.  A change of columns is a new format; a table more is not: a journal
 * of before gets it empty.  A result's order_id may be an act's.
 */
const struct journal_layout journal_layouts[JOURNAL_TABLES] = {
	[JOURNAL_EVENTS] = { "events",
		"kind TEXT, guest INTEGER, vmm_pid INTEGER, pid INTEGER, detail TEXT", "", 5 },
	[JOURNAL_FINDINGS] = { "findings",
		"key BLOB, boot TEXT, guest INTEGER, vmm_pid INTEGER, guest_name TEXT, "
		"pid INTEGER, start_ns INTEGER, comm TEXT, exe TEXT, object_kind TEXT, "
		"path TEXT, gva INTEGER, signature TEXT, content_hash BLOB, found_by TEXT, "
		"t_seen INTEGER, t_found INTEGER, evidence TEXT", "", 18 },
	[JOURNAL_DECISIONS] = { "decisions",
		"finding INTEGER, rule TEXT, action TEXT, note TEXT", "", 4 },
	[JOURNAL_ORDERS] = { "orders",
		"decision INTEGER, finding INTEGER, boot TEXT, guest INTEGER, vmm_pid INTEGER, "
		"verb TEXT, pid INTEGER, start_ns INTEGER, exe_hash BLOB, exe_ranges BLOB",
		", state TEXT NOT NULL DEFAULT 'queued', outcome TEXT NOT NULL DEFAULT ''", 10 },
	[JOURNAL_RESULTS] = { "results",
		"order_id INTEGER, what TEXT, status TEXT, elapsed_us INTEGER, detail TEXT", "", 5 },
	[JOURNAL_ACTS] = { "acts",
		"decision INTEGER, finding INTEGER, boot TEXT, guest INTEGER, vmm_pid INTEGER, "
		"verb TEXT, expiry_ms INTEGER, doer TEXT",
		", state TEXT NOT NULL DEFAULT 'queued'", 8 },
	[JOURNAL_ITEMS] = { "items",
		"order_id INTEGER, item BLOB, guest_name TEXT, path TEXT, size INTEGER, "
		"signature TEXT", "", 6 },
};

static const char schema_tail[] =
	"CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1),"
	" format INTEGER, journal BLOB, seq INTEGER, hash BLOB);"
	"CREATE UNIQUE INDEX IF NOT EXISTS findings_key ON findings (key);"
	"CREATE INDEX IF NOT EXISTS findings_guest ON findings (guest, seq);"
	"CREATE INDEX IF NOT EXISTS decisions_finding ON decisions (finding);"
	"DROP INDEX IF EXISTS decisions_rule;"
	"CREATE INDEX IF NOT EXISTS decisions_kills ON decisions (rule, action, mono_ns);"
	"CREATE INDEX IF NOT EXISTS orders_target ON orders (guest, pid, start_ns);"
	"CREATE INDEX IF NOT EXISTS orders_finding ON orders (finding);"
	"CREATE INDEX IF NOT EXISTS orders_state ON orders (state, outcome);"
	"CREATE INDEX IF NOT EXISTS results_order ON results (order_id);"
	"CREATE INDEX IF NOT EXISTS acts_guest ON acts (guest, seq);"
	"CREATE INDEX IF NOT EXISTS acts_finding ON acts (finding);"
	"CREATE INDEX IF NOT EXISTS acts_decision ON acts (decision);"
	"CREATE INDEX IF NOT EXISTS acts_state ON acts (state);"
	"CREATE INDEX IF NOT EXISTS items_order ON items (order_id);"
	"CREATE INDEX IF NOT EXISTS items_item ON items (item);"
	"CREATE INDEX IF NOT EXISTS items_path ON items (path);"
	"CREATE INDEX IF NOT EXISTS decisions_rule_time ON decisions (rule, mono_ns);";

/*
 * What status and metrics count in the long tables.  A large journal of before may lack the
 * room on its disk: then they are slow, and the journal serves all the same.
 */
static const char schema_counted[] =
	"CREATE INDEX IF NOT EXISTS findings_object_kind ON findings (object_kind);"
	"CREATE INDEX IF NOT EXISTS events_lies ON events (kind) WHERE kind = 'agent lies';";

static void hash_number(crypto_generichash_state *h, uint64_t x)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < 8; i++)
		bytes[i] = x >> (8 * i);
	crypto_generichash_update(h, bytes, 8);
}

/* Each value: its kind, its length and its bytes; so no two rows look alike. */
void journal_row_hash(uint8_t out[HASH_BYTES], const uint8_t prev[HASH_BYTES],
		      const char *table, const struct journal_value *values, size_t n)
{
	crypto_generichash_state h;

	crypto_generichash_init(&h, NULL, 0, HASH_BYTES);
	crypto_generichash_update(&h, prev, HASH_BYTES);
	hash_number(&h, strlen(table));
	crypto_generichash_update(&h, (const uint8_t *)table, strlen(table));
	for (size_t i = 0; i < n; i++) {
		hash_number(&h, values[i].kind);
		if (values[i].kind == VALUE_INT) {
			hash_number(&h, values[i].number);
			continue;
		}
		hash_number(&h, values[i].len);
		crypto_generichash_update(&h, values[i].bytes, values[i].len);
	}
	crypto_generichash_final(&h, out, HASH_BYTES);
}

static bool is_full(sqlite3 *db)
{
	int error = sqlite3_errcode(db) & 0xff;

	return error == SQLITE_FULL ||
	       (error == SQLITE_IOERR && sqlite3_system_errno(db) == ENOSPC);
}

/* Without a database all fails silently: why was said when it was not opened. */
static int complain(struct journal *j, const char *doing)
{
	if (!j->db)
		return -1;
	j->full = is_full(j->db);
	log_err("journal: %s: %s", doing, sqlite3_errmsg(j->db));
	if (!j->error)
		j->error = sqlite3_errcode(j->db) & 0xff;
	snprintf(j->why, sizeof(j->why), "%s", sqlite3_errmsg(j->db));
	j->failed = true;
	return -1;
}

/*
 * SQLite itself ends a transaction when the disk is full or fails: all that
 * was appended is gone, and a row more would stand alone, outside the chain.
 */
static bool is_lost(const struct journal *j)
{
	return j->dirty && sqlite3_get_autocommit(j->db);
}

static int run(struct journal *j, const char *sql)
{
	return sqlite3_exec(j->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : complain(j, sql);
}

/* A transaction is open, and it is still the one that was begun. */
static int begin(struct journal *j)
{
	if (!j->db || is_lost(j))
		return -1;
	if (!j->dirty && run(j, "BEGIN IMMEDIATE"))
		return -1;
	j->dirty = true;
	return 0;
}

sqlite3_stmt *journal_prepare(struct journal *j, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	if (!j->db)
		return NULL;
	if (sqlite3_prepare_v3(j->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) != SQLITE_OK)
		complain(j, sql);
	return stmt;
}

void journal_bind(sqlite3_stmt *stmt, const struct journal_value *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct journal_value *v = &values[i];

		if (v->kind == VALUE_INT)
			sqlite3_bind_int64(stmt, i + 1, v->number);
		else if (v->kind == VALUE_TEXT)
			sqlite3_bind_text(stmt, i + 1, v->bytes, v->len, SQLITE_TRANSIENT);
		else
			sqlite3_bind_blob(stmt, i + 1, v->len ? v->bytes : "", v->len,
					  SQLITE_TRANSIENT);
	}
}

int journal_execute(struct journal *j, const char *sql,
		    const struct journal_value *values, size_t n)
{
	sqlite3_stmt *stmt;
	int r;

	if (begin(j))
		return -1;
	stmt = journal_prepare(j, sql);
	if (!stmt)
		return -1;
	journal_bind(stmt, values, n);
	r = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return r == SQLITE_DONE ? 0 : complain(j, sql);
}

static int make_tables(struct journal *j)
{
	char sql[1024];

	for (int t = 0; t < JOURNAL_TABLES; t++) {
		const struct journal_layout *l = &journal_layouts[t];

		snprintf(sql, sizeof(sql),
			 "CREATE TABLE IF NOT EXISTS %s (seq INTEGER PRIMARY KEY, "
			 "wall_ns INTEGER, mono_ns INTEGER, %s, hash BLOB NOT NULL%s)",
			 l->name, l->columns, l->rest);
		if (run(j, sql))
			return -1;
	}
	if (run(j, schema_tail))
		return -1;
	if (sqlite3_exec(j->db, schema_counted, NULL, NULL, NULL) != SQLITE_OK)
		log_warn("status and metrics will take longer, the journal has no index for them: %s",
			 sqlite3_errmsg(j->db));
	return 0;
}

/* seq, wall_ns, mono_ns, the columns, hash; what comes after has defaults. */
static int prepare_inserts(struct journal *j)
{
	for (int t = 0; t < JOURNAL_TABLES; t++) {
		const struct journal_layout *l = &journal_layouts[t];
		char sql[1024], names[512] = "";
		const char *at = l->columns;

		while (*at) {
			size_t word = strcspn(at, " ");

			strcat(strncat(names, at, word), ", ");
			at += strcspn(at, ",");
			at += strspn(at, ", ");
		}
		snprintf(sql, sizeof(sql), "INSERT INTO %s (seq, wall_ns, mono_ns, %shash) VALUES (?",
			 l->name, names);
		for (unsigned i = 0; i < l->ncolumns + 3; i++)
			strcat(sql, ",?");
		strcat(sql, ")");
		j->insert[t] = journal_prepare(j, sql);
		if (!j->insert[t])
			return -1;
	}
	return 0;
}

static int begin_chain(struct journal *j)
{
	uint8_t name[16];
	const struct journal_value row[] = {
		V_INT(1), V_INT(1), V_BLOB(name, sizeof(name)), V_INT(0),
		V_BLOB(j->head_hash, HASH_BYTES),
	};

	randombytes_buf(name, sizeof(name));
	hash_content(j->head_hash, name, sizeof(name));
	j->head_seq = 0;
	if (journal_execute(j, "INSERT INTO head VALUES (?,?,?,?,?)", row, ARRAY_SIZE(row)))
		return -1;
	return journal_commit(j);
}

enum head_state { HEAD_READ, HEAD_NONE, HEAD_FAILED };

static enum head_state read_head(struct journal *j)
{
	sqlite3_stmt *stmt = journal_prepare(j, "SELECT format, seq, hash FROM head");
	enum head_state state = HEAD_FAILED;

	if (!stmt)
		return HEAD_FAILED;
	switch (sqlite3_step(stmt)) {
	case SQLITE_DONE:
		state = HEAD_NONE;
		break;
	case SQLITE_ROW:
		if (sqlite3_column_int(stmt, 0) != 1 ||
		    sqlite3_column_bytes(stmt, 2) != HASH_BYTES) {
			log_err("journal: its head is of another format");
			snprintf(j->why, sizeof(j->why), "its head is of another format");
			j->error = SQLITE_NOTADB;
			break;
		}
		j->head_seq = sqlite3_column_int64(stmt, 1);
		memcpy(j->head_hash, sqlite3_column_blob(stmt, 2), HASH_BYTES);
		state = HEAD_READ;
		break;
	default:
		complain(j, "reading the head");
	}
	sqlite3_finalize(stmt);
	return state;
}

static int find_head(struct journal *j)
{
	enum head_state state = read_head(j);

	return state == HEAD_NONE ? begin_chain(j) : state == HEAD_READ ? 0 : -1;
}

static void set_durable(struct journal *j)
{
	j->durable_seq = j->head_seq;
	memcpy(j->durable_hash, j->head_hash, HASH_BYTES);
}

/* The files stay as they are, for the next try or for whoever looks into them. */
static int give_up(struct journal *j)
{
	if (j->db)
		sqlite3_db_config(j->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	journal_close(j);
	return -1;
}

bool journal_is_foreign(const struct journal *j)
{
	/* SQLITE_ERROR: it has tables of our names that are not ours. */
	return j->error == SQLITE_NOTADB || j->error == SQLITE_CORRUPT ||
	       j->error == SQLITE_ERROR;
}

/*
 * FULL: a commit is on the disk when it returns.  EXCLUSIVE is not used: an
 * operator may read along with sqlite3.
 */
int journal_open(struct journal *j, const char *path)
{
	*j = (struct journal){ .reserve = j->reserve, .held = j->held };
	if (sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
		complain(j, path);
		return give_up(j);
	}
	sqlite3_busy_timeout(j->db, 5000);
	if (run(j, "PRAGMA journal_mode = WAL") || run(j, "PRAGMA synchronous = FULL") ||
	    run(j, "PRAGMA temp_store = MEMORY") || run(j, "PRAGMA trusted_schema = OFF") ||
	    make_tables(j) || prepare_inserts(j) || find_head(j))
		return give_up(j);
	set_durable(j);
	return 0;
}

void journal_close(struct journal *j)
{
	struct journal closed = { .failed = j->failed, .error = j->error, .full = j->full,
				  .reserve = j->reserve, .held = j->held };

	if (j->dirty)
		journal_commit(j);
	memcpy(closed.why, j->why, sizeof(closed.why));
	for (int t = 0; t < JOURNAL_TABLES; t++)
		sqlite3_finalize(j->insert[t]);
	if (sqlite3_close(j->db) != SQLITE_OK)
		log_warn("journal: closed while a statement is in use");
	*j = closed;
}

static int insert(struct journal *j, enum journal_table table,
		  const struct journal_value *row, size_t n)
{
	sqlite3_stmt *stmt = j->insert[table];
	int r;

	journal_bind(stmt, row, n);
	r = sqlite3_step(stmt);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return r == SQLITE_DONE ? 0 : complain(j, journal_layouts[table].name);
}

int64_t journal_append(struct journal *j, enum journal_table table,
		       const struct journal_value *values, size_t n)
{
	const struct journal_layout *l = &journal_layouts[table];
	struct journal_value row[MAX_COLUMNS];
	uint8_t hash[HASH_BYTES];

	if (n != l->ncolumns)
		fatal("journal: %s takes %u values, not %zu", l->name, l->ncolumns, n);
	if (begin(j))
		return -1;
	row[0] = V_INT(j->head_seq + 1);
	row[1] = V_INT(now_wall());
	row[2] = V_INT(now_mono());
	memcpy(row + 3, values, n * sizeof(*values));
	journal_row_hash(hash, j->head_hash, l->name, row, n + 3);
	row[n + 3] = V_BLOB(hash, HASH_BYTES);
	if (insert(j, table, row, n + 4))
		return -1;
	memcpy(j->head_hash, hash, HASH_BYTES);
	return ++j->head_seq;
}

/* What could not be committed is taken back, head and all. */
static int roll_back(struct journal *j)
{
	sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
	j->dirty = false;
	/* Not read: the disk that failed may fail again. */
	j->head_seq = j->durable_seq;
	memcpy(j->head_hash, j->durable_hash, HASH_BYTES);
	j->failed = true;
	return -1;
}

int journal_commit(struct journal *j)
{
	const struct journal_value head[] = {
		V_INT(j->head_seq), V_BLOB(j->head_hash, HASH_BYTES),
	};

	if (!j->dirty)
		return 0;
	if (is_lost(j))
		log_err("journal: SQLite took the transaction back");
	if (journal_execute(j, "UPDATE head SET seq = ?, hash = ?", head, ARRAY_SIZE(head)) ||
	    run(j, "COMMIT"))
		return roll_back(j);
	j->dirty = false;
	j->failed = false;
	set_durable(j);
	return 0;
}

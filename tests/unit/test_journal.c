// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal's chain: a row changed, removed or moved is found; it goes on after a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/journal.h"
#include "engine/records.h"
#include "lib/log.h"

/* How far the wall clock has been set back, for all that is linked here. */
static time_t wall_back;

int clock_gettime(clockid_t which, struct timespec *t)
{
	int r = syscall(SYS_clock_gettime, which, t);

	if (!r && which == CLOCK_REALTIME)
		t->tv_sec -= wall_back;
	return r;
}

static char folder[64], path[128];
static struct journal j;

static int setup(void **state)
{
	strcpy(folder, "/tmp/warden-journal-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/journal.db", folder);
	assert_int_equal(journal_open(&j, path), 0);
	return 0;
}

static int teardown(void **state)
{
	char command[160];

	if (j.db)
		journal_close(&j);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) != 0;
}

static int64_t add_finding(uint32_t pid, bool *ret_known)
{
	static const uint8_t hash[HASH_BYTES] = { 1, 2, 3 };
	json_t *evidence = json_pack("{s:s}", "argv", "./x");
	struct finding_record f = {
		.ref = { "boot-1", 7, 4242 }, .guest_name = "web", .pid = pid,
		.start_ns = 1000, .comm = "x", .exe = "/tmp/x", .object_kind = "file",
		.path = "/tmp/x", .gva = 0x400000, .signature = "Test.A",
		.content_hash = hash, .found_by = "event", .t_seen = 5, .t_found = 9,
		.evidence = evidence,
	};
	int64_t seq = record_finding(&j, &f, ret_known);

	json_decref(evidence);
	return seq;
}

static int64_t add_order(uint32_t pid)
{
	struct guest_ref ref = { "boot-1", 7, 4242 };
	struct m_order order = { .verb = VERB_KILL, .pid = pid, .start_ns = 1000 };
	bool known;
	int64_t finding = add_finding(pid, &known);
	int64_t decision = record_decision(&j, finding, "r", "kill", "");

	return record_order(&j, decision, finding, &ref, &order);
}

/* Rows of every table, committed. */
static void fill(void)
{
	int64_t order;

	record_event(&j, "engine up", 0, 0, 0, NULL);
	order = add_order(10);
	assert_int_equal(record_result(&j, order, "sent", "sent", 0, ""), 0);
	assert_int_equal(record_result(&j, order, "result", "done", 1500, ""), 0);
	assert_int_equal(record_result(&j, order, "probe", "killed", 0, "gone"), 0);
	record_event(&j, "role down", 3, 4, 5, json_pack("{s:s}", "why", "test"));
	record_event(&j, "engine down", 0, 0, 0, NULL);
	assert_int_equal(journal_commit(&j), 0);
}

static enum verify_state verify(char *ret_what)
{
	struct journal_verify v;
	enum verify_state state;

	assert_int_equal(journal_verify_begin(&v, &j), 0);
	do
		state = journal_verify_step(&v, 3);
	while (state == VERIFY_MORE);
	strcpy(ret_what, v.what);
	journal_verify_end(&v);
	return state;
}

static void expect_intact(void)
{
	char what[TEXT_WHY];

	if (verify(what) != VERIFY_INTACT)
		fail_msg("broken: %s", what);
}

static void expect_broken(const char *like)
{
	char what[TEXT_WHY];

	assert_int_equal(verify(what), VERIFY_BROKEN);
	if (!strstr(what, like))
		fail_msg("'%s' is not in '%s'", like, what);
}

/* As another program that can write the file would. */
static void tamper(const char *sql)
{
	sqlite3 *db;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void intact(void **state)
{
	expect_intact();
	fill();
	expect_intact();
	assert_int_equal(j.head_seq, 9);
}

static void changed(void **state)
{
	fill();
	tamper("UPDATE findings SET comm = 'y'");
	expect_broken("row 2: in findings was changed");
}

static void changed_type(void **state)
{
	fill();
	tamper("UPDATE events SET kind = CAST(kind AS BLOB) WHERE seq = 8");
	expect_broken("row 8: in events was changed");
}

static void removed(void **state)
{
	fill();
	tamper("DELETE FROM results WHERE seq = 6");
	expect_broken("row 6: is missing");
}

static void tail_removed(void **state)
{
	fill();
	tamper("DELETE FROM events WHERE seq = 9");
	expect_broken("row 9: is missing");
}

static void tail_and_head_rewound(void **state)
{
	fill();
	tamper("DELETE FROM events WHERE seq = 9; UPDATE head SET seq = 8,"
	       " hash = (SELECT hash FROM events WHERE seq = 8)");
	/* The running engine knows its head. */
	expect_broken("row 9: is missing");
}

static void swapped(void **state)
{
	fill();
	tamper("UPDATE events SET seq = 100 WHERE seq = 8; UPDATE events SET seq = 8 WHERE seq = 9;"
	       " UPDATE events SET seq = 9 WHERE seq = 100");
	expect_broken("row 8: in events was changed, or moved here");
}

static void added(void **state)
{
	fill();
	tamper("INSERT INTO events VALUES (50, 1, 1, 'x', 0, 0, 0, '{}', x'00')");
	expect_broken("row 50: is beyond");
}

static void order_state_changed(void **state)
{
	fill();
	tamper("UPDATE orders SET outcome = 'running'");
	expect_broken("row 4: this order's outcome");
}

static void reopened(void **state)
{
	uint8_t head[HASH_BYTES];

	fill();
	memcpy(head, j.head_hash, sizeof(head));
	journal_close(&j);
	assert_int_equal(journal_open(&j, path), 0);
	assert_int_equal(j.head_seq, 9);
	assert_memory_equal(j.head_hash, head, sizeof(head));
	record_event(&j, "engine up", 0, 0, 0, NULL);
	assert_int_equal(journal_commit(&j), 0);
	expect_intact();
}

static void restart_marks_orders(void **state)
{
	struct guest_ref ref = { "boot-1", 7, 4242 };
	int64_t sent = add_order(20);
	json_t *rows;

	add_order(21);
	record_result(&j, sent, "sent", "sent", 0, "");
	journal_commit(&j);
	journal_close(&j);
	assert_int_equal(journal_open(&j, path), 0);
	assert_int_equal(record_restart(&j), 2);
	assert_int_equal(record_restart(&j), 0);
	rows = records_query(&j, "SELECT seq, state FROM orders ORDER BY seq", NULL, 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "state")),
			    "unknown after restart");
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "state")),
			    "undeliverable");
	json_decref(rows);
	assert_int_equal(record_find_death(&j, &ref, 20, 1000), 0);
	record_result(&j, sent, "probe", "killed", 0, "");
	assert_int_equal(record_find_death(&j, &ref, 20, 1000), sent);
	assert_int_equal(record_find_death(&j, &ref, 21, 1000), 0);
	expect_intact();
}

static void finding_is_written_once(void **state)
{
	bool known;
	int64_t seq = add_finding(30, &known);

	assert_false(known);
	assert_int_equal(add_finding(30, &known), seq);
	assert_true(known);
	assert_true(add_finding(31, &known) > seq);
	assert_false(known);
}

static void kills_are_counted_for_each_guest(void **state)
{
	struct guest_ref ref = { "boot-1", 7, 4242 }, other = { "boot-1", 8, 4243 };
	struct guest_ref host = { "boot-1", 0, 0 }, reboot = { "boot-2", 0, 0 };

	add_order(40);
	add_order(41);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &ref, 10), 2);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &other, 10), 0);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &host, 10), 2);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &reboot, 10), 0);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "q", &ref, 10), 0);
	/* The wall clock does not count: it may be set. */
	assert_int_equal(journal_commit(&j), 0);
	tamper("UPDATE decisions SET wall_ns = wall_ns - 86400000000000");
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &ref, 10), 2);
}

static int64_t wall_of(int64_t seq)
{
	const struct journal_value which[] = { V_INT(seq) };

	return records_number(&j, "SELECT wall_ns FROM events WHERE seq = ?", which, 1);
}

/* Rows of a later number and an earlier time: the chain and the limits hold. */
static void clock_set_back(void **state)
{
	struct guest_ref ref = { "boot-1", 7, 4242 };
	int64_t before, after, hold;
	struct m_act act = { .guest = 7, .verb = HOST_CONTAIN, .expiry_ms = 1000 };
	struct last_act last;

	add_order(50);
	hold = record_act(&j, 0, 0, &ref, &act, "policy");
	assert_int_equal(record_acted(&j, hold, "result", "done", 0, ""), 0);
	before = record_event(&j, "x", 0, 0, 0, NULL);
	wall_back = 10 * 365 * 86400;
	after = record_event(&j, "x", 0, 0, 0, NULL);
	assert_int_equal(after, before + 1);
	assert_true(wall_of(after) < wall_of(before) - 9ll * 365 * 86400 * 1000000000);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &ref, 10), 1);
	add_order(51);
	assert_int_equal(record_answers(&j, ANSWER_KILL, "r", &ref, 10), 2);
	assert_int_equal(record_last_act(&j, &ref, HOST_CONTAIN, HOST_RELEASE, &last), 1);
	assert_int_equal(last.seq, hold);
	assert_true(last.done);
	journal_commit(&j);
	expect_intact();
	journal_close(&j);
	wall_back *= 2;
	assert_int_equal(journal_open(&j, path), 0);
	after = j.head_seq;
	assert_int_equal(record_event(&j, "engine up", 0, 0, 0, NULL), after + 1);
	journal_commit(&j);
	expect_intact();
	wall_back = 0;
}

static void act_state_changed(void **state)
{
	struct guest_ref ref = { "boot-1", 7, 4242 };
	struct m_act act = { .guest = 7, .verb = HOST_CONTAIN };

	record_act(&j, 0, 0, &ref, &act, "policy");
	journal_commit(&j);
	tamper("UPDATE acts SET state = 'done'");
	expect_broken("row 1: this act's state");
}

static void uncommitted_is_rolled_back(void **state)
{
	int64_t before;

	fill();
	before = j.head_seq;
	record_event(&j, "x", 0, 0, 0, NULL);
	/* Makes the commit fail as a full disk would. */
	sqlite3_exec(j.db, "ROLLBACK", NULL, NULL, NULL);
	tamper("CREATE TRIGGER t BEFORE UPDATE ON head BEGIN SELECT RAISE(ABORT, 'full'); END");
	j.dirty = false;
	memset(&j.head_hash, 0, sizeof(j.head_hash));
	record_event(&j, "x", 0, 0, 0, NULL);
	assert_int_equal(journal_commit(&j), -1);
	assert_int_equal(j.head_seq, before);
	tamper("DROP TRIGGER t");
	expect_intact();
}

/* A full disk inside a statement: SQLite ends the transaction itself. */
static void full_disk_leaves_no_gap(void **state)
{
	static char big[20000];
	int64_t before;

	fill();
	before = j.head_seq;
	memset(big, 'x', sizeof(big) - 1);
	sqlite3_exec(j.db, "PRAGMA max_page_count = 1", NULL, NULL, NULL);
	assert_true(record_event(&j, "small", 0, 0, 0, NULL) > 0);
	assert_int_equal(record_event(&j, "big", 0, 0, 0, json_pack("{s:s}", "x", big)), -1);
	assert_int_equal(sqlite3_get_autocommit(j.db), 1);
	sqlite3_exec(j.db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL);
	/* Not alone, outside the chain. */
	assert_int_equal(record_event(&j, "late", 0, 0, 0, NULL), -1);
	assert_int_equal(journal_commit(&j), -1);
	assert_int_equal(j.head_seq, before);
	assert_int_equal(record_event(&j, "after", 0, 0, 0, NULL), before + 1);
	assert_int_equal(journal_commit(&j), 0);
	assert_false(j.failed);
	expect_intact();
}

static void only_what_is_no_journal_is_foreign(void **state)
{
	struct journal other;
	char name[160];
	FILE *f;

	assert_int_equal(journal_open(&other, folder), -1);	/* a folder: may pass */
	assert_false(journal_is_foreign(&other));
	assert_string_not_equal(other.why, "");
	assert_int_equal(record_event(&other, "x", 0, 0, 0, NULL), -1);
	assert_int_equal(journal_commit(&other), 0);
	snprintf(name, sizeof(name), "%s/other.db", folder);
	f = fopen(name, "w");
	for (int i = 0; i < 100; i++)
		fputs("this is no database at all\n", f);
	fclose(f);
	assert_int_equal(journal_open(&other, name), -1);
	assert_true(journal_is_foreign(&other));
	unlink(name);
	tamper("UPDATE head SET format = 9; INSERT OR REPLACE INTO head VALUES (1, 9, x'00', 0, x'00')");
	assert_int_equal(journal_open(&other, path), -1);
	assert_true(journal_is_foreign(&other));
}

static void expect_index(const char *index, const char *sql)
{
	char explain[256];
	sqlite3_stmt *stmt;
	const char *plan;

	snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
	stmt = journal_prepare(&j, explain);
	assert_non_null(stmt);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	plan = (const char *)sqlite3_column_text(stmt, 3);
	if (!strstr(plan, index))
		fail_msg("%s: %s", sql, plan);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);	/* nothing is sorted */
	sqlite3_finalize(stmt);
}

/* What metrics.c and view_status.c count in tables that grow for ever, once a minute. */
static void expect_counts_by_index(void)
{
	expect_index("COVERING INDEX findings_object_kind",
		     "SELECT object_kind AS kind, count(*) AS n FROM findings GROUP BY object_kind");
	expect_index("COVERING INDEX events_lies",
		     "SELECT count(*) AS n FROM events WHERE kind = 'agent lies'");
}

/* In a journal of before these indexes too. */
static void counted_by_index(void **state)
{
	fill();
	expect_counts_by_index();
	journal_close(&j);
	tamper("DROP INDEX findings_object_kind; DROP INDEX events_lies");
	assert_int_equal(journal_open(&j, path), 0);
	expect_counts_by_index();
	expect_intact();
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(intact), T(changed), T(changed_type), T(removed), T(tail_removed),
		T(tail_and_head_rewound), T(swapped), T(added), T(order_state_changed),
		T(reopened), T(restart_marks_orders), T(finding_is_written_once),
		T(uncommitted_is_rolled_back), T(full_disk_leaves_no_gap),
		T(kills_are_counted_for_each_guest), T(clock_set_back), T(act_state_changed),
		T(only_what_is_no_journal_is_foreign), T(counted_by_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

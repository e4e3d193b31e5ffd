// SPDX-License-Identifier: GPL-2.0-or-later
/* The folder of databases: its epoch, its order, and refusals by file name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scan/databases.h"
#include "test_child.h"

#define SIGNATURE "Unit.A:0:*:4142434445464748\n"
#define ANOTHER "Unit.B:0:*:5152535455565758\n"

static char folder[64];

static int make_folder(void **state)
{
	strcpy(folder, "/tmp/test_scan_databases.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

static struct m_database load(void)
{
	struct m_database info;
	struct cl_engine *engine = databases_load(folder, "/tmp", 30, &info);

	assert_int_equal(engine != NULL, info.ready);
	assert_memory_equal(info.engine, "libclamav ", 10);
	if (engine)
		cl_engine_free(engine);
	return info;
}

static void assert_refused(const char *why_begins)
{
	struct m_database info = load();

	assert_int_equal(info.ready, 0);
	if (strncmp(info.why, why_begins, strlen(why_begins)))
		fail_msg("why is \"%s\", not \"%s...\"", info.why, why_begins);
}

static void test_counts_signatures(void **state)
{
	struct m_database info;

	put("a.ndb", SIGNATURE);
	put("b.ndb", ANOTHER);
	put("README.txt", "no database");
	info = load();
	assert_int_equal(info.ready, 1);
	assert_int_equal(info.signatures, 2);
	assert_string_equal(info.why, "");
}

static void test_no_database(void **state)
{
	struct m_database info = load();

	assert_int_equal(info.ready, 1);
	assert_int_equal(info.signatures, 0);
	assert_string_equal(info.why, "no database file: nothing can be found");
}

static void test_empty_file(void **state)
{
	struct m_database info;

	put("empty.ndb", "");
	put("empty.hdb", "");
	info = load();
	assert_int_equal(info.ready, 1);
	assert_int_equal(info.signatures, 0);
	assert_string_equal(info.why, "no signature: nothing can be found");
	put("full.ndb", SIGNATURE);
	assert_int_equal(load().signatures, 1);
}

static void test_epoch(void **state)
{
	char path[96];
	struct m_database first, again;

	put("a.ndb", SIGNATURE);
	first = load();
	again = load();
	assert_string_equal(first.epoch, again.epoch);
	assert_int_equal(strlen(first.epoch), 2 * HASH_BYTES);
	put("README.txt", "no database");
	again = load();
	assert_string_equal(first.epoch, again.epoch);
	put("a.ndb", ANOTHER);
	again = load();
	assert_string_not_equal(first.epoch, again.epoch);
	/* The same bytes under another name. */
	snprintf(path, sizeof(path), "%s/a.ndb", folder);
	unlink(path);
	put("b.ndb", SIGNATURE);
	again = load();
	assert_string_not_equal(first.epoch, again.epoch);
	/* And an empty file more. */
	first = again;
	put("c.ndb", "");
	again = load();
	assert_string_not_equal(first.epoch, again.epoch);
}

/* Puts one of two files of the same length in place of the other, until it is killed. */
static pid_t start_swapping(const char *two, const char *one)
{
	char from[96], to[96];
	pid_t pid = child_fork();

	if (pid)
		return pid;
	snprintf(from, sizeof(from), "%s/next", folder);
	snprintf(to, sizeof(to), "%s/a.ndb", folder);
	for (bool first = true;; first = !first) {
		put("next", first ? two : one);
		rename(from, to);
	}
}

/* The epoch is that of the bytes that were loaded, whatever the folder holds by now. */
static void test_epoch_of_what_was_loaded(void **state)
{
	static const char two[] = SIGNATURE ANOTHER;
	char one[sizeof(two)], first[sizeof(((struct m_database *)0)->epoch)];
	unsigned loaded[2] = { 0 }, wrong = 0;
	pid_t pid;

	strcpy(one, two);
	one[strlen(SIGNATURE)] = '#';
	put("a.ndb", one);
	assert_int_equal(load().signatures, 1);
	put("a.ndb", two);
	strcpy(first, load().epoch);
	pid = start_swapping(two, one);
	for (int i = 0; i < 300; i++) {
		struct m_database info = load();
		bool is_first = !strcmp(info.epoch, first);

		loaded[is_first]++;
		wrong += !info.ready || info.signatures != (is_first ? 2 : 1);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	print_message("  %u of one, %u of the other\n", loaded[0], loaded[1]);
	assert_int_equal(wrong, 0);
	assert_true(loaded[0] && loaded[1]);
}

static void test_refused_by_name(void **state)
{
	put("a.ndb", SIGNATURE);
	put("bad.ndb", "not a signature\n");
	assert_refused("bad.ndb: ");
}

static void test_refused_container(void **state)
{
	put("a.ndb", SIGNATURE);
	put("main.cvd", "ClamAV-VDB:a lie\n");
	assert_refused("main.cvd: ");
}

/* A name is a file's, and may hold anything. */
static void test_refused_name_is_escaped(void **state)
{
	put("b\x01\xff.ndb", "not a signature\n");
	assert_refused("b\\x01\\xff.ndb: ");
}

static void test_not_a_file(void **state)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/dir.ndb", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused("dir.ndb: not a file");
}

static void test_dangling_link(void **state)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/link.ndb", folder);
	assert_int_equal(symlink("/nonexistent/x.ndb", path), 0);
	assert_refused("link.ndb: No such file");
}

static void test_no_folder(void **state)
{
	struct m_database info;

	assert_null(databases_load("/nonexistent/folder", "/tmp", 30, &info));
	assert_int_equal(info.ready, 0);
	assert_string_equal(info.why, "folder: No such file or directory");
}

/* What is ignored must be known before it is loaded, whatever its name. */
static void test_ignored_signature(void **state)
{
	put("a.ndb", SIGNATURE ANOTHER);
	put("z.ign2", "Unit.A\n");
	assert_int_equal(load().signatures, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts_signatures), TEST(test_no_database), TEST(test_empty_file),
		TEST(test_epoch), TEST(test_epoch_of_what_was_loaded), TEST(test_refused_by_name), TEST(test_refused_container),
		TEST(test_refused_name_is_escaped), TEST(test_not_a_file),
		TEST(test_dangling_link), TEST(test_no_folder), TEST(test_ignored_signature),
	};

	if (cl_init(CL_INIT_DEFAULT))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

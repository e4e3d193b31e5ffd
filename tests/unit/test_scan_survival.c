// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parts of the scanner that end or find no memory, and folders that never
 * stand still: it scans again or says why not, and calls nothing clean meanwhile.
 */
#include "test_scan_harness.h"

#include <sys/resource.h>

#define TEXT "the " MARKER " in some text"
#define MANY 200000		/* signatures that take a moment to load */
#define CHILDREN 64

/* ---- the role's processes ---- */

/* In the order they were made: the starter is the first. */
static size_t children_of(pid_t pid, pid_t children[CHILDREN])
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	f = fopen(path, "r");
	while (f && n < CHILDREN && fscanf(f, "%d", &children[n]) == 1)
		n++;
	if (f)
		fclose(f);
	return n;
}

/* The field of /proc/PID/status, its first word as a number or as a letter. */
static int status_of(pid_t pid, const char *field)
{
	char path[64], line[256];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			value = line[strlen(field) + 1] >= 'A' ? line[strlen(field) + 1] :
				atoi(line + strlen(field) + 1);
	if (f)
		fclose(f);
	return value;
}

static pid_t starter_of(const struct role *r)
{
	pid_t children[CHILDREN];

	assert_true(children_of(r->pid, children) > 0);
	return children[0];
}

/* A worker is root's too, for the moment until it is in its jail. */
static bool stays_root(pid_t pid)
{
	if (status_of(pid, "Uid:"))
		return false;
	usleep(20000);
	return !status_of(pid, "Uid:");
}

/* A child of root's that is none of those: a loader that has just been made. */
static pid_t wait_for_loader(const struct role *r, pid_t other_than)
{
	for (int i = 0; i < 60000; i++) {
		pid_t children[CHILDREN];

		for (size_t n = children_of(r->pid, children); n-- > 1;)
			if (children[n] != other_than && stays_root(children[n]))
				return children[n];
		usleep(1000);
	}
	fail_msg("no loader");
	return 0;
}

static unsigned zombies_of(const struct role *r)
{
	pid_t children[CHILDREN];
	size_t n = children_of(r->pid, children);
	unsigned zombies = 0;

	while (n--)
		zombies += status_of(children[n], "State:") == 'Z';
	return zombies;
}

/* ---- databases ---- */

static void write_many(const struct role *r, const char *name)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/db/%s", r->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < MANY; i++)
		fprintf(f, "Warden.Many.%u:0:*:%08x%08x%08x%08x\n", i, i * 2654435761u, ~i, i, i ^ 0x5a5a);
	assert_int_equal(fclose(f), 0);
}

static void write_database(const struct role *r, const char *name, const char *text)
{
	char db[96];

	snprintf(db, sizeof(db), "%s/db", r->dir);
	write_file(db, name, text);
}

static void assert_not_clean(struct m_verdict v, const char *like)
{
	if (v.verdict != VERDICT_NOT_SCANNED || !strstr(v.name, like))
		fail_msg("verdict %u \"%s\", not one of not scanned because \"%s\"", v.verdict,
			 v.name, like);
}

static void assert_lost(const struct m_database *db, const char *like)
{
	assert_int_equal(db->ready, 0);
	if (!strstr(db->why, like))
		fail_msg("\"%s\" instead of \"%s\"", db->why, like);
}

static void assert_scans(struct role *r)
{
	assert_verdict(scan(r, SCAN_FILE, sealed(TEXT, sizeof(TEXT))), INFECTED);
	assert_verdict(scan(r, SCAN_FILE, sealed("nothing of note", 15)), CLEAN);
}

/* It gives up, and tells its parent, which starts it again. */
static void assert_ends(struct role *r)
{
	struct pollfd p = { .fd = r->sock, .events = POLLIN };
	int status;

	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	/* Not a word before that. */
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_false(p.revents & POLLIN && recv(r->sock, &(char){ 0 }, 1, MSG_DONTWAIT) > 0);
	close(r->sock);
}

/* ---- a loader that ends while it loads ---- */

static void test_loader_killed_at_first(void **state)
{
	struct m_database db;
	struct role r;
	pid_t loader = 0;

	make_folder(&r);
	write_many(&r, "many.ndb");
	launch(&r, 1, 30);
	for (int i = 0; i < 2; i++) {
		loader = wait_for_loader(&r, loader);
		kill(loader, SIGKILL);
		db = next_database(&r);
		assert_lost(&db, "signal 9 (SIGKILL)");
		assert_lost(&db, i ? "trying again in 2 s" : "trying again in 1 s");
		assert_not_clean(scan(&r, SCAN_FILE, sealed("nothing of note", 15)), db.why);
		assert_not_clean(scan(&r, SCAN_FILE, sealed(TEXT, sizeof(TEXT))), db.why);
	}
	db = next_database(&r);
	assert_int_equal(db.ready, 1);
	assert_int_equal(db.signatures, MANY + 2);
	assert_scans(&r);
	assert_int_equal(zombies_of(&r), 0);
	stop(&r);
}

/* The old signatures stay at work until then. */
static void test_loader_killed_at_reload(void **state)
{
	struct m_database db;
	struct role r;
	pid_t loader;

	start_with_markers(&r, 1, 30);
	loader = wait_for_loader(&r, 0);
	write_many(&r, "many.ndb");
	kill(wait_for_loader(&r, loader), SIGKILL);
	db = next_database(&r);
	assert_lost(&db, "trying again in 1 s");
	assert_scans(&r);
	db = next_database(&r);
	assert_int_equal(db.ready, 1);
	assert_int_equal(db.signatures, MANY + 2);
	assert_string_not_equal(db.epoch, r.database.epoch);
	assert_scans(&r);
	stop(&r);
}

static void limit_memory(pid_t pid, rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	assert_int_equal(prlimit(pid, RLIMIT_AS, &limit, NULL), 0);
}

/* A loader has what its starter has: too little, until there is more again. */
static void test_loader_without_memory(void **state)
{
	struct m_database db;
	struct role r;
	pid_t starter;

	start_with_markers(&r, 1, 30);
	starter = starter_of(&r);
	limit_memory(starter, status_of(starter, "VmSize:") * 1024ull + 8 * MIB);
	write_many(&r, "many.ndb");
	db = next_database(&r);
	assert_lost(&db, "trying again in 1 s");
	assert_scans(&r);
	db = next_database(&r);
	assert_lost(&db, "trying again in 2 s");
	limit_memory(starter, RLIM_INFINITY);
	db = next_database(&r);
	assert_int_equal(db.ready, 1);
	assert_int_equal(db.signatures, MANY + 2);
	assert_scans(&r);
	stop(&r);
}

/* ---- parts without which it cannot go on ---- */

/* What is under way gets no answer: the engine asks again. */
static void end_under_way(pid_t (*victim)(const struct role *r))
{
	struct role r;
	pid_t worker;

	start_with_markers(&r, 1, 60);
	worker = wait_for_worker(r.pid, 0);
	assert_int_equal(kill(worker, SIGSTOP), 0);
	ask(&r, 7, SCAN_FILE, sealed("nothing of note", 15));
	assert_int_equal(kill(victim(&r), SIGKILL), 0);
	assert_ends(&r);
	for (int i = 0; i < 6000 && !kill(worker, 0); i++)
		usleep(10000);
	assert_int_equal(kill(worker, 0), -1);
	start(&r, 1, 60);
	assert_scans(&r);
	stop(&r);
}

static pid_t loader_of(const struct role *r)
{
	return wait_for_loader(r, 0);
}

static void test_loader_killed(void **state)
{
	end_under_way(loader_of);
}

static void test_starter_killed(void **state)
{
	end_under_way(starter_of);
}

static void test_starter_killed_at_first(void **state)
{
	struct role r;

	make_folder(&r);
	write_many(&r, "many.ndb");
	launch(&r, 1, 30);
	wait_for_loader(&r, 0);
	kill(starter_of(&r), SIGKILL);
	assert_ends(&r);
	start(&r, 1, 30);
	assert_scans(&r);
	stop(&r);
}

/* ---- folders that never stand still ---- */

/* Every second another one, half written now and then, until it is killed. */
static pid_t start_flapping(const struct role *r)
{
	pid_t pid = child_fork();

	if (pid)
		return pid;
	for (unsigned i = 0;; i++) {
		char text[128];

		snprintf(text, sizeof(text), "Warden.Flap.%u:0:*:00112233445566778899aabbccdd%04x\n",
			 i, i);
		write_database(r, "flap.ndb", text);
		sleep(1);
	}
}

static void test_flapping_folder(void **state)
{
	struct m_database db;
	struct role r;
	pid_t pid;

	start_with_markers(&r, 1, 30);
	pid = start_flapping(&r);
	assert_scans(&r);
	do	/* it may be refused, since it changed while it was read */
		db = next_database(&r);
	while (!db.ready);
	assert_in_range(db.signatures, 2, 3);	/* 2: while it was half written */
	assert_string_not_equal(db.epoch, r.database.epoch);
	assert_scans(&r);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* At rest: what is there now is loaded soon. */
	write_database(&r, "flap.ndb", "");
	do
		db = next_database(&r);
	while (!db.ready || db.signatures != 2);
	assert_scans(&r);
	stop(&r);
}

/* ---- workers in flight ---- */

/* Detections have workers replaced while the signatures are. */
static void test_no_zombies(void **state)
{
	struct role r;

	start_with_markers(&r, 8, 30);
	for (unsigned i = 0; i < 3; i++) {
		bool reloaded = false;
		char text[128];

		snprintf(text, sizeof(text), "Warden.Test.Other:0:*:00112233445566778899aabbccdd%04x\n", i);
		write_database(&r, "other.ndb", text);
		for (unsigned n = 0; !reloaded; n++) {
			struct m_database db;
			struct m_verdict v;
			struct msg m;

			snprintf(text, sizeof(text), "%u %u " MARKER, i, n);
			ask(&r, n, SCAN_MEMORY, sealed(text, strlen(text)));
			receive(&r, &m);
			if (msg_decode(&m, &msg_database, &db)) {
				reloaded = true;
				receive(&r, &m);
			}
			assert_true(msg_decode(&m, &msg_verdict, &v));
			assert_verdict(v, INFECTED);
		}
	}
	for (int i = 0; i < 100 && zombies_of(&r); i++)
		usleep(10000);
	assert_int_equal(zombies_of(&r), 0);
	stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loader_killed_at_first),
		cmocka_unit_test(test_loader_killed_at_reload),
		cmocka_unit_test(test_loader_without_memory),
		cmocka_unit_test(test_loader_killed),
		cmocka_unit_test(test_starter_killed),
		cmocka_unit_test(test_starter_killed_at_first),
		cmocka_unit_test(test_flapping_folder),
		cmocka_unit_test(test_no_zombies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

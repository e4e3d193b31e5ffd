// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The jail of each role, by the very function that the role calls: what ends
 * it, what it may open, and who it is.
 */
#include <sys/file.h>
#include <time.h>

#include "test_jail.h"

#include "channel/jail.h"
#include "engine/jail.h"
#include "integrity/jail.h"
#include "introspect/jail.h"
#include "lib/sandbox.h"
#include "qmp/jail.h"

#define BASE 1879100000u
#define FOLDER "/tmp/test-jail-folder"

static int as_engine(void) { return jail_engine(FOLDER, BASE + ROLE_UID_ENGINE); }
static int as_channel(void) { return jail_channel(FOLDER, BASE + ROLE_UID_CHANNEL); }
static int as_introspect(void) { return jail_introspect(BASE + ROLE_UID_INTROSPECT + 7); }
static int as_other_introspect(void) { return jail_introspect(BASE + ROLE_UID_INTROSPECT + 8); }
static int as_integrity(void) { return jail_integrity(BASE + ROLE_UID_INTEGRITY); }
static int as_qmp(void) { return jail_qmp(BASE + ROLE_UID_QMP); }

static const struct {
	jail_fn *jail;
	const char *name;
	uint32_t uid;
	bool opens;			/* files below its root */
} roles[] = {
	{ as_engine, "engine", BASE + ROLE_UID_ENGINE, true },
	{ as_channel, "channel", BASE + ROLE_UID_CHANNEL, true },
	{ as_introspect, "introspect", BASE + ROLE_UID_INTROSPECT + 7, false },
	{ as_integrity, "integrity", BASE + ROLE_UID_INTEGRITY, false },
	{ as_qmp, "qmp", BASE + ROLE_UID_QMP, false },
};

static int setup(void **state)
{
	if (geteuid())
		return 0;
	if (system("rm -rf " FOLDER) || mkdir(FOLDER, 0700))
		return -1;
	jail_other = start_jailed(as_other_introspect);
	return jail_other > 0 ? open_what_acts_need() : -1;
}

static int teardown(void **state)
{
	stop_jailed(jail_other);
	return system("rm -rf " FOLDER);
}

static void test_forbidden(void **state)
{
	static const struct forbidden all[] = { FORBIDDEN_TO_ALL, FORBIDDEN_BUT_TO_JAILERS };
	static const struct forbidden files[] = { FORBIDDEN(do_open) };

	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		print_message("%s\n", roles[i].name);
		assert_all_killed(roles[i].jail, all, ARRAY_SIZE(all));
		if (!roles[i].opens)
			assert_all_killed(roles[i].jail, files, ARRAY_SIZE(files));
	}
}

/* Files outside are not refused but absent, by whatever path. */
static int see_outside(void)
{
	static const char *const paths[] = {
		"/etc/passwd", "/proc/self/maps", "/dev/null", "../../../etc/passwd",
		FOLDER "/mine", "/dev/kvm_warden",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (open(paths[i], O_RDONLY) >= 0)
			return i + 1;
	return 0;
}

static int use_folder(void)
{
	int fd = open("/mine", O_RDWR | O_CREAT, 0600);

	return fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) || open("/roots", O_RDONLY) >= 0;
}

static void test_folder_and_nothing_else(void **state)
{
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (!roles[i].opens)
			continue;
		assert_int_equal(jail_engine_folder(FOLDER, roles[i].uid), 0);
		close(open(FOLDER "/roots", O_WRONLY | O_CREAT, 0600));
		assert_status(roles[i].jail, use_folder, 0);
		assert_status(roles[i].jail, see_outside, 0);
		unlink(FOLDER "/mine");
	}
}

static int by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What its checks do beside reading: they sort much, and wait before they look again. */
static int sort_and_wait(void)
{
	const struct timespec moment = { 0, 1000000 };
	const size_t n = 1 << 18;
	int *numbers = calloc(n, sizeof(*numbers));

	for (size_t i = 0; numbers && i < n; i++)
		numbers[i] = (int)(n - i);
	if (numbers)
		qsort(numbers, n, sizeof(*numbers), by_value);
	return !numbers || numbers[0] != 1 || nanosleep(&moment, NULL);
}

static void test_introspect_can_check(void **state)
{
	need_root();
	assert_status(as_introspect, sort_and_wait, 0);
}

static int kernel_file;

/* Opened before; read in turn with others. */
static int read_kernel_file(void)
{
	char byte;

	return flock(kernel_file, LOCK_EX | LOCK_NB) || pread(kernel_file, &byte, 1, 0) != 1 ||
	       flock(kernel_file, LOCK_UN);
}

static void test_introspect_reads_kernels_files(void **state)
{
	need_root();
	kernel_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(kernel_file >= 0);
	assert_status(as_introspect, read_kernel_file, 0);
	close(kernel_file);
}

static uint64_t status_field(pid_t pid, const char *field, int base)
{
	char path[64], line[256];
	uint64_t value = UINT64_MAX;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	autofile FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':')
			value = strtoull(line + strlen(field) + 1, NULL, base);
	return value;
}

static void test_who_they_are(void **state)
{
	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		pid_t pid = start_jailed(roles[i].jail);

		assert_true(pid > 0);
		assert_int_equal(status_field(pid, "Uid", 10), roles[i].uid);
		assert_int_equal(status_field(pid, "Gid", 10), roles[i].uid);
		assert_int_equal(status_field(pid, "CapPrm", 16), 0);
		assert_int_equal(status_field(pid, "CapEff", 16), 0);
		assert_int_equal(status_field(pid, "NoNewPrivs", 10), 1);
		assert_int_equal(status_field(pid, "Seccomp", 10), 2);
		stop_jailed(pid);
	}
}

/* What an older release left, when all roles were nobody, is the engine's by now. */
static void test_journal_is_adopted(void **state)
{
	const uint32_t uid = BASE + ROLE_UID_ENGINE;
	struct stat st;

	need_root();
	close(open(FOLDER "/old.db", O_WRONLY | O_CREAT, 0600));
	close(open(FOLDER "/root.db", O_WRONLY | O_CREAT, 0600));
	close(open("/tmp/test-jail-victim", O_WRONLY | O_CREAT, 0600));
	assert_int_equal(chown(FOLDER "/old.db", 65534, 65534), 0);
	assert_int_equal(chown("/tmp/test-jail-victim", 65534, 65534), 0);
	/* Of a role that was taken over. */
	assert_int_equal(symlink("/tmp/test-jail-victim", FOLDER "/link"), 0);
	assert_int_equal(link("/tmp/test-jail-victim", FOLDER "/hard"), 0);
	assert_int_equal(jail_engine_folder(FOLDER, uid), 0);
	assert_int_equal(stat(FOLDER, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(stat(FOLDER "/old.db", &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, uid);
	assert_int_equal(stat(FOLDER "/root.db", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(stat("/tmp/test-jail-victim", &st), 0);
	assert_int_equal(st.st_uid, 65534);
	unlink("/tmp/test-jail-victim");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden), cmocka_unit_test(test_folder_and_nothing_else),
		cmocka_unit_test(test_introspect_can_check),
		cmocka_unit_test(test_introspect_reads_kernels_files),
		cmocka_unit_test(test_who_they_are), cmocka_unit_test(test_journal_is_adopted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

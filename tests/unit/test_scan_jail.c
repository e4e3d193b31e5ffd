// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The very jails the scanner uses, with an act inside that they forbid: the
 * kernel must kill the process that tries it, or show it nothing.
 */
#include "test_jail.h"

#include "scan/jail.h"

#define MEMORY (4ull << 30)
#define USER 1879100002u

static int jail_as_worker(void)
{
	return jail_private_tree("/etc") || jail_loader() || jail_worker(MEMORY, USER);
}

static int jail_as_loader(void)
{
	return jail_private_tree("/etc") || jail_loader();
}

static int jail_as_broker(void)
{
	return jail_broker(USER);
}

static int setup(void **state)
{
	if (geteuid())
		return 0;
	jail_other = start_jailed(jail_as_worker);
	return jail_other > 0 ? open_what_acts_need() : -1;
}

static int teardown(void **state)
{
	stop_jailed(jail_other);
	return 0;
}

static int do_process_madvise(void) { return syscall(SYS_process_madvise, 0, 0, 0, 0, 0); }

static void test_worker_is_killed(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN_TO_ALL, FORBIDDEN_BUT_TO_JAILERS, FORBIDDEN(do_process_madvise),
	};

	assert_all_killed(jail_as_worker, list, ARRAY_SIZE(list));
}

static void test_loader_is_killed(void **state)
{
	static const struct forbidden list[] = { FORBIDDEN_TO_ALL };

	assert_all_killed(jail_as_loader, list, ARRAY_SIZE(list));
}

static void test_broker_is_killed(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN_TO_ALL, FORBIDDEN_BUT_TO_JAILERS, FORBIDDEN(do_open),
	};

	assert_all_killed(jail_as_broker, list, ARRAY_SIZE(list));
}

static void test_jail_alone_kills_nobody(void **state)
{
	need_root();
	assert_status(jail_as_worker, do_nothing, 0);
	assert_status(jail_as_loader, do_nothing, 0);
	assert_status(jail_as_broker, do_nothing, 0);
}

/* Files outside are not refused but absent, by whatever path. */
static int see_outside(void)
{
	static const char *const paths[] = {
		"/etc/passwd", "/proc/self/maps", "/dev/null", "/database/passwd",
		"../../../etc/passwd", "/worker", "../database/passwd",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (open(paths[i], O_RDONLY) >= 0)
			return i + 1;
	return 0;
}

static void test_worker_sees_no_file(void **state)
{
	need_root();
	assert_status(jail_as_worker, see_outside, 0);
}

static int write_inside(void)
{
	int fd = open(JAIL_TMP "/x", O_RDWR | O_CREAT | O_EXCL, 0600);

	return fd < 0 || write(fd, "x", 1) != 1;
}

static void test_worker_has_its_tmpfs(void **state)
{
	need_root();
	assert_status(jail_as_worker, write_inside, 0);
	/* Not the last one's. */
	assert_status(jail_as_worker, write_inside, 0);
}

static int fill_tmpfs(void)
{
	static char block[1 << 20];

	signal(SIGXFSZ, SIG_IGN);
	for (int f = 0; f < 8; f++) {
		char name[32];
		int fd;

		snprintf(name, sizeof(name), JAIL_TMP "/%d", f);
		fd = open(name, O_WRONLY | O_CREAT, 0600);
		while (write(fd, block, sizeof(block)) == sizeof(block))
			;
		if (errno == ENOSPC)
			return 0;
	}
	return 1;
}

static void test_tmpfs_is_bounded(void **state)
{
	need_root();
	assert_status(jail_as_worker, fill_tmpfs, 0);
}

static int take_memory(void)
{
	return mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

static void test_memory_is_bounded(void **state)
{
	need_root();
	assert_status(jail_as_worker, take_memory, 0);
}

/* The loader keeps root, but not the files that go with it. */
static int loader_sees(void)
{
	if (open("/etc/passwd", O_RDONLY) >= 0 || open("/database/passwd", O_RDONLY) < 0)
		return 1;
	return open("/database/x", O_WRONLY | O_CREAT, 0600) >= 0 || errno != EROFS;
}

static void test_loader_sees_databases_alone(void **state)
{
	need_root();
	assert_status(jail_as_loader, loader_sees, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jail_alone_kills_nobody),
		cmocka_unit_test(test_worker_is_killed),
		cmocka_unit_test(test_loader_is_killed),
		cmocka_unit_test(test_broker_is_killed),
		cmocka_unit_test(test_worker_sees_no_file),
		cmocka_unit_test(test_worker_has_its_tmpfs),
		cmocka_unit_test(test_tmpfs_is_bounded),
		cmocka_unit_test(test_memory_is_bounded),
		cmocka_unit_test(test_loader_sees_databases_alone),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

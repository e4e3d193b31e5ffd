// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a role that was taken over must not be able to do ends it by SIGSYS;
 * what roles do goes on.
 */
#include "test_jail.h"

#include <linux/landlock.h>
#include <seccomp.h>

#include "lib/sandbox.h"

static int jail(void)
{
	static const int calls[] = { SCMP_SYS(memfd_create), SCMP_SYS(ftruncate) };
	static const unsigned ioctls[] = { FIONREAD };
	const struct sandbox box = {
		.syscalls = calls, .nsyscalls = ARRAY_SIZE(calls),
		.ioctls = ioctls, .nioctls = ARRAY_SIZE(ioctls),
		.max_file = 1 << 20,
	};

	return sandbox_apply(&box);
}

static int setup(void **state)
{
	if (geteuid())
		return 0;
	jail_other = start_jailed(jail);	/* plays a role of the same user */
	return jail_other > 0 ? open_what_acts_need() : -1;
}

static int teardown(void **state)
{
	stop_jailed(jail_other);
	return 0;
}

static void test_forbidden(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN_TO_ALL, FORBIDDEN_BUT_TO_JAILERS, FORBIDDEN(do_open),
	};

	assert_all_killed(jail, list, ARRAY_SIZE(list));
}

/* ---- allowed ---- */

static int do_abort(void) { abort(); }

static int do_work(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = memfd_create("x", MFD_ALLOW_SEALING), n, copy;

	if (fd < 0 || ftruncate(fd, 4096) || fcntl(fd, F_GETFD) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETLK, &lock) ||
	    fcntl(fd, F_SETLKW, &lock) || fcntl(fd, F_GETLK, &lock))
		return 1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || close(copy) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) ||
	    fcntl(fd, F_GET_SEALS) != F_SEAL_SHRINK)
		return 2;
	if (fcntl(jail_socket, F_SETFL, fcntl(jail_socket, F_GETFL) | O_NONBLOCK) ||
	    ioctl(jail_socket, FIONREAD, &n) || n)
		return 3;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static void test_allowed(void **state)
{
	int status;

	need_root();
	status = status_of(jail, do_work);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	status = status_of(jail, do_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- files, by Landlock ---- */

#define FOLDER "/tmp/test-sandbox-folder"
#define USER 1879100009u

static unsigned files;

static int jail_in_folder(void)
{
	static const int calls[] = {
		SCMP_SYS(openat), SCMP_SYS(mkdir), SCMP_SYS(unlink), SCMP_SYS(rename),
	};
	const struct sandbox box = {
		.root = FOLDER, .uid = USER, .files = files,
		.syscalls = calls, .nsyscalls = ARRAY_SIZE(calls),
		.max_file = 4096,
	};

	return sandbox_apply(&box);
}

/* Bit by bit: read, make, write, rename, remove, make a folder. */
static int try_files(void)
{
	int read_fd = open("/old", O_RDONLY), write_fd = open("/old", O_WRONLY);

	return (read_fd >= 0) | (open("/new", O_WRONLY | O_CREAT, 0600) >= 0) << 1 |
	       (write_fd >= 0) << 2 | !rename("/old", "/newer") << 3 |
	       !unlink("/newer") << 4 | !mkdir("/folder", 0700) << 5;
}

static int try_with(unsigned rights)
{
	int status, fd;

	assert_int_equal(system("rm -rf " FOLDER), 0);
	assert_int_equal(mkdir(FOLDER, 0700), 0);
	fd = open(FOLDER "/old", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, USER, USER) | chown(FOLDER, USER, USER), 0);
	close(fd);
	files = rights;
	status = status_of(jail_in_folder, try_files);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

/* The folder is the role's own: its modes would allow it everything. */
static void test_files(void **state)
{
	need_root();
	if (!has_landlock()) {
		print_message("skipped: this kernel has no Landlock\n");
		skip();
	}
	assert_int_equal(try_with(0), 0);
	assert_int_equal(try_with(SANDBOX_READ), 1);
	assert_int_equal(try_with(SANDBOX_READ | SANDBOX_WRITE), 31);
	assert_int_equal(try_with(SANDBOX_READ | SANDBOX_WRITE | SANDBOX_FOLDERS), 63);
	assert_int_equal(system("rm -rf " FOLDER), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The very jails the scanner uses, with an act inside that they forbid: the
 * kernel must kill the process that tries it, or show it nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "scan/jail.h"

#define NO_JAIL 99
#define MEMORY (4ull << 30)

typedef int (*act)(void);

static int jail_as_worker(void)
{
	return jail_private_tree("/etc") || jail_loader() || jail_worker(MEMORY);
}

static int jail_as_loader(void)
{
	return jail_private_tree("/etc") || jail_loader();
}

/* The wait status of a process that does this in that jail. */
static int status_of(int (*jail)(void), act do_it)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (jail())
			_exit(NO_JAIL);
		_exit(do_it());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("skipped: needs root\n");
	skip();
}

static void assert_killed(int (*jail)(void), act do_it, const char *name)
{
	int status = status_of(jail, do_it);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("%s: status 0x%x, not killed by SIGSYS", name, status);
}

static void assert_status(int (*jail)(void), act do_it, int expected)
{
	int status = status_of(jail, do_it);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

static int do_nothing(void) { return 0; }
static int do_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }
static int do_exec(void) { return execl("/bin/true", "true", NULL); }
static int do_fork(void) { return fork() < 0; }
static int do_kill(void) { return kill(1, 0); }
static int do_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0); }
static int do_chroot(void) { return chroot("/"); }
static int do_mount(void) { return mount("a", "/", "tmpfs", 0, NULL); }
static int do_unshare(void) { return unshare(CLONE_NEWUSER); }
static int do_setuid(void) { return setresuid(0, 0, 0); }
static int do_link(void) { return symlink("/etc/passwd", "/x"); }
static int do_process_read(void) { return syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0); }
static int do_bpf(void) { return syscall(SYS_bpf, 0, 0, 0); }

static int do_exec_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static int do_exec_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

/* Each test lists what it forbids. */
struct forbidden {
	act act;
	const char *name;
};

#define FORBIDDEN(f) { f, #f }

static void assert_all_killed(int (*jail)(void), const struct forbidden *list, size_t n)
{
	need_root();
	for (size_t i = 0; i < n; i++)
		assert_killed(jail, list[i].act, list[i].name);
}

static void test_worker_is_killed(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN(do_socket), FORBIDDEN(do_unix_socket), FORBIDDEN(do_exec),
		FORBIDDEN(do_fork), FORBIDDEN(do_kill), FORBIDDEN(do_ptrace),
		FORBIDDEN(do_chroot), FORBIDDEN(do_mount), FORBIDDEN(do_unshare),
		FORBIDDEN(do_setuid), FORBIDDEN(do_link), FORBIDDEN(do_process_read),
		FORBIDDEN(do_bpf), FORBIDDEN(do_exec_memory), FORBIDDEN(do_exec_protect),
	};

	assert_all_killed(jail_as_worker, list, ARRAY_SIZE(list));
}

static void test_loader_is_killed(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN(do_socket), FORBIDDEN(do_exec), FORBIDDEN(do_ptrace),
		FORBIDDEN(do_process_read), FORBIDDEN(do_bpf), FORBIDDEN(do_exec_memory),
		FORBIDDEN(do_kill), FORBIDDEN(do_link),
	};

	assert_all_killed(jail_as_loader, list, ARRAY_SIZE(list));
}

static void test_broker_is_killed(void **state)
{
	static const struct forbidden list[] = {
		FORBIDDEN(do_socket), FORBIDDEN(do_exec), FORBIDDEN(do_fork),
		FORBIDDEN(do_kill), FORBIDDEN(do_chroot), FORBIDDEN(do_link),
		FORBIDDEN(do_exec_memory),
	};

	assert_all_killed(jail_broker, list, ARRAY_SIZE(list));
}

static void test_jail_alone_kills_nobody(void **state)
{
	need_root();
	assert_status(jail_as_worker, do_nothing, 0);
	assert_status(jail_as_loader, do_nothing, 0);
	assert_status(jail_broker, do_nothing, 0);
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

	return cmocka_run_group_tests(tests, NULL, NULL);
}

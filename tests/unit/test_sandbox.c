// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a role that was taken over must not be able to do ends it by SIGSYS;
 * what roles do goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/sandbox.h"
#include "lib/util.h"

#define NO_JAIL 99

static pid_t other;			/* plays a role of the same user */
static int pair[2];
static int terminal;

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

static int status_of(int (*act)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (jail())
			_exit(NO_JAIL);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int setup(void **state)
{
	int slave, ready[2];
	char c;

	if (geteuid())
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || pipe(ready) ||
	    openpty(&terminal, &slave, NULL, NULL, NULL))
		return -1;
	terminal = slave;
	other = fork();
	if (!other) {
		if (jail() || write(ready[1], "x", 1) != 1)
			_exit(NO_JAIL);
		for (;;)
			poll(NULL, 0, 1000);
	}
	return read(ready[0], &c, 1) == 1 ? 0 : -1;
}

static int teardown(void **state)
{
	if (other > 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	return 0;
}

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("skipped: needs root\n");
	skip();
}

/* ---- forbidden ---- */

static int do_tgkill(void) { return syscall(SYS_tgkill, other, other, SIGKILL); }
/* The kernel would drop the upper half. */
static int do_tgkill_high(void) { return syscall(SYS_tgkill, other | 1ull << 32, other, SIGKILL); }
static int do_kill(void) { return kill(other, SIGKILL); }
static int do_tkill(void) { return syscall(SYS_tkill, other, SIGKILL); }
static int do_setown(void) { return fcntl(pair[0], F_SETOWN, other); }
static int do_setsig(void) { return fcntl(pair[0], F_SETSIG, SIGKILL); }
static int do_lease(void) { return fcntl(pair[0], F_SETLEASE, F_RDLCK); }
static int do_notify(void) { return fcntl(pair[0], F_NOTIFY, DN_MODIFY); }
static int do_async(void) { return fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK); }
static int do_setown_ioctl(void) { return ioctl(pair[0], FIOSETOWN, &other); }
static int do_async_ioctl(void) { return ioctl(pair[0], FIOASYNC, &other); }
static int do_type(void) { return ioctl(terminal, TIOCSTI, "x"); }
static int do_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static int do_open(void) { return open("/", O_RDONLY); }
static int do_exec(void) { return execl("/bin/true", "true", NULL); }
static int do_fork(void) { return fork() < 0; }
static int do_ptrace(void) { return syscall(SYS_ptrace, 0, 0, 0, 0); }

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

static void test_forbidden(void **state)
{
	static const struct {
		int (*act)(void);
		const char *name;
	} list[] = {
#define F(f) { f, #f }
		F(do_tgkill), F(do_tgkill_high), F(do_kill), F(do_tkill), F(do_setown),
		F(do_setsig), F(do_lease), F(do_notify), F(do_async), F(do_setown_ioctl),
		F(do_async_ioctl), F(do_type), F(do_socket), F(do_open), F(do_exec),
		F(do_fork), F(do_ptrace), F(do_exec_memory), F(do_exec_protect),
#undef F
	};

	need_root();
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		int status = status_of(list[i].act);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status 0x%x, not killed by SIGSYS", list[i].name, status);
		assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	}
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
	if (fcntl(pair[0], F_SETFL, fcntl(pair[0], F_GETFL) | O_NONBLOCK) ||
	    ioctl(pair[0], FIONREAD, &n) || n)
		return 3;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static void test_allowed(void **state)
{
	int status;

	need_root();
	status = status_of(do_work);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	status = status_of(do_abort);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

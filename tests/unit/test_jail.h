/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a role that was taken over might try, and how a child fares that tries
 * it in a jail: killed by SIGSYS, refused, or (what it must not) well.
 */
#ifndef TEST_JAIL_H
#define TEST_JAIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"

#define NO_JAIL 99

/* 0, or the caller must exit. */
typedef int jail_fn(void);
/* Its result is the status of the child. */
typedef int act_fn(void);

/* A process of another role's, a socket and a terminal that were open before. */
static pid_t jail_other;
static int jail_socket, jail_terminal;

static inline void need_root(void)
{
	if (!geteuid())
		return;
	print_message("skipped: needs root\n");
	skip();
}

/* The wait status of a child that does this in that jail. */
static inline int status_of(jail_fn *jail, act_fn *act)
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

static inline void assert_status(jail_fn *jail, act_fn *act, int expected)
{
	int status = status_of(jail, act);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
}

/* Each test lists what it forbids. */
struct forbidden {
	act_fn *act;
	const char *name;
};

#define FORBIDDEN(f) { f, #f }

static inline void assert_all_killed(jail_fn *jail, const struct forbidden *list, size_t n)
{
	need_root();
	for (size_t i = 0; i < n; i++) {
		int status = status_of(jail, list[i].act);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status 0x%x, not killed by SIGSYS", list[i].name, status);
		if (jail_other > 0)
			assert_int_equal(waitpid(jail_other, NULL, WNOHANG), 0);
	}
}

/* A child in a jail, waiting; ready once it is in it.  It ends with this process. */
static inline pid_t start_jailed(jail_fn *jail)
{
	static int gate[2] = { -1, -1 };	/* open as long as this process lives */
	struct pollfd lives;
	int ready[2];
	pid_t pid;
	char c;

	if (pipe2(ready, O_CLOEXEC) || (gate[0] < 0 && pipe2(gate, O_CLOEXEC)))
		return -1;
	pid = fork();
	if (!pid) {
		if (jail() || write(ready[1], "x", 1) != 1)
			_exit(NO_JAIL);
		close(gate[1]);
		lives = (struct pollfd){ gate[0], POLLIN, 0 };
		poll(&lives, 1, -1);
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static inline void stop_jailed(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline int open_what_acts_need(void)
{
	int pair[2], master;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) ||
	    openpty(&master, &jail_terminal, NULL, NULL, NULL))
		return -1;
	jail_socket = pair[0];
	return 0;
}

/* ---- acts ---- */

static inline int do_nothing(void) { return 0; }
/* files */
static inline int do_open(void) { return open("/etc/passwd", O_RDONLY) < 0; }
static inline int do_link(void) { return symlink("/etc/passwd", "/x"); }
static inline int do_hard_link(void) { return link("/a", "/b"); }
static inline int do_mknod(void) { return mknod("/x", S_IFCHR | 0600, 1); }
static inline int do_chroot(void) { return chroot("/"); }
static inline int do_mount(void) { return mount("a", "/", "tmpfs", 0, NULL); }
/* the net */
static inline int do_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static inline int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }

static inline int do_connect(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/run/x" };

	return connect(jail_socket, (const struct sockaddr *)&address, sizeof(address));
}

static inline int do_bind(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "/x" };

	return bind(jail_socket, (const struct sockaddr *)&address, sizeof(address));
}

/* programs and processes */
static inline int do_exec(void) { return execl("/bin/true", "true", NULL); }
static inline int do_fork(void) { return fork() < 0; }
static inline int do_vfork(void) { return syscall(SYS_vfork) < 0; }
static inline int do_clone3(void) { return syscall(SYS_clone3, NULL, 0) < 0; }
static inline int do_unshare(void) { return unshare(CLONE_NEWUSER); }
static inline int do_setns(void) { return setns(0, 0); }
static inline int do_setuid(void) { return setresuid(0, 0, 0); }
static inline int do_setgid(void) { return setresgid(0, 0, 0); }
static inline int do_capset(void) { return syscall(SYS_capset, NULL, NULL); }
static inline int do_trace_me(void) { return ptrace(PTRACE_TRACEME, 0, 0, 0); }
static inline int do_trace(void) { return ptrace(PTRACE_SEIZE, jail_other, 0, 0) != 0; }
static inline int do_process_read(void) { return syscall(SYS_process_vm_readv, jail_other, 0, 0, 0, 0, 0); }
static inline int do_process_write(void) { return syscall(SYS_process_vm_writev, jail_other, 0, 0, 0, 0, 0); }
static inline int do_pidfd(void) { return syscall(SYS_pidfd_open, jail_other, 0) < 0; }
/* signals, by every way there is */
static inline int do_kill(void) { return kill(jail_other, SIGKILL); }
static inline int do_tkill(void) { return syscall(SYS_tkill, jail_other, SIGKILL); }
static inline int do_tgkill(void) { return syscall(SYS_tgkill, jail_other, jail_other, SIGKILL); }
/* The kernel would drop the upper half. */
static inline int do_tgkill_high(void) { return syscall(SYS_tgkill, jail_other | 1ull << 32, jail_other, SIGKILL); }
static inline int do_sigqueue(void) { return syscall(SYS_rt_sigqueueinfo, jail_other, SIGKILL, NULL); }
static inline int do_setown(void) { return fcntl(jail_socket, F_SETOWN, jail_other); }
static inline int do_setsig(void) { return fcntl(jail_socket, F_SETSIG, SIGKILL); }
static inline int do_lease(void) { return fcntl(jail_socket, F_SETLEASE, F_RDLCK); }
static inline int do_notify(void) { return fcntl(jail_socket, F_NOTIFY, DN_MODIFY); }
static inline int do_async(void) { return fcntl(jail_socket, F_SETFL, O_ASYNC | O_NONBLOCK); }
static inline int do_setown_ioctl(void) { return ioctl(jail_socket, FIOSETOWN, &jail_other); }
static inline int do_async_ioctl(void) { return ioctl(jail_socket, FIOASYNC, &jail_other); }
static inline int do_type(void) { return ioctl(jail_terminal, TIOCSTI, "x"); }
/* the kernel */
static inline int do_bpf(void) { return syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0); }
static inline int do_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static inline int do_module(void) { return syscall(SYS_finit_module, -1, "", 0); }
static inline int do_io_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static inline int do_userfaultfd(void) { return syscall(SYS_userfaultfd, 0); }
static inline int do_keyctl(void) { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }
/* memory */

static inline int do_read_ahead(void)
{
	void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return madvise(p, 4096, MADV_WILLNEED);
}

static inline int do_exec_memory(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED;
}

static inline int do_exec_protect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

/* No role may do one of these; whether it may open files or make processes is its own. */
#define FORBIDDEN_TO_ALL							\
	FORBIDDEN(do_link), FORBIDDEN(do_hard_link), FORBIDDEN(do_mknod),	\
	FORBIDDEN(do_socket), FORBIDDEN(do_unix_socket), FORBIDDEN(do_connect),	\
	FORBIDDEN(do_bind), FORBIDDEN(do_exec), FORBIDDEN(do_vfork),		\
	FORBIDDEN(do_clone3), FORBIDDEN(do_setns), FORBIDDEN(do_capset),	\
	FORBIDDEN(do_trace_me), FORBIDDEN(do_trace), FORBIDDEN(do_process_read), \
	FORBIDDEN(do_process_write), FORBIDDEN(do_pidfd), FORBIDDEN(do_kill),	\
	FORBIDDEN(do_tkill), FORBIDDEN(do_tgkill), FORBIDDEN(do_tgkill_high),	\
	FORBIDDEN(do_sigqueue), FORBIDDEN(do_setown), FORBIDDEN(do_setsig),	\
	FORBIDDEN(do_lease), FORBIDDEN(do_notify), FORBIDDEN(do_async),		\
	FORBIDDEN(do_setown_ioctl), FORBIDDEN(do_async_ioctl),			\
	FORBIDDEN(do_type), FORBIDDEN(do_bpf), FORBIDDEN(do_perf),		\
	FORBIDDEN(do_module), FORBIDDEN(do_io_uring), FORBIDDEN(do_userfaultfd), \
	FORBIDDEN(do_keyctl), FORBIDDEN(do_exec_memory), FORBIDDEN(do_exec_protect), \
	FORBIDDEN(do_read_ahead)

/* And to those that make no jails for others. */
#define FORBIDDEN_BUT_TO_JAILERS						\
	FORBIDDEN(do_fork), FORBIDDEN(do_chroot), FORBIDDEN(do_mount),		\
	FORBIDDEN(do_unshare), FORBIDDEN(do_setuid), FORBIDDEN(do_setgid)

#endif

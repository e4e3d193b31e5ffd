/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A real QEMU for the tests of its monitor: no guest runs in it, all else is there. */
#ifndef TEST_QMP_VM_H
#define TEST_QMP_VM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_child.h"

#define VM_PROGRAM "/usr/bin/qemu-system-x86_64"
#define VM_WAIT_MS 60000

static char vm_path[64];

static inline bool vm_exists(void)
{
	return access(VM_PROGRAM, X_OK) == 0;
}

static inline int vm_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, vm_path);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	close(fd);
	return -1;
}

/*
 * It greets: a QEMU that still starts up listens long before it answers, and
 * on a busy machine longer than the program under test waits for a greeting.
 */
static inline bool vm_greets(void)
{
	int fd = vm_connect();
	struct pollfd p = { fd, POLLIN, 0 };
	bool greets = fd >= 0 && poll(&p, 1, VM_WAIT_MS) == 1;

	if (fd >= 0)
		close(fd);
	return greets;
}

/*
 * Its process id once its monitor answers: named by -qmp, in either style, or
 * by -chardev and -mon.  extra: further arguments, ended by NULL.
 */
static inline pid_t vm_start(const char *const *monitor, const char *const *extra)
{
	const char *args[48] = {
		VM_PROGRAM, "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", "q35,accel=tcg", "-m", "16", "-name", "guest=unit",
	};
	size_t n = 11;
	pid_t pid;

	while (*monitor)
		args[n++] = *monitor++;
	while (extra && *extra)
		args[n++] = *extra++;
	pid = child_fork();
	if (!pid) {
		sigset_t none;
		int null = open("/dev/null", O_RDWR);

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(null, 0);
		dup2(null, 1);
		execv(VM_PROGRAM, (char **)args);
		_exit(127);
	}
	for (int ms = 0; ms < VM_WAIT_MS && !vm_greets(); ms += 20)
		usleep(20000);
	return pid;
}

static inline void vm_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(vm_path);
}

#endif

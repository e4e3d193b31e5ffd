/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children that end with their test, however it ends: failed, out of time or
 * killed.  A program that changes its user loses the signal: the roles set it
 * again, or end with their socket.
 */
#ifndef WARDEN_TEST_CHILD_H
#define WARDEN_TEST_CHILD_H

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* For a child whose parent is that; again after it has changed its user. */
static inline void child_ends_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
}

static inline pid_t child_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid)
		child_ends_with(parent);
	return pid;
}

#endif

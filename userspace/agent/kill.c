// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/kill.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/filehash.h"
#include "agent/process.h"
#include "channel/clock.h"
#include "lib/util.h"

#define EXIT_MS 3000		/* for a killed process to be gone */
#define NSEC_PER_TICK 10000000	/* USER_HZ is 100 in every kernel we know */

/*
 * fs/proc/array.c: nsec_to_clock_t(start_boottime), which for USER_HZ 100 is
 * div_u64(x, NSEC_PER_SEC / USER_HZ): it drops the rest and never rounds.  So
 * ticks must be equal: a tick of tolerance would only help a reused pid.  (An
 * agent in a time namespace would see other ticks, and kill nothing.)
 */
uint64_t kill_start_ticks(uint64_t start_ns)
{
	return start_ns / NSEC_PER_TICK;
}

/*
 * False and an answer: leave the process alone.
 *
 * EACCES: a user's own FUSE mount denies root to look into it, so that an
 * executable there could never be checked nor killed.  Pid and start are that
 * one process's already; all the hash could still show is an exec since.
 */
static bool check_exe(const struct process *p, const struct record_order *order,
		      struct record_result *result, bool *ret_denied)
{
	autofd int fd = process_open_exe(p);
	struct stat st;

	*ret_denied = fd == -EACCES;
	if (*ret_denied && !process_ended(p, 0))
		return true;
	if (fd < 0 && process_ended(p, 0))
		return answer(result, WIRE_NO_TARGET, "it ended by itself");
	if (fd < 0 || fstat(fd, &st))
		return answer(result, WIRE_FAILED, "its executable cannot be read: %s",
			      strerror(fd < 0 ? -fd : errno));
	if (!file_matches(fd, st.st_size, &order->file))
		return answer(result, WIRE_MISMATCH, "pid %u executes something else", order->pid);
	return true;
}

static bool check_identity(const struct process *p, const struct record_order *order,
			   struct record_result *result, bool *ret_denied)
{
	struct process_stat stat;
	int r = process_stat(p, &stat);

	if (r == -ESRCH)
		return answer(result, WIRE_NO_TARGET, "it ended by itself");
	if (r)
		return answer(result, WIRE_FAILED, "its /proc/%u/stat: %s", order->pid,
			      strerror(-r));
	if (stat.kernel_thread)
		return answer(result, WIRE_NOT_ALLOWED, "pid %u is a kernel thread", order->pid);
	if (stat.start_ticks != kill_start_ticks(order->start_ns))
		return answer(result, WIRE_MISMATCH, "pid %u began at tick %llu, not %llu",
			      order->pid, (unsigned long long)stat.start_ticks,
			      (unsigned long long)kill_start_ticks(order->start_ns));
	return check_exe(p, order, result, ret_denied);
}

/* The signal goes to the process that was checked, whoever has its pid now. */
static void kill_checked(const struct process *p, uint32_t pid, bool denied,
			 struct record_result *result)
{
	const char *note = denied ? "; its executable denies reading: not compared" : "";
	uint64_t begin = clock_ms();

	if (syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0)) {
		if (errno == ESRCH)
			answer(result, WIRE_NO_TARGET, "it ended by itself");
		else
			answer(result, WIRE_FAILED, "signal: %s", strerror(errno));
	} else if (process_ended(p, EXIT_MS)) {
		answer(result, WIRE_DONE, "pid %u killed, gone after %llu ms%s", pid,
		       (unsigned long long)(clock_ms() - begin), note);
	} else {
		answer(result, WIRE_FAILED, "killed, but not gone after %d ms%s", EXIT_MS, note);
	}
}

void kill_verb(const struct record_order *order, pid_t agent, struct record_result *result)
{
	struct process p = PROCESS_NONE;
	bool denied = false;
	int r;

	if (!order->file.nranges)
		answer(result, WIRE_NOT_ALLOWED, "no executable hash");
	else if (order->pid == 1)
		answer(result, WIRE_NOT_ALLOWED, "never pid 1");
	else if (order->pid == (uint32_t)agent)
		answer(result, WIRE_NOT_ALLOWED, "never the agent itself");
	else if ((r = process_open((pid_t)MIN(order->pid, (uint32_t)INT32_MAX), &p)))
		answer(result, r == -ESRCH ? WIRE_NO_TARGET : WIRE_FAILED, "pid %u: %s",
		       order->pid, strerror(-r));
	else if (check_identity(&p, order, result, &denied))
		kill_checked(&p, order->pid, denied, result);
	process_close(&p);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/vmm_args.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "lib/log.h"
#include "lib/util.h"

#define PATIENCE_US 2000000ull
#define HANGING_MAX 32			/* then nobody is asked until one of them goes */

/* Children that wait in the kernel, where not even SIGKILL ends them. */
static struct {
	pid_t child;
	uint32_t vmm;
} hanging[HANGING_MAX];
static unsigned nhanging;

static void forget_those_that_went(void)
{
	for (unsigned i = 0; i < nhanging; i++)
		if (waitpid(hanging[i].child, NULL, WNOHANG))
			hanging[i--] = hanging[--nhanging];
}

static bool may_ask(uint32_t vmm)
{
	forget_those_that_went();
	for (unsigned i = 0; i < nhanging; i++)
		if (hanging[i].vmm == vmm)
			return false;
	return nhanging < HANGING_MAX;
}

/* ---- in the child ---- */

/* With nothing of ours held open for as long as it may hang. */
static noreturn void copy(uint32_t vmm, int out)
{
	char path[32], buffer[4096];
	size_t left = VMM_ARGS - 1;
	ssize_t n;
	int in;

	if (dup2(out, 0) < 0 || close_range(1, ~0u, 0))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(path, sizeof(path), "/proc/%u/cmdline", vmm);
	in = open(path, O_RDONLY | O_CLOEXEC);
	while (in >= 0 && left && (n = read(in, buffer, MIN(sizeof(buffer), left))) > 0) {
		if (write(0, buffer, n) != n)
			break;
		left -= n;
	}
	_exit(0);
}

/* ---- in the parent ---- */

/* False: it is not done in time. */
static bool collect(int in, char args[VMM_ARGS], size_t *ret_used)
{
	const uint64_t end = now_us() + PATIENCE_US;
	ssize_t n = 1;

	for (*ret_used = 0; n; ) {
		uint64_t now = now_us();
		struct pollfd p = { .fd = in, .events = POLLIN };

		if (now >= end || poll(&p, 1, (end - now) / 1000 + 1) == 0)
			return false;
		n = read(in, args + *ret_used, VMM_ARGS - *ret_used);
		if (n > 0)
			*ret_used += n;
		else if (n < 0 && errno != EINTR)
			return false;
	}
	return true;
}

static void give_up(pid_t child, uint32_t vmm)
{
	log_warn("VMM %u: its command line cannot be read within 2 s: no name, CID or monitor is known from there "
		 "(a process that holds up its readers does so on purpose, or hangs)", vmm);
	kill(child, SIGKILL);
	hanging[nhanging].child = child;
	hanging[nhanging++].vmm = vmm;
}

size_t vmm_args(uint32_t pid, char args[VMM_ARGS])
{
	int ends[2];
	size_t used = 0;
	pid_t child;

	args[0] = '\0';
	if (!may_ask(pid) || pipe2(ends, O_CLOEXEC))
		return 0;
	child = fork();
	if (child == 0)
		copy(pid, ends[1]);
	close(ends[1]);
	if (child > 0 && !collect(ends[0], args, &used)) {
		give_up(child, pid);
		used = 0;
	} else if (child > 0) {
		waitpid(child, NULL, 0);
	}
	close(ends[0]);
	args[used] = '\0';
	return used;
}

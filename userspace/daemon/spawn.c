// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define MAX_FDS 8		/* with the executable */
#define OUT_OF_THE_WAY (ROLE_FD + MAX_FDS)

/* The roles that came with this parent, wherever an upgrade has put others since. */
static struct executable {
	const char *name;
	int fd;
} executables[] = {
	{ "engine", -1 }, { "scan", -1 }, { "channel", -1 }, { "introspect", -1 }, { "qmp", -1 },
	{ "integrity", -1 },
};

static void make_path(char path[512], const char *libexec_dir, const char *name)
{
	snprintf(path, 512, "%s/warden-%s", libexec_dir, name);
}

int spawn_hold(const char *libexec_dir)
{
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(executables); i++) {
		make_path(path, libexec_dir, executables[i].name);
		executables[i].fd = open(path, O_PATH | O_CLOEXEC);
		if (executables[i].fd < 0) {
			log_err("%s: %s: install it, or set libexec_dir", path, strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int held(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(executables); i++)
		if (!strcmp(executables[i].name, name))
			return executables[i].fd;
	return -1;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void spawn_keep_only(const char *name, const int *fds, size_t nfds)
{
	int all[MAX_FDS], from = 3;
	size_t n = nfds;

	if (nfds >= MAX_FDS)
		_exit(126);
	memcpy(all, fds, nfds * sizeof(*fds));
	all[n++] = held(name);
	qsort(all, n, sizeof(*all), by_number);
	for (size_t i = 0; i < n; i++) {
		if (all[i] > from && close_range(from, all[i] - 1, 0))
			_exit(126);
		from = all[i] >= from ? all[i] + 1 : from;
	}
	if (close_range(from, ~0u, 0))
		_exit(126);
}

static void take_descriptors(const int *fds, size_t nfds)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), moved[MAX_FDS];

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(126);
	/* All away first, so that none is overwritten. */
	for (size_t i = 0; i < nfds; i++)
		moved[i] = fcntl(fds[i], F_DUPFD, OUT_OF_THE_WAY);
	for (size_t i = 0; i < nfds; i++)
		if (moved[i] < 0 || dup2(moved[i], ROLE_FD + i) < 0)
			_exit(126);
	if (close_range(ROLE_FD + nfds, ~0u, 0))
		_exit(126);
}

/* The descriptors, and behind them for the time until it runs its executable. */
static int take_all(const int *fds, size_t nfds, int executable)
{
	int all[MAX_FDS];

	if (nfds >= MAX_FDS)
		_exit(126);
	memcpy(all, fds, nfds * sizeof(*fds));
	all[nfds] = executable;
	take_descriptors(all, nfds + (executable >= 0));
	if (executable < 0)
		return -1;
	fcntl(ROLE_FD + nfds, F_SETFD, FD_CLOEXEC);
	return ROLE_FD + nfds;
}

noreturn void spawn_exec(const char *libexec_dir, const char *name, const char *config_path,
			 const char *argument, const int *fds, size_t nfds)
{
	int executable = take_all(fds, nfds, held(name));
	char path[512];
	char *argv[] = { path, "--config", (char *)config_path, (char *)argument, NULL };
	sigset_t none;

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	make_path(path, libexec_dir, name);
	if (executable >= 0)
		execveat(executable, "", argv, environ, AT_EMPTY_PATH);
	else
		execv(path, argv);
	fprintf(stderr, "wardend: %s: %s\n", path, strerror(errno));
	_exit(127);
}

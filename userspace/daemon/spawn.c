// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/messages.h"

#define MAX_FDS 8
#define OUT_OF_THE_WAY (ROLE_FD + MAX_FDS)

static void take_descriptors(const int *fds, size_t nfds)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), moved[MAX_FDS];

	if (null < 0 || nfds > MAX_FDS || dup2(null, 0) < 0 || dup2(null, 1) < 0)
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

noreturn void spawn_exec(const char *libexec_dir, const char *name, const char *config_path,
			 const char *argument, const int *fds, size_t nfds)
{
	char path[512];
	sigset_t none;

	take_descriptors(fds, nfds);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(path, sizeof(path), "%s/warden-%s", libexec_dir, name);
	execl(path, path, "--config", config_path, argument, NULL);
	fprintf(stderr, "wardend: %s: %s\n", path, strerror(errno));
	_exit(127);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/starter.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "scan/databases.h"
#include "scan/jail.h"
#include "scan/loader.h"

#define LOOK_MS 2000

struct starter {
	int sock;
	const struct config *config;
	uint64_t loaded, seen;		/* what the folder looked like */
};

static void give(const struct starter *s, uint32_t type, int fd)
{
	struct msg m = { .type = type, .fd = fd };

	if (msg_send(s->sock, &m, 0))
		_exit(0);		/* the broker is gone */
}

static void make_loader(struct starter *s)
{
	autofd int pidfd = -1, ours = -1, theirs = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		fatal("starter: socketpair: %s", strerror(errno));
	ours = pair[0];
	theirs = pair[1];
	pid = loader_clone_sibling(&pidfd);
	if (pid < 0)
		fatal("starter: no loader: %s", strerror(errno));
	if (!pid) {
		close(s->sock);
		close(ours);
		loader_run(theirs, s->config);
	}
	give(s, L_LOADER, ours);
	give(s, L_PROCESS, pidfd);
}

/* Who replaces a database may write several files: it has to be done first. */
static bool has_changed(struct starter *s)
{
	uint64_t now = databases_look(s->config->database);
	bool settled = now == s->seen;

	s->seen = now;
	return settled && now != s->loaded;
}

static noreturn void run_starter(int sock, const struct config *config)
{
	struct starter s = { .sock = sock, .config = config };
	struct pollfd p = { .fd = sock, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (jail_starter())
		exit(1);
	s.loaded = s.seen = databases_look(config->database);
	make_loader(&s);
	/* The broker says nothing: its socket wakes us at its end alone. */
	while (!poll(&p, 1, LOOK_MS)) {
		if (!has_changed(&s))
			continue;
		log_info("%s has changed: loading it", config->database);
		s.loaded = s.seen;
		make_loader(&s);
	}
	_exit(0);
}

int starter_start(const struct config *config)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ||
	    (pid = fork()) < 0) {
		log_err("starter: %s", strerror(errno));
		return -1;
	}
	if (!pid) {
		close(pair[0]);
		/* It must not keep the engine's socket open. */
		close(ROLE_FD);
		run_starter(pair[1], config);
	}
	close(pair[1]);
	return pair[0];
}

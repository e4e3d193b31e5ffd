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
#define PATIENCE_MIN 10			/* looks at a folder that never stands still */
#define PATIENCE_MAX 450

struct starter {
	int sock;
	const struct config *config;
	uint64_t loaded, seen;		/* what the folder looked like */
	bool loading;			/* the last loader is still at it */
	bool due;			/* another one is to be made */
	uint32_t restless, patience;	/* looks that found it changed again; so many are borne */
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

	/* Before it is loaded: what changes meanwhile is seen by the next look. */
	s->loaded = s->seen = databases_look(s->config->database);
	s->restless = 0;
	s->loading = true;
	s->due = false;
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

/*
 * Who replaces a database may write several files: it has to be done first.
 * One who never is has what is there loaded, now and then: what is half
 * written is refused by name.
 */
static void look(struct starter *s)
{
	const char *folder = s->config->database;
	uint64_t now = databases_look(folder);
	bool settled = now == s->seen;

	s->seen = now;
	if (now == s->loaded || s->due)
		return;
	if (settled) {
		log_info("%s has changed: loading it", folder);
		s->patience = PATIENCE_MIN;
		s->due = true;
	} else if (++s->restless >= s->patience) {
		log_warn("%s changes all the time: loading it as it is", folder);
		s->patience = MIN(2 * s->patience, PATIENCE_MAX);
		s->due = true;
	}
}

static void hear_broker(struct starter *s)
{
	struct msg m;

	if (msg_recv(s->sock, &m, 0) != 1)
		_exit(0);		/* it is gone */
	msg_release(&m);
	if (m.type == L_NEXT)
		s->loading = false;
	else if (m.type == L_AGAIN)
		s->due = true;
}

static noreturn void run_starter(int sock, const struct config *config)
{
	struct starter s = { .sock = sock, .config = config, .patience = PATIENCE_MIN };
	struct pollfd p = { .fd = sock, .events = POLLIN };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (jail_starter())
		exit(1);
	make_loader(&s);
	for (;;) {
		if (poll(&p, 1, LOOK_MS))
			hear_broker(&s);
		else
			look(&s);
		if (s.due && !s.loading)
			make_loader(&s);
	}
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

// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/loaders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "scan/child.h"
#include "scan/databases.h"
#include "scan/loader.h"

#define AGAIN_MAX_SECONDS 300		/* between tries; 1 at first, then twice that ... */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

void loaders_init(struct loaders *l, int starter)
{
	*l = (struct loaders){
		.starter = starter, .used = { -1, -1 }, .coming = { -1, -1 },
	};
}

void loaders_poll(const struct loaders *l, struct pollfd fds[LOADERS_FDS])
{
	fds[LOADERS_STARTER] = (struct pollfd){ .fd = l->starter, .events = POLLIN };
	fds[LOADERS_COMING] = (struct pollfd){
		.fd = l->coming.pidfd >= 0 ? l->coming.sock : -1, .events = POLLIN,
	};
}

static void tell_starter(const struct loaders *l, uint32_t type)
{
	struct msg m = { .type = type, .fd = -1 };

	if (msg_send(l->starter, &m, 0))
		fatal("the starter ended");
}

/* It may have needed more memory than there is: there may be more later. */
static void lose_coming(struct loaders *l, struct m_database *ret_database)
{
	uint32_t seconds = MIN(1u << MIN(l->failures, 16u), AGAIN_MAX_SECONDS);
	char how[TEXT_NAME];

	child_end(&l->coming.sock, &l->coming.pidfd, how, sizeof(how));
	l->failures++;
	l->again_ms = now_ms() + seconds * 1000ull;
	memset(ret_database, 0, sizeof(*ret_database));
	databases_engine_name(ret_database->engine);
	snprintf(ret_database->why, TEXT_WHY, "the loader ended while it loaded, with %s (too "
		 "little memory?): trying again in %u s", how, seconds);
	log_err("databases: %s", ret_database->why);
	tell_starter(l, L_NEXT);
}

/* False: it has not come to an end yet. */
static bool hear_coming(struct loaders *l, struct m_database *ret_database)
{
	char how[TEXT_NAME];
	struct msg m;
	int r = msg_recv(l->coming.sock, &m, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return false;
	if (r <= 0) {
		lose_coming(l, ret_database);
		return true;
	}
	if (!msg_decode(&m, &msg_database, ret_database))
		fatal("the loader sent nonsense");
	msg_release(&m);
	l->failures = 0;
	if (!ret_database->ready)
		child_end(&l->coming.sock, &l->coming.pidfd, how, sizeof(how));
	tell_starter(l, L_NEXT);
	return true;
}

static void hear_starter(struct loaders *l)
{
	struct msg m;
	int r = msg_recv(l->starter, &m, MSG_DONTWAIT), fd;

	if (r == -EAGAIN)
		return;
	if (r <= 0 || (fd = msg_take_fd(&m)) < 0)
		fatal("the starter ended");
	if (m.type == L_LOADER && l->coming.sock < 0) {
		l->coming.sock = fd;
		l->again_ms = 0;
	} else if (m.type == L_PROCESS && l->coming.sock >= 0 && l->coming.pidfd < 0) {
		l->coming.pidfd = fd;
	} else {
		fatal("the starter sent nonsense");
	}
}

bool loaders_serve(struct loaders *l, const struct pollfd fds[LOADERS_FDS],
		   struct m_database *ret_database)
{
	if (l->again_ms && now_ms() >= l->again_ms) {
		l->again_ms = 0;
		tell_starter(l, L_AGAIN);
	}
	if (fds[LOADERS_STARTER].revents)
		hear_starter(l);
	return fds[LOADERS_COMING].revents && hear_coming(l, ret_database);
}

void loaders_use(struct loaders *l)
{
	char how[TEXT_NAME];

	if (l->used.pidfd >= 0)
		child_end(&l->used.sock, &l->used.pidfd, how, sizeof(how));
	l->used = l->coming;
	l->coming = (struct loader){ -1, -1 };
}

int loaders_timeout(const struct loaders *l)
{
	uint64_t now = now_ms();

	if (!l->again_ms)
		return -1;
	return l->again_ms > now ? (int)(l->again_ms - now) : 0;
}

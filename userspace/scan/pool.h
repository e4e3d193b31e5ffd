/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The workers, as the broker sees them: processes that may lie, hang or die.
 * Every content given to one comes back through done exactly once.
 */
#ifndef WARDEN_SCAN_POOL_H
#define WARDEN_SCAN_POOL_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/messages.h"

#define POOL_MAX_WORKERS 64

struct worker {
	int sock, pidfd;		/* -1: none, asked of the loader */
	bool busy;
	bool outdated;			/* of a loader before: its answer is its last */
	uint32_t job;
	uint32_t scans;
	uint64_t deadline_ms;		/* while busy */
};

struct pool {
	int loader;
	uint32_t due;			/* asked of it, not arrived */
	uint32_t size, scan_seconds;
	uint32_t idle_deaths;		/* in a row */
	bool again;			/* the last pool_give is to be tried again soon */
	int arriving;			/* socket of a worker whose pidfd is to come */
	/* outdated: by the signatures of a loader before. */
	void (*done)(void *context, uint32_t job, const struct m_verdict *verdict, bool outdated);
	void *context;
	struct worker worker[POOL_MAX_WORKERS];
};

void pool_init(struct pool *pool, uint32_t size, uint32_t scan_seconds);

/*
 * Workers come from this loader from now on: all are asked for, pool_arrival
 * takes what it sends.  Those of the loader before end when idle.
 */
void pool_use(struct pool *pool, int loader);
void pool_arrival(struct pool *pool, struct msg *m);

/*
 * False if none can take it now.  fd stays the caller's.  fresh: only to one
 * that has seen no content yet.
 */
bool pool_give(struct pool *pool, uint32_t job, uint32_t profile, int fd, bool fresh);

/* One pollfd for each of pool->size workers, then their events. */
void pool_poll(const struct pool *pool, struct pollfd *fds);
void pool_serve(struct pool *pool, const struct pollfd *fds);

/* Kills who is over time; ms until this or pool_give is due again, -1: never. */
int pool_expire(struct pool *pool);

#endif

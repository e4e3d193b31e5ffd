/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loaders, as the broker sees them: one whose workers it uses, and one that
 * is still loading.  One that ends while it loads is asked for again, later
 * each time.
 */
#ifndef WARDEN_SCAN_LOADERS_H
#define WARDEN_SCAN_LOADERS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/messages.h"

struct loader {
	int sock, pidfd;		/* -1: none */
};

struct loaders {
	int starter;
	struct loader used, coming;
	uint64_t again_ms;		/* the starter is asked for another then; 0: not */
	uint32_t failures;		/* in a row */
};

enum { LOADERS_STARTER, LOADERS_COMING, LOADERS_FDS };

void loaders_init(struct loaders *l, int starter);
void loaders_poll(const struct loaders *l, struct pollfd fds[LOADERS_FDS]);

/*
 * Takes what they say and keeps the time.  True: the one that was coming is
 * ready, and loaders_use is due; or it is gone: refused or lost, and why.
 */
bool loaders_serve(struct loaders *l, const struct pollfd fds[LOADERS_FDS],
		   struct m_database *ret_database);

/* The one that has loaded takes the place of the one before, which ends. */
void loaders_use(struct loaders *l);

/* ms until loaders_serve is due, -1: never */
int loaders_timeout(const struct loaders *l);

#endif

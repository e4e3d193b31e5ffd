/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes and goes in any guest, and is hidden only if it stays: a module that
 * is half loaded, a trampoline that waits to be freed.
 */
#ifndef WARDEN_PASSING_H
#define WARDEN_PASSING_H

#include <stdbool.h>
#include <stdint.h>

#define PASSING_MAX 16u
#define PASSING_SECONDS 120u		/* in each check for so long: it stays */

struct passing {
	uint64_t va[PASSING_MAX];	/* 0: free */
	uint64_t since_ns[PASSING_MAX];
	bool seen[PASSING_MAX];		/* in this check */
};

/* Before and after a check: what it did not see has passed. */
void passing_begin(struct passing *p);
void passing_end(struct passing *p);

/*
 * This check sees it.  True if it stays; at once if so many are passing that
 * there is no room to wait for one more.
 */
bool passing_stays(struct passing *p, uint64_t va, uint64_t now_ns);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes and goes in any guest, and is hidden only if it stays: a module that
 * is half loaded, a trampoline that waits to be freed.
 */
#ifndef WARDEN_PASSING_H
#define WARDEN_PASSING_H

#include <stdbool.h>
#include <stdint.h>

#define PASSING_MAX 256u
/* In a guest that is slow, and patches itself, either was seen to take over two minutes. */
#define PASSING_SECONDS 600u		/* in each check for so long, */
#define PASSING_CHECKS 3u		/* and in so many: it stays */

struct passing {
	struct {
		uint64_t va, whose;	/* 0: free */
		uint64_t since_ns;
		uint32_t checks;
		bool seen;		/* in this check */
	} thing[PASSING_MAX];
};

/* Before and after a check that saw all there is: what it did not see has passed. */
void passing_begin(struct passing *p);
void passing_end(struct passing *p);

/*
 * This check sees it, once.  True if it stays.  whose: another one's at the same
 * place is another thing.  What there is no room for is waited for without an end.
 */
bool passing_stays(struct passing *p, uint64_t va, uint64_t whose, uint64_t now_ns);

#endif

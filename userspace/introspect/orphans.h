/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Executable memory of a guest's kernel that is nobody's. */
#ifndef WARDEN_ORPHANS_H
#define WARDEN_ORPHANS_H

#include "introspect/modset.h"

#define MAX_ORPHANS 65536u

struct orphan {
	uint64_t va, size;		/* a page, or a piece of 1 GiB, which nobody reads */
	uint64_t tracer;		/* its ftrace_ops, if it is a trampoline that one left; or 0 */
};

struct orphans {
	struct orphan *page;		/* MAX_ORPHANS, sorted by address */
	uint32_t n;
	uint64_t executable;		/* pages that are, outside the image */
	uint32_t unread;		/* pages, and page tables, that could not be read */
	bool cut;			/* there may be more */
};

int orphans_init(struct orphans *o);
void orphans_free(struct orphans *o);

/*
 * In all of the kernel's half, and what its own tables have in the other; by owners as
 * they were read just now.  0 or -errno: not all of it was seen.
 */
int orphans_find(const struct kernel *k, struct owners *owners, struct orphans *o);

#endif

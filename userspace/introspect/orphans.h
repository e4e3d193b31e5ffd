/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Executable memory of a guest's kernel that is nobody's. */
#ifndef WARDEN_ORPHANS_H
#define WARDEN_ORPHANS_H

#include "introspect/modset.h"

#define MAX_ORPHANS 65536u

struct orphan {
	uint64_t va;			/* of its page */
	uint64_t tracer;		/* its ftrace_ops, if it is a trampoline that one left; or 0 */
};

struct orphans {
	struct orphan *page;		/* MAX_ORPHANS, sorted by address */
	uint32_t n, executable;		/* executable: all pages that are, outside the image */
};

int orphans_init(struct orphans *o);
void orphans_free(struct orphans *o);

/* By owners as they were read just now.  0 or -errno: not all of it was seen. */
int orphans_find(const struct kernel *k, struct owners *owners, struct orphans *o);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a running kernel patches its own code, by its own tables, and what may
 * stand there.  What is legal is taken out before code is compared; what is not
 * stays, and differs.
 */
#ifndef WARDEN_SITES_H
#define WARDEN_SITES_H

#include "introspect/modset.h"

enum site_kind {
	SITE_FTRACE = 1,	/* a function's entry: nothing, or a call of a tracer's trampoline */
	SITE_JUMP,		/* a static key: nothing, or a jump to its one target */
	SITE_CALL,		/* a static call */
	SITE_TRAMPOLINE,	/* of static calls, and what ftrace's own lead to */
	SITE_LOCK,		/* a lock prefix, taken away on one CPU */
	SITE_KPROBE,		/* a breakpoint, or a jump to a probe's slot: as it was before */
};

struct site {
	uint64_t va, target;		/* target: SITE_JUMP */
	uint32_t kind;
	uint8_t was[5];			/* SITE_KPROBE */
};

#define MAX_SITES (1u << 19)

struct sites {
	struct site *site;		/* sorted by address */
	uint32_t n, room;
	uint64_t start, end;		/* of the code */
};

/* Reads the tables.  0 or -errno; what a kernel lacks is no error. */
int sites_read(const struct kernel *k, uint64_t start, uint64_t end, struct sites *ret_sites);
void sites_free(struct sites *s);

#define SITE_LINE 64u

enum line_state {
	LINE_LEGAL,
	LINE_UNDER_WAY,		/* a breakpoint stands there, as while the kernel patches */
	LINE_ILLEGAL,
};

/*
 * Takes what is legal out of code, the bytes from s->start on.  owners: whose
 * memory calls may lead to.  line[n] is set if line n has a site with something
 * else.
 */
void sites_neutralise(const struct kernel *k, const struct sites *s, struct owners *owners,
		      uint8_t *code, uint8_t *line);

#endif

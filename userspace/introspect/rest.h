/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files at rest: a part of a round over all files of which the guest's page cache
 * has pages.  Those that are new, or changed, are told with their content as far as
 * it is there.
 */
#ifndef WARDEN_REST_H
#define WARDEN_REST_H

#include "introspect/inodes.h"
#include "introspect/look.h"

#define REST_SLOTS 65536u

struct rest {
	struct object_table objects;	/* slots 0: nothing was asked yet */
	struct inodes_place place;
	uint64_t boot;			/* found_ns of the kernel it is of */
	uint32_t inodes;		/* of this round, so far */
	bool whole;			/* and nothing was missed */
};

struct rest_sink {
	int (*file)(void *ctx, const struct m_rest_file *file, int fd);	/* nonzero ends it */
	bool (*is_awaited)(void *ctx);	/* somebody waits for something else: so far, and no further */
	void *ctx;
};

void rest_free(struct rest *r);

/* Needs introspector_ready.  0, or what the sink returned. */
int rest_look(struct introspector *in, struct rest *r, const struct m_rest *ask,
	      const struct rest_sink *sink, struct m_rested *ret);

#endif

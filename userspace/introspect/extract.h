/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's bytes into a file: memory of a process or of the kernel, and files from their pages. */
#ifndef WARDEN_EXTRACT_H
#define WARDEN_EXTRACT_H

#include "introspect/look.h"

struct extract {
	int fd;				/* where to */
	/* Told what was not there, in order; offsets from the begin. */
	void (*missing)(void *ctx, uint64_t offset, uint64_t length, const char *why);
	void *ctx;
	/* what came of it */
	uint64_t resident, absent;	/* bytes */
	bool unwritable;		/* what was returned is of fd, not of the guest */
	/* own */
	uint64_t from;			/* of what is missing, so far to its end ... */
	uint64_t length;
	const char *why;
};

/*
 * length bytes at va, in order, by write: of what is not there as many zeros.  The
 * address space is what its page tables say.  0, -ETIME, -ENODEV (what is not written
 * then is missing), or an errno of fd's.
 */
int extract_memory(const struct address_space *as, uint64_t va, uint64_t length, struct extract *x);

/*
 * The file whose pages mapping has, each where it belongs; the others are holes, but a
 * page of zeros is none.  At most MAX_FILE_BYTES: what is behind is missing.  fd is an
 * empty file.  As above; -EPROTO: its pages do not hold together, and what was found
 * of them is written.
 *
 * Of a guest that runs, both copy again what moved while it was read; what moves each
 * time is missing.
 */
int extract_file(struct introspector *in, uint64_t mapping, uint64_t size, struct extract *x);

#endif

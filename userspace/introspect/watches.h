/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's tables of system calls and of interrupts, watched: each write to them is
 * told at once, and not only by the next check (the module's KVM_WARDEN_WATCH).
 */
#ifndef WARDEN_WATCHES_H
#define WARDEN_WATCHES_H

#include "introspect/look.h"

struct check_sink;

#define MAX_WATCHES 4u

struct watch {
	uint64_t gpa, va;
	uint32_t len;
	bool gates;			/* the table of interrupts, else that of system calls */
};

struct watches {
	int fd;				/* the guest's */
	bool wanted;
	uint64_t window_ns;		/* that began then, */
	uint32_t told;			/* and writes told in it */
	struct watch of[MAX_WATCHES];
	uint32_t n;
	uint64_t since_ns;		/* what was written before is of a kernel before */
	bool ended;			/* by what the guest did: not taken up again */
	char why[128];			/* they are not watched; "" if they are, or need not be */
};

/* After introspector_ready said so: the tables may lie elsewhere now. */
void watches_set(struct watches *w, const struct kernel *k);

/* The kernel is not known any more: what lies there is anybody's. */
void watches_end(struct watches *w);

/*
 * Once the descriptor is readable: tells what was written.  0, -ENODEV the guest is
 * gone, or what sign returned.
 */
int watches_read(struct watches *w, const struct kernel *k, const struct check_sink *sink);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's memory in a file, from opening it to a kernel that is known. */
#ifndef WARDEN_INSPECT_H
#define WARDEN_INSPECT_H

#include "introspect/dump.h"
#include "introspect/look.h"

struct inspection {
	struct guest_memory mem;
	struct introspector in;
	struct dump dump;
	struct dump_hole hole;		/* raw: as it was found to lie */
	uint32_t vcpus;			/* whose registers the file had */
	bool from_memory;		/* it had none: VMCOREINFO led to the kernel */
};

/*
 * fd stays the caller's.  0; -EPROTONOSUPPORT, -EPROTO and the like: no file of
 * a guest's memory that we read; -ENOENT: no Linux kernel in it; each with the
 * reason in why.  inspection_close on success alone.
 */
int inspection_open(struct inspection *i, int fd, char why[WHY_SIZE]);
void inspection_close(struct inspection *i);

#endif

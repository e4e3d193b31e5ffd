/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libraries that programs of the guest begin with before all others. */
#ifndef WARDEN_PRELOAD_H
#define WARDEN_PRELOAD_H

#include "introspect/tasks.h"

#define PRELOAD_ROOTS 1024u

/* Roots that were looked at: thousands of processes may have one, with a great /etc. */
struct preload_roots {
	uint64_t dentry[PRELOAD_ROOTS];
	uint32_t n;
};

/*
 * By LD_PRELOAD or LD_AUDIT in its environment, if no package put it there.  The library's
 * path, raw; false: none.
 */
bool preload_by_environment(const struct kernel *k, const struct task *t, char *out, size_t size);

/*
 * By /etc/ld.so.preload below its root, as the page cache has it: whatever it
 * names, told of the first process of each root alone, as it is so of all of
 * them.  1 with the paths, raw; 0 none; -errno it could not be looked at (-E2BIG:
 * there are more roots than are remembered).
 */
int preload_by_file(const struct kernel *k, const struct task *t, struct preload_roots *asked, char *out,
		    size_t size);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's lists, as a guest that runs, or lies, has them: bounded and checked. */
#ifndef WARDEN_LISTS_H
#define WARDEN_LISTS_H

#include "introspect/kernel.h"

/* A callback that returns nonzero ends the walk. */
typedef int (*list_fn)(void *ctx, uint64_t node);

/*
 * The nodes of the list_head ring at head, without head.  Each must point back
 * at the one before.  -ELOOP: it does not hold together; -E2BIG: more than max.
 */
int list_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx);

/* The same from the node behind before on, which is one of the list or head itself. */
int list_walk_behind(const struct kernel *k, uint64_t head, uint64_t before, uint32_t max, list_fn fn,
		     void *ctx);

/* Is that node in a list, whichever? */
bool list_holds(const struct kernel *k, uint64_t node);

/* The same of an hlist_head. */
int hlist_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx);

#endif

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

/*
 * The same of a list that changes all the while: where it does not hold together it is
 * read anew, with fresh memory, and gone on with behind the last node that is in it still.
 */
int list_walk_moving(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx);

/* The same as list_walk, of an hlist_head. */
int hlist_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that a VMM had made before it was watched, or before wardend was
 * there.  One whose parent has ended since is nobody's child any more, and is not found.
 */
#ifndef WARDEN_GUARD_CHILDREN_H
#define WARDEN_GUARD_CHILDREN_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "warden/guard.h"

/* Of guard.bpf.c: two programs and a map. */
struct guard_children_fds {
	int watch, forget, profile;
};

/* False: this kernel does not list the children of a process (CONFIG_PROC_CHILDREN). */
bool guard_children_can(void);

/* The VMM is watched by now: what is forked from here on is watched as it is. */
void guard_children_watch(const struct guard_children_fds *fds, uint64_t guest, uint32_t vmm);

#endif

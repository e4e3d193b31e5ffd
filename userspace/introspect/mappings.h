/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory map of one process, as its /proc/PID/maps has it. */
#ifndef WARDEN_MAPPINGS_H
#define WARDEN_MAPPINGS_H

#include "introspect/look.h"

/*
 * Calls fn for each line, in address order; nonzero ends it.  start_ns 0:
 * whatever process has that pid.  Needs introspector_ready.  0, or what fn
 * returned.
 */
int mappings_list(struct introspector *in, uint32_t pid, uint64_t start_ns,
		  int (*fn)(void *ctx, const struct m_vma *vma), void *ctx,
		  struct m_done *ret_done);

#endif

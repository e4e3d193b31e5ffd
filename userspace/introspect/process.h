/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of one process: what its guest's /proc says of it, seen from outside. */
#ifndef WARDEN_PROCESS_H
#define WARDEN_PROCESS_H

#include "introspect/look.h"

/*
 * Calls fn for each fact; nonzero ends it.  start_ns 0: whatever process has that
 * pid.  Needs introspector_ready.  0, or what fn returned.
 */
int process_tell(struct introspector *in, const struct m_process *ask,
		 int (*fn)(void *ctx, const struct m_fact *fact), void *ctx, struct m_done *ret_done);

#endif

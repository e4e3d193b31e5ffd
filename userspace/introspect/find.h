/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of a guest that runs meanwhile: reading one, and finding one by its pid. */
#ifndef WARDEN_FIND_H
#define WARDEN_FIND_H

#include "introspect/look.h"

/* Tries again with fresh memory: a task may be on its way out. */
bool find_read(struct introspector *in, uint64_t va, struct task *ret_task);

/* What could not be read may simply have ended meanwhile. */
bool find_still_listed(struct introspector *in, uint64_t va);

/*
 * The process with that pid and start (0: any).  -ENOENT: there is none, and
 * all were looked at.  -EAGAIN: one that could not be read may be it; -ETIME
 * and the errors of task_list_read: not all were looked at.
 */
int find_process(struct introspector *in, uint32_t pid, uint64_t start_ns, struct task *ret_task);

/* Why such an error, other than -ENOENT, leaves it open. */
const char *find_problem(int error);

#endif

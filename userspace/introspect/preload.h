/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libraries that programs of the guest begin with, and that no package put there. */
#ifndef WARDEN_PRELOAD_H
#define WARDEN_PRELOAD_H

#include "introspect/tasks.h"

/* By LD_PRELOAD in its environment.  The library's path, raw; false: none. */
bool preload_by_environment(const struct kernel *k, const struct task *t, char *out, size_t size);

/*
 * By /etc/ld.so.preload below its root, as the page cache has it; told of the first process
 * of each root alone, as it is so of all of them.
 */
bool preload_by_file(const struct kernel *k, const struct task *t, char *out, size_t size);

#endif

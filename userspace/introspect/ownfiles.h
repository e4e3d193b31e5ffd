/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files that a process has: its program, what it maps, what it holds open. */
#ifndef WARDEN_OWNFILES_H
#define WARDEN_OWNFILES_H

#include "introspect/files.h"
#include "introspect/tasks.h"

/*
 * Calls fn for each open descriptor; nonzero ends it.  0, what fn returned, or
 * -errno: the table cannot be read (further), or (-E2BIG) claims more than the limit.
 */
int descriptors_walk(const struct kernel *k, const struct task *t,
		     int (*fn)(void *ctx, uint32_t fd, uint64_t file), void *ctx);

/*
 * That one of its files, by the path that it has for the process, raw or escaped, with
 * or without " (deleted)"; path NULL: its program.  Of several (an overlay's, and the
 * one beneath) one that has pages.  0; -ENOENT: none has that path, all were looked at;
 * else -errno: not all could be.
 */
int process_file(const struct kernel *k, const struct task *t, const char *path,
		 struct guest_file *ret_file);

#endif

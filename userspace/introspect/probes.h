/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a guest's kprobes call. */
#ifndef WARDEN_PROBES_H
#define WARDEN_PROBES_H

#include "introspect/tracers.h"

/* The hlist node of each kprobe; none: a kernel without.  0 or as hlist_walk. */
int probes_walk(const struct kernel *k, list_fn fn, void *ctx);

/*
 * What handles its kprobes and kretprobes that is not the kernel's own code.  0, -ENOENT: this
 * kernel's are not known; -ELOOP: they kept changing; or an errno of memory_read.
 */
int probes_read(const struct kernel *k, struct addresses *ret);

#endif

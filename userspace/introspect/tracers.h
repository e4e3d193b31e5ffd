/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a guest's ftrace calls. */
#ifndef WARDEN_TRACERS_H
#define WARDEN_TRACERS_H

#include "introspect/addresses.h"
#include "introspect/lists.h"

/*
 * What it calls that is not the kernel's own code, by its list and by the code that
 * calls.  With an error (-ELOOP: some of it was being patched) what was seen is there.
 */
int tracers_read(const struct kernel *k, struct addresses *ret);

/* Unless it is the kernel's own code, or known already. */
void tracers_add(const struct kernel *k, struct addresses *t, uint64_t to);

/* The same of those members of what lies at base that are set, and that this kernel has. */
int tracers_add_handlers(const struct kernel *k, struct addresses *t, uint64_t base,
			 const struct field *handler, size_t n);

/* Each ftrace_ops on the list.  -ENOENT: it is not known; -E2BIG; or as list_walk. */
int tracers_walk(const struct kernel *k, list_fn fn, void *ctx);

#endif

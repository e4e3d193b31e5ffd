/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a guest's ftrace calls. */
#ifndef WARDEN_TRACERS_H
#define WARDEN_TRACERS_H

#include "introspect/kernel.h"

#define MAX_TRACERS 64u

struct tracers {
	uint64_t to[MAX_TRACERS];	/* each once */
	uint32_t n;
};

/*
 * What it calls that is not the kernel's own code, by its list and by the code that
 * calls.  With an error (-ELOOP: some of it was being patched) what was seen is there.
 */
int tracers_read(const struct kernel *k, struct tracers *ret);

/* Unless it is the kernel's own code, or known already. */
void tracers_add(const struct kernel *k, struct tracers *t, uint64_t to);

/* Of t, what is in now as well. */
void tracers_keep_common(struct tracers *t, const struct tracers *now);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom a guest's ftrace calls. */
#ifndef WARDEN_TRACERS_H
#define WARDEN_TRACERS_H

#include "introspect/kernel.h"

#define MAX_TRACERS 64u
#define MAX_TRAMPOLINE 1024u		/* of ftrace; its end is a pointer to its owner */

struct tracers {
	uint64_t to[MAX_TRACERS];	/* each once */
	uint32_t n;
};

/*
 * What it calls that is not the kernel's own code, by its list and by the code that
 * calls.  With an error (-ELOOP: some of it was being patched) what was seen is there.
 */
int tracers_read(const struct kernel *k, struct tracers *ret);

/* Of t, what is in now as well. */
void tracers_keep_common(struct tracers *t, const struct tracers *now);

/*
 * Is that code, of at most MAX_TRAMPOLINE bytes, a copy of that piece of the kernel's
 * text, but for so many bytes?  1, 0, or -EFAULT: the piece is not known.
 */
int tracers_piece(const struct kernel *k, enum kernel_symbol piece, const uint8_t *code,
		  uint32_t size, uint32_t rewritten);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All of a kernel: what it says of itself, and its list of modules. */
#ifndef WARDEN_KERNELTELL_H
#define WARDEN_KERNELTELL_H

#include "introspect/look.h"

/* A callback that returns nonzero ends it. */
struct kernel_sink {
	int (*facts)(void *ctx, const struct m_kernel_facts *facts);	/* once, first */
	int (*module)(void *ctx, const struct m_module *module);
	void *ctx;
};

/* Needs introspector_ready.  0, or what a callback returned. */
int kernel_tell(struct introspector *in, const struct kernel_sink *sink, struct m_done *ret_done);

#endif

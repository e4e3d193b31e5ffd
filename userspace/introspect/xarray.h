/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of an xarray that are pointers. */
#ifndef WARDEN_XARRAY_H
#define WARDEN_XARRAY_H

#include "introspect/kernel.h"

/*
 * head is xa_head's value.  fn returns 0 to go on.  -EPROTO: it does not hold
 * together; -E2BIG: more than max nodes.
 */
int xarray_walk(const struct kernel *k, uint64_t head, uint32_t max,
		int (*fn)(void *ctx, uint64_t index, uint64_t entry), void *ctx);

#endif

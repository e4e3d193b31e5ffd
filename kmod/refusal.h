/* SPDX-License-Identifier: GPL-2.0-only */
/* Offsets hold for one build of a module alone: its build-id tells.  Pure. */
#ifndef KW_REFUSAL_H
#define KW_REFUSAL_H

#include <linux/types.h>

#define KW_BUILD_ID 20

/*
 * Is the module of that name, whose build-id is id (NULL: none), the build that
 * is expected?  If not, why says so to the operator.
 */
bool kw_build_is_known(const char *name, const u8 *id, const u8 *expected, char *why, size_t size);

#endif

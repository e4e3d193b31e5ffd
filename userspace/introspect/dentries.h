/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names in a directory of the guest, as far as its dentry cache has them. */
#ifndef WARDEN_DENTRIES_H
#define WARDEN_DENTRIES_H

#include "introspect/kernel.h"

/*
 * A name in the directory parent that has a file, which is not deleted.  0;
 * -ENOENT none is known; else -errno: the directory could not be looked through
 * (-EOPNOTSUPP: in no guest with that kernel).
 */
int dentry_find(const struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_dentry,
		uint64_t *ret_inode);

#endif

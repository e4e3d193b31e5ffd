// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/overlay.h"

static bool is_overlay(const struct kernel *k, uint64_t inode)
{
	uint64_t sb, magic;

	return !kernel_member(k, inode, k->at.inode_i_sb, &sb) &&
	       !kernel_member(k, sb, k->at.super_block_s_magic, &magic) && magic == OVERLAYFS_MAGIC;
}

/*
 * overlayfs is a module, whose types the kernel's own BTF lacks.  Its inode holds
 * the VFS's, and right behind that the dentry in the upper layer, in every kernel
 * from 5.10 on.  Were it otherwise somewhere, what is found there would not be an
 * inode that the caller knows, or one with pages.
 */
bool overlay_upper(const struct kernel *k, uint64_t inode, uint64_t *ret_inode)
{
	const struct field upper = { k->at.inode_size.size, 8 };
	uint64_t dentry, below;

	if (!upper.at || !k->at.dentry_inode.size || !is_overlay(k, inode) ||
	    kernel_member(k, inode, upper, &dentry) || !kernel_pointer(k, dentry) ||
	    kernel_member(k, dentry, k->at.dentry_inode, &below) || !kernel_pointer(k, below))
		return false;
	*ret_inode = below;
	return true;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files on overlayfs: containers' roots are such. */
#ifndef WARDEN_OVERLAY_H
#define WARDEN_OVERLAY_H

#include "introspect/kernel.h"

#define OVERLAYFS_MAGIC 0x794c7630u

/*
 * An overlay's inode, whose file is in the layer that is written to: the inode
 * there, which has the pages.  False: it is of a layer beneath (an image's), or of
 * no overlay.
 */
bool overlay_upper(const struct kernel *k, uint64_t inode, uint64_t *ret_inode);

#endif

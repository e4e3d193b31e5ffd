// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * super_blocks holds each file system, and s_inodes of that each inode.  Both are
 * lists of a guest that may lie, or run: what cannot be read, or does not hold
 * together, is counted, and the rest is told all the same.
 */
#include "introspect/inodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "introspect/lists.h"
#include "lib/util.h"

#define MAX_NAMES 64u			/* of one inode */

struct walk {
	const struct kernel *k;
	uint64_t sb;
	bool all;
	int (*fn)(void *ctx, const struct guest_inode *inode);
	void *ctx;
	struct inodes_walked *walked;
	struct guest_inode *inode;	/* of the file system under way: its own, and each file's */
	int stop;			/* what fn returned, or what ended it */
};

/* No further: time is up, or the guest gone. */
static bool is_final(int error)
{
	return error == -ETIME || error == -ENODEV;
}

/* ---- an inode's name ---- */

struct names {
	const struct kernel *k;
	uint64_t dentry;		/* 0: none */
	bool hashed;			/* it is still in its folder */
};

/* The first that is in its folder, or else any. */
static int on_name(void *ctx, uint64_t node)
{
	struct names *n = ctx;
	uint64_t dentry = node - n->k->at.dentry_alias.at, hashed;

	if (kernel_member(n->k, dentry, n->k->at.dentry_hash_pprev, &hashed))
		return 0;
	if (!n->dentry || hashed)
		n->dentry = dentry;
	n->hashed = hashed;
	return n->hashed;
}

/* A path that cannot be read is none: the file is there all the same. */
static void read_name(const struct kernel *k, struct guest_inode *inode, uint64_t nlink)
{
	struct names names = { .k = k };

	if (k->at.inode_i_dentry.size && k->at.dentry_alias.size)
		hlist_walk(k, inode->inode + k->at.inode_i_dentry.at, MAX_NAMES, on_name, &names);
	/* Network file systems drop the names of files that are there. */
	inode->deleted = !nlink;
	if (!names.dentry || dentry_path(k, names.dentry, inode->path))
		inode->path[0] = '\0';
}

/* ---- inodes ---- */

/* False: no regular file, or one that is not wanted. */
static int read_inode(const struct walk *w, uint64_t va, bool *ret_wanted)
{
	const struct layout *at = &w->k->at;
	struct guest_inode *i = w->inode;
	uint64_t mode, uid = 0, nlink, sb;
	int r = kernel_member(w->k, va, at->inode_i_mode, &mode);

	*ret_wanted = false;
	/* Given away meanwhile: it is no file of this file system's. */
	if (!r && !w->k->mem->still && !kernel_member(w->k, va, at->inode_i_sb, &sb) && sb != w->sb)
		return -EPROTO;
	if (r || !S_ISREG(mode))
		return r;
	r = kernel_member(w->k, va, at->inode_i_mapping, &i->mapping);
	if (!r)
		r = kernel_member(w->k, i->mapping, at->address_space_nrpages, &i->nrpages);
	if (r || (!i->nrpages && !w->all))
		return r;
	i->inode = va;
	i->mode = mode;
	r = kernel_member(w->k, va, at->inode_i_ino, &i->ino);
	if (!r)
		r = kernel_member(w->k, va, at->inode_i_size, &i->size);
	if (!r)
		r = kernel_member(w->k, va, at->inode_i_nlink, &nlink);
	if (r || i->size >> 63)
		return r ? r : -EPROTO;
	i->mtime_sec = i->mtime_nsec = 0;
	kernel_member(w->k, va, at->inode_mtime_sec, &i->mtime_sec);
	kernel_member(w->k, va, at->inode_mtime_nsec, &i->mtime_nsec);
	kernel_member(w->k, va, at->inode_i_uid, &uid);
	i->uid = uid;
	read_name(w->k, i, nlink);
	*ret_wanted = true;
	return 0;
}

static int on_inode(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	bool wanted;
	int r = read_inode(w, node - w->k->at.inode_i_sb_list.at, &wanted);

	w->walked->inodes++;
	if (is_final(r))
		return w->stop = r;
	w->walked->unread += r != 0;
	if (r || !wanted)
		return 0;
	w->walked->files++;
	return w->stop = w->fn(w->ctx, w->inode);
}

/* ---- file systems ---- */

static void read_text(const struct kernel *k, uint64_t va, char *buf, size_t size)
{
	if (!kernel_pointer(k, va) || virt_read_text(&k->as, va, buf, size) < 0)
		buf[0] = '\0';
}

/* What is said of all its inodes. */
static void read_file_system(const struct kernel *k, uint64_t sb, struct guest_inode *i)
{
	uint64_t type = 0, name = 0;

	i->magic = i->dev = 0;
	kernel_member(k, sb, k->at.super_block_s_magic, &i->magic);
	kernel_member(k, sb, k->at.super_block_s_dev, &i->dev);
	if (!kernel_member(k, sb, k->at.super_block_s_type, &type))
		kernel_member(k, type, k->at.file_system_type_name, &name);
	read_text(k, name, i->fs, sizeof(i->fs));
	read_text(k, k->at.super_block_s_id.size ? sb + k->at.super_block_s_id.at : 0, i->id, sizeof(i->id));
}

static int on_super_block(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const uint64_t sb = node - w->k->at.super_block_s_list.at;
	uint32_t left = MAX_INODES - w->walked->inodes;
	int r;

	w->walked->super_blocks++;
	read_file_system(w->k, sb, w->inode);
	w->sb = sb;
	r = (w->k->mem->still ? list_walk : list_walk_moving)(w->k,
		sb + w->k->at.super_block_s_inodes.at, left, on_inode, w);
	if (w->stop)
		return w->stop;
	if (is_final(r))
		return w->stop = r;
	w->walked->cut = w->walked->cut || r == -E2BIG;
	w->walked->torn += r && r != -E2BIG;
	return 0;
}

static bool has_all(const struct kernel *k)
{
	const struct layout *at = &k->at;

	return k->symbol[SYM_SUPER_BLOCKS].address && at->super_block_s_list.size &&
	       at->super_block_s_inodes.size && at->inode_i_sb_list.size && at->inode_i_mode.size &&
	       at->inode_i_mapping.size;
}

int inodes_walk(const struct kernel *k, bool all, int (*fn)(void *ctx, const struct guest_inode *inode),
		void *ctx, struct inodes_walked *ret_walked)
{
	autofree struct guest_inode *inode = calloc(1, sizeof(*inode));
	struct walk w = { k, 0, all, fn, ctx, ret_walked, inode, 0 };
	int r;

	memset(ret_walked, 0, sizeof(*ret_walked));
	if (!inode)
		return -ENOMEM;
	if (!has_all(k))
		return -ENOENT;
	r = list_walk(k, k->symbol[SYM_SUPER_BLOCKS].address, MAX_SUPER_BLOCKS, on_super_block, &w);
	if (r == -E2BIG && !w.stop) {
		ret_walked->cut = true;
		r = 0;
	}
	return w.stop ? w.stop : r;
}

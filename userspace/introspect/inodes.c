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
#define TRAIL_STEPS 64u			/* between two inodes that are kept for longer */
#define LIST_ATTEMPTS 3

struct walk {
	const struct kernel *k;
	uint64_t sb;
	bool all;
	int (*fn)(void *ctx, const struct guest_inode *inode);
	void *ctx;
	struct inodes_walked *walked;
	struct guest_inode *inode;	/* of the file system under way: its own, and each file's */
	int stop;			/* what fn returned, or what ended it */
	const struct inodes_sink *sink;	/* of a walk that goes on where another ended; or NULL */
	struct inodes_place *place;	/* how far it came; NULL: in memory that stands still */
	bool seeking;			/* the file system of *place */
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

static void read_change(const struct kernel *k, struct guest_inode *i)
{
	i->ctime_sec = i->ctime_nsec = i->generation = 0;
	kernel_member(k, i->inode, k->at.inode_ctime_sec, &i->ctime_sec);
	kernel_member(k, i->inode, k->at.inode_ctime_nsec, &i->ctime_nsec);
	kernel_member(k, i->inode, k->at.inode_i_generation, &i->generation);
}

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
	read_change(w->k, i);
	if (w->sink && !w->sink->want(w->ctx, i))
		return 0;
	read_name(w->k, i, nlink);
	*ret_wanted = true;
	return 0;
}

/* ---- going on later ---- */

/* Told: the newest of the trail; and each so many steps one that is kept for longer. */
static void leave_trail(struct inodes_place *p, uint64_t inode)
{
	p->at = (p->at + 1) % INODES_TRAIL;
	p->inode[p->at] = inode;
	if (++p->steps % TRAIL_STEPS)
		return;
	p->far_at = (p->far_at + 1) % INODES_FAR;
	p->far[p->far_at] = inode;
}

/* Is it still that file system's, and in a list? */
static bool is_inode_of(const struct kernel *k, uint64_t inode, uint64_t sb)
{
	uint64_t of;

	return inode && !kernel_member(k, inode, k->at.inode_i_sb, &of) && of == sb &&
	       list_holds(k, inode + k->at.inode_i_sb_list.at);
}

/* The newest of a ring that is still there; 0: none. */
static uint64_t still_there(const struct walk *w, uint64_t sb, const uint64_t *ring, uint32_t size,
			    uint32_t at)
{
	for (uint32_t i = 0; i < size; i++)
		if (is_inode_of(w->k, ring[(at + size - i) % size], sb))
			return ring[(at + size - i) % size];
	return 0;
}

/* Behind which node to go on.  From one of long ago, or the list's head, some are told twice. */
static uint64_t trail_end(const struct walk *w, uint64_t sb)
{
	const struct inodes_place *p = w->place;
	uint64_t inode = still_there(w, sb, p->inode, INODES_TRAIL, p->at);

	if (!inode)
		inode = still_there(w, sb, p->far, INODES_FAR, p->far_at);
	return inode ? inode + w->k->at.inode_i_sb_list.at : sb + w->k->at.super_block_s_inodes.at;
}

static int on_inode(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const uint64_t va = node - w->k->at.inode_i_sb_list.at;
	bool wanted;
	int r = w->sink ? w->sink->step(w->ctx) : 0;

	if (r)
		return w->stop = r;
	r = read_inode(w, va, &wanted);
	w->walked->inodes++;
	if (w->place && !is_final(r))
		leave_trail(w->place, va);
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

/*
 * A guest that runs changes its lists while they are read.  A walk that knows how far
 * it came reads on from there, and tells nothing twice.
 */
static int walk_inodes(struct walk *w, uint64_t sb)
{
	const uint64_t head = sb + w->k->at.super_block_s_inodes.at;
	int r;

	for (int i = 0;; i++) {
		const uint32_t before = w->walked->inodes, left = MAX_INODES - MIN(before, MAX_INODES);

		r = list_walk_behind(w->k, head, w->place ? trail_end(w, sb) : head, left, on_inode, w);
		if (w->stop || r != -ELOOP || !w->place || i == LIST_ATTEMPTS)
			return r;
		if (w->walked->inodes != before)
			i = 0;
		memory_refresh(w->k->mem);
	}
}

static int on_super_block(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const uint64_t sb = node - w->k->at.super_block_s_list.at;
	int r;

	if (w->seeking && w->place->super_block != sb)
		return 0;
	if (w->place && !w->seeking)
		*w->place = (struct inodes_place){ .super_block = sb };
	w->walked->super_blocks += !w->seeking;
	w->seeking = false;
	read_file_system(w->k, sb, w->inode);
	w->sb = sb;
	r = walk_inodes(w, sb);
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

static int walk_all(struct walk *w)
{
	int r;

	if (!has_all(w->k))
		return -ENOENT;
	r = list_walk(w->k, w->k->symbol[SYM_SUPER_BLOCKS].address, MAX_SUPER_BLOCKS, on_super_block, w);
	if (r == -E2BIG && !w->stop) {
		w->walked->cut = true;
		r = 0;
	}
	return w->stop ? w->stop : r;
}

int inodes_walk(const struct kernel *k, bool all, int (*fn)(void *ctx, const struct guest_inode *inode),
		void *ctx, struct inodes_walked *ret_walked)
{
	autofree struct guest_inode *inode = calloc(1, sizeof(*inode));
	struct inodes_place place = { 0 };
	struct walk w = { .k = k, .all = all, .fn = fn, .ctx = ctx, .walked = ret_walked, .inode = inode,
			  .place = k->mem->still ? NULL : &place };

	memset(ret_walked, 0, sizeof(*ret_walked));
	if (!inode)
		return -ENOMEM;
	return walk_all(&w);
}

int inodes_walk_on(const struct kernel *k, const struct inodes_sink *sink, struct inodes_place *place,
		   struct inodes_walked *walked)
{
	autofree struct guest_inode *inode = calloc(1, sizeof(*inode));
	struct walk w = { .k = k, .fn = sink->fn, .ctx = sink->ctx, .walked = walked, .inode = inode,
			  .sink = sink, .place = place, .seeking = place->super_block != 0 };
	int r;

	if (!inode)
		return -ENOMEM;
	r = walk_all(&w);
	if (!w.stop && w.seeking)
		r = r ? r : -ESTALE;
	if (!w.stop)
		memset(place, 0, sizeof(*place));
	return r;
}

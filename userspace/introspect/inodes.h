/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files at rest: the regular files whose inodes the guest's kernel has in memory,
 * whether a process has them open or not.
 */
#ifndef WARDEN_INODES_H
#define WARDEN_INODES_H

#include "introspect/files.h"

#define MAX_SUPER_BLOCKS 8192u
#define MAX_INODES (1u << 21)		/* of all file systems together */
#define FS_NAME_SIZE 32

struct guest_inode {
	uint64_t inode, mapping;
	uint64_t magic, dev;		/* of its file system; dev as the kernel has it, or 0 */
	uint64_t ino, size, nrpages, mtime_sec, mtime_nsec;
	uint64_t ctime_sec, ctime_nsec, generation;	/* 0 where this kernel does not tell */
	uint32_t uid, mode;
	bool deleted;
	char fs[FS_NAME_SIZE];		/* "ext4" */
	char id[FS_NAME_SIZE + 1];	/* what the kernel calls it: "sda1" */
	/*
	 * From the file system's root, wherever that is mounted; "": no dentry in
	 * memory names it.  All three are raw bytes.
	 */
	char path[GUEST_PATH_SIZE];
};

/* What a walk went through, and what it could not. */
struct inodes_walked {
	uint32_t super_blocks, inodes, files;
	uint32_t torn;			/* file systems whose lists do not hold together */
	uint32_t unread;		/* inodes */
	bool cut;			/* more file systems or inodes than the limit */
};

/*
 * Calls fn for each regular file of the guest; nonzero ends it.  all: also for those
 * without a page in memory.  0, what fn returned, -ENOENT: this kernel has no list
 * that is known; -ELOOP: that of file systems does not hold together (what was found
 * of it was told); or an errno of memory_read.
 */
int inodes_walk(const struct kernel *k, bool all, int (*fn)(void *ctx, const struct guest_inode *inode),
		void *ctx, struct inodes_walked *ret_walked);

/* The last inodes that were told, and some before: of a guest that runs, some may be gone by then. */
#define INODES_TRAIL 32
#define INODES_FAR 8

/* Where a walk that was ended is to go on; zeroed: at the begin. */
struct inodes_place {
	uint64_t super_block;
	uint64_t inode[INODES_TRAIL];	/* 0: none; the newest is that of `at` */
	uint64_t far[INODES_FAR];	/* the same, of far_at */
	uint32_t at, far_at, steps;
};

struct inodes_sink {
	int (*step)(void *ctx);		/* before any inode is read; nonzero ends the walk there */
	bool (*want)(void *ctx, const struct guest_inode *inode);	/* it has no path yet */
	int (*fn)(void *ctx, const struct guest_inode *inode);	/* nonzero ends it behind this one */
	void *ctx;
};

/*
 * As inodes_walk, from *place on, for files that have pages in memory.  What it went
 * through is added to *walked.  *place is where it ended: zeroed after the last.  Also
 * -ESTALE: the file system to go on with is no more, and *place is the begin.
 */
int inodes_walk_on(const struct kernel *k, const struct inodes_sink *sink, struct inodes_place *place,
		   struct inodes_walked *walked);

#endif

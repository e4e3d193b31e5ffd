/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An open file of the guest: its path, its inode, its kind. */
#ifndef WARDEN_FILES_H
#define WARDEN_FILES_H

#include "introspect/kernel.h"

#define GUEST_PATH_SIZE 4096
#define TMPFS_MAGIC 0x01021994u

struct guest_file {
	uint64_t inode;			/* the one that has the pages */
	uint64_t mapping;
	uint64_t magic, dev;		/* of its file system; dev as the kernel has it, or 0 */
	uint64_t ino, size, mtime_sec, mtime_nsec, nrpages;
	bool deleted, memfd;
	char path[GUEST_PATH_SIZE];	/* raw bytes, NUL-terminated */
};

/* Of a dentry, from its own file system's root on; raw bytes.  0 or -errno. */
int dentry_path(const struct kernel *k, uint64_t dentry, char path[GUEST_PATH_SIZE]);

/* Is that the path said: raw or escaped, of a deleted file also with " (deleted)"? */
bool path_is(const char *path, bool deleted, const char *said);

/* 0 or -errno; -EPROTO if what lies there is no file. */
int file_read_info(const struct kernel *k, uint64_t file, struct guest_file *ret_file);

/* The name that a path ends in. */
const char *path_base(const char *path);

#endif

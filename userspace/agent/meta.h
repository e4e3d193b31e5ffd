/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a file is besides its content: owner, mode, times, inode flags and
 * extended attributes (capabilities, access lists and security labels are
 * among these).
 */
#ifndef WARDEN_AGENT_META_H
#define WARDEN_AGENT_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warden/wire.h"

#define META_ATTRS_MAX (256u << 10)
#define META_MAX (64 + WIRE_PATH_MAX + META_ATTRS_MAX)	/* encoded */

struct meta {
	uint64_t size;
	uint32_t mode, uid, gid;
	uint32_t flags;			/* of FS_IOC_GETFLAGS, those of META_FLAGS */
	int64_t atime_s, mtime_s;
	uint32_t atime_ns, mtime_ns;
	char path[WIRE_PATH_MAX + 1];
	bool lost;			/* not all user attributes: not sealed, to be told */
	uint32_t attrs_len;		/* u16 and name, u32 and value, again and again */
	uint8_t attrs[META_ATTRS_MAX];
};

/* 0 or -errno: -E2BIG for more attributes of the system than are kept. */
int meta_collect(int fd, const char *path, struct meta *ret_meta);

/* All but the flags; 0 or -errno, and *ret_what says what could not be set. */
int meta_apply(int fd, const struct meta *meta, const char **ret_what);

/* Inode flags: immutable, append-only, no dump, no access times; 0 where there are none. */
uint32_t meta_flags(int fd);
int meta_set_flags(int fd, uint32_t flags);

#define META_FIXED (META_FLAG_IMMUTABLE | META_FLAG_APPEND)	/* cannot be removed */
#define META_FLAG_IMMUTABLE 0x10u
#define META_FLAG_APPEND 0x20u

/* meta_put writes at most META_MAX bytes; meta_get is strict. */
size_t meta_put(uint8_t *out, const struct meta *meta);
bool meta_get(const uint8_t *in, size_t len, struct meta *ret_meta);

#endif

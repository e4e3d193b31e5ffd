/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes behind a page map: hashed with a key, hashed as an identity, or
 * copied into a sealed memfd.
 */
#ifndef WARDEN_CONTENT_H
#define WARDEN_CONTENT_H

#include "introspect/pagecache.h"
#include "lib/messages.h"

#define CONTENT_BATCH KVM_WARDEN_MAX_SEGMENTS
#define CONTENT_HASH_BYTES 16
#define EXE_MAX_PAGES 8192u		/* the agent hashes them too: 32 MiB at most */

struct content_reader {
	struct guest_memory *mem;
	uint8_t *buffer;		/* CONTENT_BATCH frames */
	uint8_t key[32];		/* this process's secret */
};

/* What an executable is known by in the guest: see struct m_task. */
struct exe_identity {
	uint8_t hash[HASH_BYTES];
	uint32_t ranges;
	struct exe_range range[EXE_MAX_RANGES];
	bool partial;			/* not every page of the file */
	bool cut;			/* not every resident page: too many stretches or pages */
};

int content_init(struct content_reader *c, struct guest_memory *mem);
void content_free(struct content_reader *c);

/*
 * Keyed hash over the resident pages and their places.  Pages the VMM does not
 * hold are taken out of the map.  size: bytes of the last page count up to it.
 * fd: -1, or a memfd that receives the pages.  0 or -errno.
 */
int content_pass(struct content_reader *c, struct page_map *map, uint64_t size, int fd,
		 uint8_t ret_hash[CONTENT_HASH_BYTES]);

/* The same hash, of a copy that has these pages. */
int content_hash_copy(struct content_reader *c, const struct page_map *map, uint64_t size, int fd,
		      uint8_t ret_hash[CONTENT_HASH_BYTES]);

/* Zeroes a page of a copy of size bytes. */
int content_blank(int fd, uint64_t page, uint64_t size);

/* A memfd of size bytes, not sealed yet; or -errno. */
int content_create(uint64_t size);
int content_seal(int fd);

/*
 * Hash over the first EXE_MAX_RANGES stretches of resident pages: as the guest
 * has them now (fd -1), or as a copy of size bytes has them.
 */
int content_identity(struct content_reader *c, const struct page_map *map, uint64_t size,
		     int fd, struct exe_identity *ret_identity);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which pages of a file are in the guest's page cache, and in which frames. */
#ifndef WARDEN_PAGECACHE_H
#define WARDEN_PAGECACHE_H

#include "introspect/kernel.h"

#define MAX_FILE_PAGES 32768u		/* 128 MiB */
#define MAX_FILE_BYTES ((uint64_t)MAX_FILE_PAGES * FRAME_SIZE)

/* frame[i] holds page i of a file (or region), NO_FRAME if not resident. */
struct page_map {
	uint64_t *frame;
	uint32_t pages;			/* room */
	uint32_t resident;
};

/* pages at most MAX_FILE_PAGES.  0 or -ENOMEM. */
int page_map_init(struct page_map *map, uint64_t pages);
void page_map_free(struct page_map *map);
void page_map_set(struct page_map *map, uint64_t page, uint64_t frame);
bool page_map_equal(const struct page_map *a, const struct page_map *b);

/*
 * Fills the map from an address_space's xarray; pages past its room are left
 * out.  Swap and shadow entries, and pages not up to date, are not resident.
 * -EPROTO: the tree does not hold together; else an errno of memory_read.
 */
int pagecache_read(const struct kernel *k, uint64_t mapping, struct page_map *map);

#endif

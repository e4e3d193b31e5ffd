// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/pagecache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define MAX_DEPTH 11			/* 6 bits a level */
#define MAX_SLOTS 64u
#define MAX_NODES (2 * MAX_FILE_PAGES)
#define MAX_ORDER 18u			/* 1 GiB */

int page_map_init(struct page_map *map, uint64_t pages)
{
	map->pages = MIN(pages, MAX_FILE_PAGES);
	map->resident = 0;
	map->frame = malloc(MAX(map->pages, 1u) * sizeof(*map->frame));
	if (!map->frame)
		return -ENOMEM;
	memset(map->frame, 0xff, map->pages * sizeof(*map->frame));
	return 0;
}

void page_map_free(struct page_map *map)
{
	free(map->frame);
	map->frame = NULL;
}

void page_map_set(struct page_map *map, uint64_t page, uint64_t frame)
{
	if (page >= map->pages)
		return;
	map->resident += map->frame[page] == NO_FRAME;
	map->frame[page] = frame;
}

bool page_map_equal(const struct page_map *a, const struct page_map *b)
{
	return a->pages == b->pages &&
	       memcmp(a->frame, b->frame, a->pages * sizeof(*a->frame)) == 0;
}

/* ---- folios ---- */

/*
 * The order of a head page's folio moved about: its own member from 6.0, the
 * low byte of _flags_1 from 6.6, the second struct page before.
 */
static int folio_order(const struct kernel *k, uint64_t head, unsigned *ret_order)
{
	const struct layout *at = &k->at;
	uint64_t v;
	int r;

	if (at->folio_order.size)
		r = kernel_member(k, head, (struct field){ at->folio_order.at, 1 }, &v);
	else if (at->page_compound_order.size)
		r = kernel_member(k, head + at->page_size.size,
				  (struct field){ at->page_compound_order.at, 1 }, &v);
	else
		r = kernel_member(k, head, (struct field){ at->folio_flags_1.at, 1 }, &v);
	if (!r && v > MAX_ORDER)
		r = -EPROTO;
	if (!r)
		*ret_order = v;
	return r;
}

static int add_folio(const struct kernel *k, struct page_map *map, uint64_t index, uint64_t page)
{
	uint64_t frame = kernel_page_frame(k, page), flags;
	unsigned order = 0;
	int r = frame == NO_FRAME ? -EPROTO : kernel_member(k, page, k->at.page_flags, &flags);

	if (!r && (flags >> k->at.pg_head & 1))
		r = folio_order(k, page, &order);
	if (r || !(flags >> k->at.pg_uptodate & 1))
		return r;
	/* Kernels of 5.10 repeat the head in every slot: the same is set again. */
	index &= ~((1ull << order) - 1);
	for (uint64_t i = 0; i < 1ull << order && index + i < map->pages; i++)
		page_map_set(map, index + i, frame + i * FRAME_SIZE);
	return 0;
}

/* ---- xarray ---- */

struct walk {
	const struct kernel *k;
	struct page_map *map;
	uint32_t nodes;
};

static bool is_node(uint64_t entry)
{
	return (entry & 3) == 2 && entry > 4096;
}

static int walk_entry(struct walk *w, uint64_t entry, uint64_t index, int depth, unsigned above);

static int walk_node(struct walk *w, uint64_t node, uint64_t index, int depth, unsigned above)
{
	const struct layout *at = &w->k->at;
	uint64_t slots[MAX_SLOTS], shift;
	uint32_t n = MIN(at->xa_node_slots.size / 8, MAX_SLOTS);
	int r = depth && w->nodes++ < MAX_NODES ? 0 : -EPROTO;

	if (!r)
		r = kernel_member(w->k, node, at->xa_node_shift, &shift);
	/* Shifts must fall: no loop, and no index twice. */
	if (!r && shift >= above)
		r = -EPROTO;
	if (!r)
		r = virt_read(&w->k->as, node + at->xa_node_slots.at, slots, n * sizeof(*slots));
	for (uint32_t i = 0; !r && i < n; i++) {
		uint64_t at_index = index + ((uint64_t)i << shift);

		if (at_index >= w->map->pages)
			break;
		r = walk_entry(w, slots[i], at_index, depth - 1, shift);
	}
	return r;
}

static int walk_entry(struct walk *w, uint64_t entry, uint64_t index, int depth, unsigned above)
{
	if (is_node(entry))
		return walk_node(w, entry & ~3ull, index, depth, above);
	/* Values are swap or shadow entries; small internal ones are siblings. */
	if (!entry || (entry & 3))
		return 0;
	return add_folio(w->k, w->map, index, entry);
}

int pagecache_read(const struct kernel *k, uint64_t mapping, struct page_map *map)
{
	struct walk w = { k, map, 0 };
	uint64_t head;
	int r = kernel_member(k, mapping, k->at.address_space_xa_head, &head);

	return r ? r : walk_entry(&w, head, 0, MAX_DEPTH, 64);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/xarray.h"

#include <errno.h>

#include "lib/util.h"

#define MAX_DEPTH 11			/* 6 bits a level */
#define MAX_SLOTS 64u

struct walk {
	const struct kernel *k;
	uint32_t left;
	int (*fn)(void *ctx, uint64_t index, uint64_t entry);
	void *ctx;
};

static int walk_entry(struct walk *w, uint64_t entry, uint64_t index, int depth, unsigned above)
{
	const struct layout *at = &w->k->at;
	uint64_t slots[MAX_SLOTS], shift, node = entry & ~3ull;
	uint32_t n = MIN(at->xa_node_slots.size / 8, MAX_SLOTS);
	int r;

	/* Values, and the small ones that are the tree's own. */
	if (!entry || (entry & 1) || ((entry & 3) == 2 && entry <= 4096))
		return 0;
	if ((entry & 3) == 0)
		return kernel_pointer(w->k, entry) ? w->fn(w->ctx, index, entry) : -EPROTO;
	if (!w->left--)
		return -E2BIG;
	r = depth ? kernel_member(w->k, node, at->xa_node_shift, &shift) : -EPROTO;
	/* Shifts must fall: no loop, and no index twice. */
	if (!r && shift >= above)
		r = -EPROTO;
	if (!r)
		r = virt_read(&w->k->as, node + at->xa_node_slots.at, slots, n * sizeof(*slots));
	for (uint32_t i = 0; !r && i < n; i++)
		r = walk_entry(w, slots[i], index + ((uint64_t)i << shift), depth - 1, shift);
	return r;
}

int xarray_walk(const struct kernel *k, uint64_t head, uint32_t max,
		int (*fn)(void *ctx, uint64_t index, uint64_t entry), void *ctx)
{
	struct walk w = { k, max, fn, ctx };

	return walk_entry(&w, head, 0, MAX_DEPTH, 64);
}

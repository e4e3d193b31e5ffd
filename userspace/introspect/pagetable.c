// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/pagetable.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define ENTRIES 512u

static unsigned level_shift(unsigned level)
{
	return 12 + 9 * level;
}

static bool canonical(uint64_t va, unsigned levels)
{
	unsigned unused = 64 - level_shift(levels);

	return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

static bool is_leaf(uint64_t entry, unsigned level)
{
	return level == 0 || (level < 3 && (entry & PTE_LARGE));
}

static uint64_t leaf_address(uint64_t entry, unsigned level)
{
	return entry & PTE_ADDRESS & ~((1ull << level_shift(level)) - 1);
}

static int walk(const struct address_space *as, uint64_t va, uint64_t *ret_pa)
{
	uint64_t table = as->root & PTE_ADDRESS;

	for (unsigned level = as->levels; level-- > 0;) {
		uint64_t entry;
		int r = memory_read(as->mem, table + (va >> level_shift(level)) % ENTRIES * 8,
				    &entry, sizeof(entry));

		if (r)
			return r;
		if (!(entry & PTE_PRESENT))
			return -EFAULT;
		if (is_leaf(entry, level)) {
			*ret_pa = leaf_address(entry, level) |
				  (va & ((1ull << level_shift(level)) - 1));
			return 0;
		}
		table = entry & PTE_ADDRESS;
	}
	return -EFAULT;
}

static struct tlb_entry *tlb_slot(const struct address_space *as, uint64_t page)
{
	uint64_t mix = (page ^ as->root) * 0x9E3779B97F4A7C15ull;

	return &as->tlb->entry[mix >> 52];
}

_Static_assert(TLB_ENTRIES == 1u << (64 - 52), "the hash of tlb_slot yields a slot");

int virt_to_phys(const struct address_space *as, uint64_t va, uint64_t *ret_pa)
{
	uint64_t page = va / FRAME_SIZE, pa = 0;
	struct tlb_entry *slot = as->tlb ? tlb_slot(as, page) : NULL;
	int r;

	if (!canonical(va, as->levels))
		return -EFAULT;
	if (slot && slot->generation == as->mem->generation && slot->page == page &&
	    slot->root == as->root) {
		*ret_pa = slot->pa | (va & FRAME_MASK);
		return 0;
	}
	r = walk(as, va, &pa);
	if (r)
		return r;
	if (slot)
		*slot = (struct tlb_entry){ as->root, page, pa & ~(uint64_t)FRAME_MASK,
					    as->mem->generation };
	*ret_pa = pa;
	return 0;
}

int virt_read(const struct address_space *as, uint64_t va, void *buf, size_t len)
{
	uint8_t *out = buf;

	while (len) {
		size_t chunk = MIN(len, FRAME_SIZE - (va & FRAME_MASK));
		uint64_t pa;
		int r = virt_to_phys(as, va, &pa);

		if (!r)
			r = memory_read(as->mem, pa, out, chunk);
		if (r)
			return r;
		out += chunk;
		va += chunk;
		len -= chunk;
	}
	return 0;
}

int virt_read_u64(const struct address_space *as, uint64_t va, uint64_t *ret_value)
{
	return virt_read(as, va, ret_value, sizeof(*ret_value));
}

int virt_read_text(const struct address_space *as, uint64_t va, char *buf, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		size_t chunk = MIN(size - 1 - len, FRAME_SIZE - (va & FRAME_MASK));
		int r = virt_read(as, va, buf + len, chunk);
		size_t text;

		if (r)
			return r;
		text = strnlen(buf + len, chunk);
		len += text;
		va += text;
		if (text < chunk)
			break;
	}
	buf[len] = '\0';
	return len;
}

/* ---- leaves of a range ---- */

struct leaf_walk {
	const struct address_space *as;
	uint64_t lo, hi;
	unsigned tables;
	int (*fn)(void *ctx, const struct mapping *leaf);
	void *ctx;
};

static int walk_table(struct leaf_walk *w, uint64_t table, unsigned level,
		      const struct mapping *above);

static int walk_entry(struct leaf_walk *w, uint64_t entry, unsigned level, struct mapping *m)
{
	bool top_user = level == w->as->levels - 1 && !(m->va >> 63);

	if (!(entry & PTE_PRESENT))
		return 0;
	m->write = m->write && (entry & PTE_WRITE);
	m->user = m->user && (entry & PTE_USER);
	m->nx = m->nx || ((entry & PTE_NX) && !top_user);
	if (!is_leaf(entry, level))
		return walk_table(w, entry & PTE_ADDRESS, level - 1, m);
	m->pa = leaf_address(entry, level);
	m->size = 1ull << level_shift(level);
	return w->fn(w->ctx, m);
}

/* Depth is bounded by the levels (5), not by the guest. */
static int walk_table(struct leaf_walk *w, uint64_t table, unsigned level,
		      const struct mapping *above)
{
	const unsigned unused = 64 - level_shift(w->as->levels);
	uint64_t entries[ENTRIES], span = 1ull << level_shift(level);
	int r;

	if (w->tables-- == 0)
		return -E2BIG;
	r = memory_read(w->as->mem, table, entries, sizeof(entries));
	if (r)
		return r == -ETIME || r == -ENODEV ? r : 0;
	for (unsigned i = 0; i < ENTRIES; i++) {
		struct mapping m = *above;
		uint64_t last;

		m.va = above->va + i * span;
		m.va = (uint64_t)((int64_t)(m.va << unused) >> unused);
		last = m.va + (span - 1);
		if (last < w->lo || m.va >= w->hi)
			continue;
		r = walk_entry(w, entries[i], level, &m);
		if (r)
			return r;
	}
	return 0;
}

int page_leaves(const struct address_space *as, uint64_t lo, uint64_t hi, unsigned max_tables,
		int (*fn)(void *ctx, const struct mapping *leaf), void *ctx)
{
	struct leaf_walk w = { as, lo, hi, max_tables, fn, ctx };
	const struct mapping all = { .write = true, .user = true };

	return walk_table(&w, as->root & PTE_ADDRESS, as->levels - 1, &all);
}

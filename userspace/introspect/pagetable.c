// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/pagetable.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define LARGE_SHIFT 21
#define LARGE_MASK ((1ull << LARGE_SHIFT) - 1)

static bool canonical(uint64_t va, unsigned levels)
{
	unsigned unused = 64 - pte_shift(levels);

	return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

/* *ret_level: of the leaf that maps it. */
static int walk(const struct address_space *as, uint64_t va, uint64_t *ret_pa, unsigned *ret_level)
{
	uint64_t table = as->root & PTE_ADDRESS;

	for (unsigned level = as->levels; level-- > 0;) {
		uint64_t entry;
		int r = memory_read(as->mem, table + (va >> pte_shift(level)) % PTE_ENTRIES * 8,
				    &entry, sizeof(entry));

		if (r)
			return r;
		if (!(entry & PTE_PRESENT))
			return -EFAULT;
		if (pte_is_leaf(entry, level)) {
			*ret_pa = pte_leaf(entry, level) |
				  (va & ((1ull << pte_shift(level)) - 1));
			*ret_level = level;
			return 0;
		}
		table = entry & PTE_ADDRESS;
	}
	return -EFAULT;
}

static uint64_t mix(uint64_t page, uint64_t root)
{
	return (page ^ root) * 0x9E3779B97F4A7C15ull;
}

_Static_assert(TLB_ENTRIES == 1u << (64 - 52), "the top 12 bits of the mix are a slot");
_Static_assert(TLB_LARGE_ENTRIES == 1u << (64 - 54), "the top 10 bits are one of a large page");

static bool hit(const struct tlb_entry *e, const struct address_space *as, uint64_t page)
{
	return e->page == page && e->root == as->root && e->generation == as->mem->generation;
}

static struct tlb_entry *large_slot(const struct address_space *as, uint64_t large_page)
{
	return &as->tlb->large[mix(large_page, as->root) >> 54];
}

int virt_to_phys(const struct address_space *as, uint64_t va, uint64_t *ret_pa)
{
	const uint64_t page = va >> 12, large_page = va >> LARGE_SHIFT;
	struct tlb_entry *small, *large;
	unsigned level = 0;
	uint64_t pa = 0;
	int r;

	if (!canonical(va, as->levels))
		return -EFAULT;
	if (!as->tlb)
		return walk(as, va, ret_pa, &level);
	/* The direct map is of large pages: nearly all that is read lies there. */
	large = large_slot(as, large_page);
	if (hit(large, as, large_page)) {
		*ret_pa = large->pa | (va & LARGE_MASK);
		return 0;
	}
	small = &as->tlb->entry[mix(page, as->root) >> 52];
	if (hit(small, as, page)) {
		*ret_pa = small->pa | (va & FRAME_MASK);
		return 0;
	}
	r = walk(as, va, &pa, &level);
	if (r)
		return r;
	if (level)
		*large = (struct tlb_entry){ as->root, large_page, pa & ~LARGE_MASK, as->mem->generation };
	else
		*small = (struct tlb_entry){ as->root, page, pa & ~(uint64_t)FRAME_MASK,
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

size_t virt_read_start(const struct address_space *as, uint64_t va, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t chunk = MIN(len - done, FRAME_SIZE - ((va + done) & FRAME_MASK));

		if (virt_read(as, va + done, (uint8_t *)buf + done, chunk))
			break;
		done += chunk;
	}
	return done;
}

int virt_view(const struct address_space *as, uint64_t va, void *buf, size_t len,
	      const uint8_t **ret_bytes)
{
	const uint8_t *at = NULL;
	uint64_t pa;

	if (len <= FRAME_SIZE - (va & FRAME_MASK) && !virt_to_phys(as, va, &pa))
		at = memory_at(as->mem, pa, len);
	*ret_bytes = at ? at : buf;
	return at ? 0 : virt_read(as, va, buf, len);
}

void virt_prefetch(const struct address_space *as, uint64_t va, size_t len)
{
	const uint64_t large_page = va >> LARGE_SHIFT;
	const struct tlb_entry *large;

	if (!as->tlb || !canonical(va, as->levels))
		return;
	large = large_slot(as, large_page);
	if (hit(large, as, large_page))
		memory_prefetch(as->mem, large->pa | (va & LARGE_MASK), len);
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

#define MAX_LEVELS 5

struct leaf_walk {
	const struct address_space *as;
	uint64_t lo, hi;
	struct leaf_bounds *bounds;
	int (*fn)(void *ctx, const struct mapping *leaf);
	void *ctx;
	bool executable;		/* those leaves alone */
	uint64_t barren[MAX_LEVELS];	/* of each level the last table that led to none */
	uint32_t leaves;
};

static int walk_table(struct leaf_walk *w, uint64_t table, unsigned level,
		      const struct mapping *above);

static int walk_entry(struct leaf_walk *w, uint64_t entry, unsigned level, struct mapping *m)
{
	bool top_user = level == w->as->levels - 1 && !(m->va >> 63);

	m->write = m->write && (entry & PTE_WRITE);
	m->user = m->user && (entry & PTE_USER);
	m->nx = m->nx || ((entry & PTE_NX) && !top_user);
	if (w->executable && m->nx)
		return 0;
	if (!pte_is_leaf(entry, level))
		return walk_table(w, entry & PTE_ADDRESS, level - 1, m);
	w->leaves++;
	m->pa = pte_leaf(entry, level);
	m->size = 1ull << pte_shift(level);
	return w->fn(w->ctx, m);
}

/*
 * The entries of a table at va that [lo, hi) may touch.  Its halves, the
 * user's and the kernel's, are told apart at the top alone.
 */
static void bound(const struct leaf_walk *w, uint64_t va, unsigned level, unsigned *first, unsigned *last)
{
	const uint64_t width = (1ull << pte_shift(w->as->levels)) - 1;
	const uint64_t base = va & width, lo = w->lo & width, hi = (w->hi - 1) & width;
	const uint64_t end = base + ((uint64_t)PTE_ENTRIES << pte_shift(level)) - 1;

	*first = 0;
	*last = PTE_ENTRIES - 1;
	if (w->lo >> 63 != (w->hi - 1) >> 63)
		return;
	if (lo > base)
		*first = MIN((lo - base) >> pte_shift(level), PTE_ENTRIES - 1);
	if (hi < end)
		*last = hi < base ? 0 : (hi - base) >> pte_shift(level);
}

/* Depth is bounded by the levels (5), not by the guest. */
static int walk_entries(struct leaf_walk *w, uint64_t table, unsigned level,
		      const struct mapping *above)
{
	const unsigned unused = 64 - pte_shift(w->as->levels);
	uint64_t entries[PTE_ENTRIES], span = 1ull << pte_shift(level);
	unsigned first, last_entry;
	int r;

	if (!w->bounds->tables)
		return -E2BIG;
	w->bounds->tables--;
	bound(w, above->va, level, &first, &last_entry);
	if (first > last_entry)
		return 0;
	r = memory_read(w->as->mem, table + 8 * first, entries + first, 8 * (last_entry - first + 1));
	w->bounds->unread += r != 0;
	if (r)
		return r == -ETIME || r == -ENODEV ? r : 0;
	for (unsigned i = first; i <= last_entry; i++) {
		struct mapping m = *above;
		uint64_t last;

		if (!(entries[i] & PTE_PRESENT))
			continue;
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

/* One table may be mapped a million times, as KASAN maps the shadow of what is not there. */
static int walk_table(struct leaf_walk *w, uint64_t table, unsigned level,
		      const struct mapping *above)
{
	const uint32_t leaves = w->leaves, unread = w->bounds->unread;
	int r;

	if (w->executable && w->barren[level] == table)
		return 0;
	r = walk_entries(w, table, level, above);
	if (!r && w->leaves == leaves && w->bounds->unread == unread)
		w->barren[level] = table;
	return r;
}

static const struct mapping all = { .write = true, .user = true };

int page_leaves_within(const struct address_space *as, uint64_t lo, uint64_t hi,
		       struct leaf_bounds *bounds,
		       int (*fn)(void *ctx, const struct mapping *leaf), void *ctx)
{
	struct leaf_walk w = {
		.as = as, .lo = lo, .hi = hi, .bounds = bounds, .fn = fn, .ctx = ctx,
	};

	return walk_entries(&w, as->root & PTE_ADDRESS, as->levels - 1, &all);
}

int page_leaves(const struct address_space *as, uint64_t lo, uint64_t hi, unsigned max_tables,
		int (*fn)(void *ctx, const struct mapping *leaf), void *ctx)
{
	struct leaf_bounds bounds = { .tables = max_tables };

	return page_leaves_within(as, lo, hi, &bounds, fn, ctx);
}

int page_leaves_executable(const struct address_space *as, bool kernels, struct leaf_bounds *bounds,
			   int (*fn)(void *ctx, const struct mapping *leaf), void *ctx)
{
	const uint64_t half = 1ull << 63;
	struct leaf_walk w = {
		.as = as, .lo = kernels ? half : 0, .hi = kernels ? UINT64_MAX : half,
		.bounds = bounds, .fn = fn, .ctx = ctx, .executable = true,
	};

	memset(w.barren, 0xff, sizeof(w.barren));
	return walk_entries(&w, as->root & PTE_ADDRESS, as->levels - 1, &all);
}

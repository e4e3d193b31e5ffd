// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/orphans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define MAX_TABLES (1u << 18)
#define MAX_PAGES (1u << 18)		/* executable ones without an owner that are read */
#define GIB (1ull << 30)

struct search {
	const struct kernel *k;
	struct owners *owners;
	struct orphans *found;
	uint32_t pages;
};

int orphans_init(struct orphans *o)
{
	memset(o, 0, sizeof(*o));
	o->page = malloc(MAX_ORPHANS * sizeof(*o->page));
	return o->page ? 0 : -ENOMEM;
}

void orphans_free(struct orphans *o)
{
	free(o->page);
	o->page = NULL;
}

static bool is_uniform(const uint8_t *page)
{
	return !memcmp(page, page + 1, FRAME_SIZE - 1);
}

/*
 * Nothing but jumps through registers: the kernel's own thunks against
 * speculation (ITS), which lie in no list that is the same in all kernels.
 */
static bool is_thunks(const uint8_t *page)
{
	for (size_t i = 0; i < FRAME_SIZE; i++) {
		if (page[i] == 0xcc || page[i] == 0x2e || page[i] == 0x3e)
			continue;
		if (page[i] == 0x41 && i + 1 < FRAME_SIZE)
			i++;
		if (page[i] != 0xff || i + 1 == FRAME_SIZE || (page[i + 1] & 0xf8) != 0xe0)
			return false;
		i++;
	}
	return true;
}

/* 1: there is no code, 0, or -errno. */
static int is_empty(const struct search *s, uint64_t pa)
{
	uint8_t page[FRAME_SIZE];
	int r = memory_read(s->k->mem, pa, page, sizeof(page));

	return r ? r : is_uniform(page) || is_thunks(page);
}

static bool is_image(const struct kernel *k, uint64_t va)
{
	return va >= k->text_base && va < ((k->symbol[SYM_ETEXT].address + FRAME_MASK) &
					   ~(uint64_t)FRAME_MASK);
}

static void add(struct orphans *o, uint64_t va, uint64_t size, uint64_t tracer)
{
	if (o->n == MAX_ORPHANS)
		o->cut = true;
	else
		o->page[o->n++] = (struct orphan){ va, size, tracer };
}

/* A page without an owner. */
static int take_page(struct search *s, uint64_t va, uint64_t pa)
{
	struct orphans *o = s->found;
	enum trampoline is;
	int empty;

	/* The walk ends, and what was found counts. */
	if (s->pages++ >= MAX_PAGES)
		return -E2BIG;
	empty = is_empty(s, pa);
	if (empty < 0) {
		o->unread++;
		return empty == -ETIME || empty == -ENODEV ? empty : 0;
	}
	if (empty)
		return 0;
	is = owners_trampoline(s->k, s->owners, va);
	if (is != TRAMPOLINE_KEPT)
		add(o, va, FRAME_SIZE, is == TRAMPOLINE_LEFT ? s->owners->tracer : 0);
	return 0;
}

static int on_leaf(void *ctx, const struct mapping *leaf)
{
	struct search *s = ctx;
	uint64_t size;
	int r = 0;

	/* No kernel has any, and nobody owns so much. */
	if (leaf->size >= GIB) {
		s->found->executable += leaf->size / FRAME_SIZE;
		add(s->found, leaf->va, leaf->size, 0);
		return 0;
	}
	for (uint64_t at = 0; !r && at < leaf->size; at += size) {
		const uint64_t va = leaf->va + at, owned = owners_end(s->owners, va);

		size = owned ? MIN(owned - va, leaf->size - at) : FRAME_SIZE;
		if (is_image(s->k, va))
			continue;
		s->found->executable += size / FRAME_SIZE;
		if (!owned)
			r = take_page(s, va, leaf->pa + at);
	}
	return r;
}

int orphans_find(const struct kernel *k, struct owners *owners, struct orphans *o)
{
	struct search s = { k, owners, o, 0 };
	struct leaf_bounds bounds = { .tables = MAX_TABLES };
	int r = k->symbol[SYM_ETEXT].address ? 0 : -ENOENT;

	o->n = o->unread = 0;
	o->executable = 0;
	o->cut = false;
	for (int kernels = 0; !r && kernels < 2; kernels++)
		r = page_leaves_executable(&k->as, kernels, &bounds, on_leaf, &s);
	o->unread += bounds.unread;
	if (r == -E2BIG) {
		o->cut = true;
		r = 0;
	}
	return !r && k->mem->expired ? -ETIME : r;
}

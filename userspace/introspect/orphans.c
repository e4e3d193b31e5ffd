// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/orphans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/image.h"

#define MODULES_END 0xffffffffff000000ull
#define MAX_TABLES 65536u
#define MAX_PAGES 65536u		/* executable ones without an owner that are read */

struct search {
	const struct kernel *k;
	struct owners *owners;
	struct orphans *found;
	uint32_t pages;
};

int orphans_init(struct orphans *o)
{
	o->n = o->executable = 0;
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

static bool is_empty(const struct search *s, uint64_t pa)
{
	uint8_t page[FRAME_SIZE];

	/* Never touched: there is no code. */
	return memory_read(s->k->mem, pa, page, sizeof(page)) || is_uniform(page) || is_thunks(page);
}

static bool is_image(const struct kernel *k, uint64_t va)
{
	return va >= k->text_base && va < ((k->symbol[SYM_ETEXT].address + FRAME_MASK) &
					   ~(uint64_t)FRAME_MASK);
}

static int take_page(struct search *s, uint64_t va, uint64_t pa)
{
	struct orphans *o = s->found;
	enum trampoline is;

	if (is_image(s->k, va))
		return 0;
	o->executable++;
	if (owners_have(s->owners, va))
		return 0;
	if (s->pages++ == MAX_PAGES)
		return -E2BIG;
	if (is_empty(s, pa))
		return 0;
	is = owners_trampoline(s->k, s->owners, va);
	if (is != TRAMPOLINE_KEPT)
		o->page[o->n++] = (struct orphan){
			va, is == TRAMPOLINE_LEFT ? s->owners->tracer : 0,
		};
	return 0;
}

static int on_leaf(void *ctx, const struct mapping *leaf)
{
	int r = 0;

	if (leaf->nx || leaf->user)
		return 0;
	for (uint64_t at = 0; !r && at < leaf->size; at += FRAME_SIZE)
		r = take_page(ctx, leaf->va + at, leaf->pa + at);
	return r;
}

/* The direct map and vmalloc's; the image's and what lies behind it. */
int orphans_find(const struct kernel *k, struct owners *owners, struct orphans *o)
{
	struct search s = { k, owners, o, 0 };
	int r;

	_Static_assert(MAX_ORPHANS >= MAX_PAGES, "each of them may be one");
	o->n = o->executable = 0;
	if (!k->symbol[SYM_ETEXT].address)
		return -ENOENT;
	r = page_leaves(&k->as, k->page_offset, k->vmemmap, MAX_TABLES, on_leaf, &s);
	return r ? r : page_leaves(&k->as, IMAGE_LOW, MODULES_END, MAX_TABLES, on_leaf, &s);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * task_structs by the memory they lie in: every page of the guest that belongs
 * to their slab cache, by the kernel's own array of struct page.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/views.h"
#include "lib/util.h"

#define CHUNK (512u << 10)
#define MAX_TABLES 65536u
#define MAX_OBJECTS 512u		/* of a slab */
#define MAX_USAGE 100000u
#define RED_ZONE 0x400u			/* SLAB_RED_ZONE */

struct slab_walk {
	const struct kernel *k;
	struct field of;		/* of a struct page: the cache it is a slab of */
	uint64_t cache, size, pad;
	uint32_t per_slab;		/* by the cache, for kernels without slab.objects */
	uint8_t *buf;
	uint64_t missing;
	int (*fn)(void *ctx, uint64_t va);
	void *ctx;
};

/* Freed ones have no stack and nobody who uses them. */
static bool is_allocated(const struct kernel *k, uint64_t task)
{
	uint64_t usage, stack;

	return !kernel_member(k, task, k->at.task_struct_usage, &usage) &&
	       !kernel_member(k, task, k->at.task_struct_stack, &stack) &&
	       usage && usage < MAX_USAGE && kernel_pointer(k, stack) && !(stack & FRAME_MASK);
}

static int visit_slab(struct slab_walk *w, const uint8_t *page, uint64_t frame)
{
	const struct field f = w->k->at.slab_objects;
	uint32_t n = 0;
	int r = 0;

	if (f.size && f.at + 4 <= w->k->at.page_size.size)
		memcpy(&n, page + f.at, sizeof(n));
	n &= 0x7fff;
	n = MIN(n ? n : w->per_slab, MAX_OBJECTS);
	for (uint32_t i = 0; !r && i < n; i++) {
		uint64_t task = w->k->page_offset + frame + w->pad + i * w->size;

		if (is_allocated(w->k, task))
			r = w->fn(w->ctx, task);
	}
	return r;
}

/* len bytes of the array of struct page, which describe guest memory from its start on. */
static int scan_chunk(struct slab_walk *w, uint64_t va, size_t len)
{
	const uint32_t size = w->k->at.page_size.size, at = w->of.at;
	int r = 0;

	for (size_t i = 0; !r && i + size <= len; i += size) {
		uint64_t cache, frame;

		memcpy(&cache, w->buf + i + at, sizeof(cache));
		if (cache != w->cache)
			continue;
		frame = kernel_page_frame(w->k, va + i);
		if (frame != NO_FRAME)
			r = visit_slab(w, w->buf + i, frame);
	}
	return r;
}

static int visit_leaf(void *ctx, const struct mapping *leaf)
{
	struct slab_walk *w = ctx;
	int r = 0;

	for (uint64_t at = 0; !r && at < leaf->size; at += CHUNK) {
		size_t len = MIN((uint64_t)CHUNK, leaf->size - at);

		r = memory_read_stretch(w->k->mem, leaf->pa + at, w->buf, len, &w->missing);
		if (!r)
			r = scan_chunk(w, leaf->va + at, len);
	}
	return r;
}

static int read_cache(struct slab_walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t flags = 0, oo = 0;
	int r = virt_read_u64(&w->k->as, w->k->symbol[SYM_TASK_CACHE].address, &w->cache);

	if (!r)
		r = kernel_member(w->k, w->cache, at->kmem_cache_size, &w->size);
	if (!r && at->kmem_cache_flags.size)
		r = kernel_member(w->k, w->cache, at->kmem_cache_flags, &flags);
	if (!r && (flags & RED_ZONE) && at->kmem_cache_red_left_pad.size)
		r = kernel_member(w->k, w->cache, at->kmem_cache_red_left_pad, &w->pad);
	if (!r && at->kmem_cache_oo.size)
		r = kernel_member(w->k, w->cache, at->kmem_cache_oo, &oo);
	w->per_slab = oo & 0xffff;
	if (!r && (w->size < 512 || w->size > (64u << 10) || w->pad > FRAME_SIZE))
		r = -EPROTO;
	return r;
}

int slab_tasks(const struct kernel *k, int (*fn)(void *ctx, uint64_t va), void *ctx)
{
	const struct layout *at = &k->at;
	/* Before 5.17 struct slab was part of struct page. */
	struct slab_walk w = { .k = k, .fn = fn, .ctx = ctx,
			       .of = at->slab_slab_cache.size ? at->slab_slab_cache : at->page_slab_cache };
	autofree uint8_t *buf = NULL;
	uint64_t end = k->vmemmap + memory_end(k->mem) / FRAME_SIZE * at->page_size.size;
	int r;

	if (!k->symbol[SYM_TASK_CACHE].address || !w.of.size ||
	    !at->kmem_cache_size.size || !at->task_struct_usage.size ||
	    !at->task_struct_stack.size || !at->page_size.size || CHUNK % at->page_size.size ||
	    w.of.at + 8 > at->page_size.size)
		return -ENOENT;
	r = read_cache(&w);
	if (r)
		return r;
	w.buf = buf = malloc(CHUNK);
	if (!buf)
		return -ENOMEM;
	r = page_leaves(&k->as, k->vmemmap, end, MAX_TABLES, visit_leaf, &w);
	return r ? r : w.missing ? -ENODATA : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/extract.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

/* ---- what is missing, told by runs ---- */

static void tell_run(struct extract *x)
{
	if (x->length)
		x->missing(x->ctx, x->from, x->length, x->why);
	x->length = 0;
}

static void is_missing(struct extract *x, uint64_t offset, uint64_t length, const char *why)
{
	x->absent += length;
	if (x->length && (x->from + x->length != offset || strcmp(x->why, why)))
		tell_run(x);
	if (!x->length) {
		x->from = offset;
		x->why = why;
	}
	x->length += length;
}

/* ---- memory ---- */

static int put_all(struct extract *x, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(x->fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			x->unwritable = true;
			return n ? -errno : -EIO;
		}
		bytes += n;
		len -= n;
	}
	return 0;
}

static const char *why_missing(int error)
{
	return error == -EFAULT ? "not mapped: never touched, swapped, or not of the process" :
	       error == -ENXIO ? "no RAM lies there" :
	       error == -ESTALE ? "it moved while it was read" :
	       error == -ETIME ? "time was up" : error == -ENODEV ? "the guest is gone" :
	       "not in the memory at hand";
}

static bool is_end(int error)
{
	return error == -ETIME || error == -ENODEV;
}

#define ATTEMPTS 4

/* So many pages are read between two looks at where they lie. */
#define STRETCH 64u

struct piece {
	uint64_t va, pa;
	uint32_t len;
	int error;
};

static uint32_t cut_stretch(uint64_t va, uint64_t length, struct piece *pieces)
{
	uint32_t n = 0;

	for (; length && n < STRETCH; n++) {
		const uint64_t len = MIN(length, FRAME_SIZE - (va & FRAME_MASK));

		pieces[n] = (struct piece){ .va = va, .len = len };
		va += len;
		length -= len;
	}
	return n;
}

/* Nonzero ends it. */
static int read_stretch(const struct address_space *as, struct piece *pieces, uint32_t n, uint8_t *buf)
{
	for (uint32_t i = 0; i < n; buf += pieces[i++].len) {
		struct piece *p = &pieces[i];

		p->error = virt_to_phys(as, p->va, &p->pa) ?: virt_read(as, p->va, buf, p->len);
		if (is_end(p->error))
			return p->error;
	}
	return 0;
}

/*
 * The guest runs: a page that was given away while it was read would show another's
 * bytes.  True: all are where they were; the others are said to have moved.
 */
static bool has_stayed(const struct address_space *as, struct piece *pieces, uint32_t n)
{
	bool all = true;

	memory_refresh(as->mem);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t pa;

		if (pieces[i].error || (!virt_to_phys(as, pieces[i].va, &pa) && pa == pieces[i].pa))
			continue;
		pieces[i].error = -ESTALE;
		all = false;
	}
	return all;
}

int extract_memory(const struct address_space *as, uint64_t va, uint64_t length, struct extract *x)
{
	static uint8_t buf[STRETCH * FRAME_SIZE];
	struct piece pieces[STRETCH];
	uint64_t done = 0;
	int r = 0;

	while (!r && done < length) {
		const uint32_t n = cut_stretch(va + done, length - done, pieces);
		uint8_t *at = buf;

		for (int i = 0; i < ATTEMPTS; i++) {
			r = read_stretch(as, pieces, n, buf);
			if (r || as->mem->still || has_stayed(as, pieces, n))
				break;
		}
		if (r)
			break;
		for (uint32_t i = 0; i < n; at += pieces[i++].len) {
			if (pieces[i].error) {
				memset(at, 0, pieces[i].len);
				is_missing(x, done + (at - buf), pieces[i].len,
					   why_missing(pieces[i].error));
			} else {
				x->resident += pieces[i].len;
			}
		}
		r = put_all(x, buf, at - buf);
		done += at - buf;
	}
	if (r && !x->unwritable)
		is_missing(x, done, length - done, why_missing(r));
	tell_run(x);
	return r;
}

/* ---- files ---- */

/* In place of a frame: it was read, and is not the page's any more. */
#define MOVED (NO_FRAME - 1)

/* Of the map that content_pass has left: what it could not read is taken out. */
static void count_pages(const struct page_map *map, uint64_t size, struct extract *x)
{
	for (uint64_t page = 0; page < map->pages; page++) {
		uint64_t at = page * FRAME_SIZE, len = MIN(size - at, (uint64_t)FRAME_SIZE);

		if (map->frame[page] == NO_FRAME)
			is_missing(x, at, len, "not resident");
		else if (map->frame[page] == MOVED)
			is_missing(x, at, len, why_missing(-ESTALE));
		else
			x->resident += len;
	}
}

static int write_pages(struct introspector *in, struct page_map *map, uint64_t size, struct extract *x)
{
	uint8_t hash[CONTENT_HASH_BYTES];
	int r = ftruncate(x->fd, 0) || ftruncate(x->fd, size) ? -errno : 0;

	x->unwritable = r;
	if (!r)
		r = content_pass(&in->objects.content, map, size, x->fd, hash);
	x->unwritable = x->unwritable || r == -ENOSPC || r == -EDQUOT || r == -EFBIG || r == -EIO;
	return r;
}

/* What it has of the pages that moved goes; how many those are, or -errno of fd's. */
static int leave_out(struct page_map *map, const struct page_map *now, uint64_t size, struct extract *x)
{
	int n = 0;

	for (uint32_t page = 0; page < map->pages; page++) {
		int r;

		if (map->frame[page] == NO_FRAME || map->frame[page] == now->frame[page])
			continue;
		map->frame[page] = MOVED;
		n++;
		r = content_blank(x->fd, page, size);
		if (r) {
			x->unwritable = true;
			return r;
		}
	}
	return n;
}

/* *ret_torn: what the page cache says of itself.  As leave_out. */
static int copy_pages(struct introspector *in, uint64_t mapping, uint64_t size, struct page_map *map,
		      struct extract *x, int *ret_torn)
{
	struct page_map now = { 0 };
	int r = page_map_init(map, (size + FRAME_SIZE - 1) / FRAME_SIZE);

	*ret_torn = r ? 0 : pagecache_read(&in->kernel, mapping, map);
	if (!r)
		r = is_end(*ret_torn) ? *ret_torn : write_pages(in, map, size, x);
	if (r || in->mem->still)
		return r;
	memory_refresh(in->mem);
	r = page_map_init(&now, map->pages);
	if (!r) {
		const int torn = pagecache_read(&in->kernel, mapping, &now);

		r = is_end(torn) ? torn : leave_out(map, &now, size, x);
	}
	page_map_free(&now);
	return r;
}

int extract_file(struct introspector *in, uint64_t mapping, uint64_t size, struct extract *x)
{
	const uint64_t whole = MIN(size, MAX_FILE_BYTES);
	struct page_map map = { 0 };
	int r, torn;

	for (int i = 0;; i++) {
		r = copy_pages(in, mapping, whole, &map, x, &torn);
		if (i == ATTEMPTS || r < 0 || in->mem->still || (!r && !torn))
			break;
		page_map_free(&map);
	}
	if (r >= 0)
		count_pages(&map, whole, x);
	else if (!x->unwritable && (ftruncate(x->fd, 0) || ftruncate(x->fd, whole)))
		x->unwritable = true;
	else if (!x->unwritable && whole)	/* what was read is not sure */
		is_missing(x, 0, whole, why_missing(r));
	if (!x->unwritable) {
		if (size > whole)
			is_missing(x, whole, size - whole, "behind the first 128 MiB");
		tell_run(x);
	}
	page_map_free(&map);
	return r < 0 ? r : torn;
}

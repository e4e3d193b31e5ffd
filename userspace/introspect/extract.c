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
	       error == -ENXIO ? "no RAM lies there" : "not in the memory at hand";
}

int extract_memory(const struct address_space *as, uint64_t va, uint64_t length, struct extract *x)
{
	uint8_t page[FRAME_SIZE];
	int r = 0;

	for (uint64_t done = 0, chunk; !r && done < length; done += chunk) {
		chunk = MIN(length - done, FRAME_SIZE - ((va + done) & FRAME_MASK));
		r = virt_read(as, va + done, page, chunk);
		if (r == -ETIME || r == -ENODEV)
			break;
		if (r) {
			memset(page, 0, chunk);
			is_missing(x, done, chunk, why_missing(r));
		} else {
			x->resident += chunk;
		}
		r = put_all(x, page, chunk);
	}
	tell_run(x);
	return r;
}

/* ---- files ---- */

/* Of the map that content_pass has left: what it could not read is taken out. */
static void count_pages(const struct page_map *map, uint64_t size, struct extract *x)
{
	for (uint64_t page = 0; page < map->pages; page++) {
		uint64_t at = page * FRAME_SIZE, len = MIN(size - at, (uint64_t)FRAME_SIZE);

		if (map->frame[page] == NO_FRAME)
			is_missing(x, at, len, "not resident");
		else
			x->resident += len;
	}
}

static int write_pages(struct introspector *in, struct page_map *map, uint64_t size, struct extract *x)
{
	uint8_t hash[CONTENT_HASH_BYTES];
	int r = ftruncate(x->fd, size) ? -errno : 0;

	x->unwritable = r;
	if (!r)
		r = content_pass(&in->objects.content, map, size, x->fd, hash);
	x->unwritable = x->unwritable || r == -ENOSPC || r == -EDQUOT || r == -EFBIG || r == -EIO;
	return r;
}

int extract_file(struct introspector *in, uint64_t mapping, uint64_t size, struct extract *x)
{
	const uint64_t whole = MIN(size, MAX_FILE_BYTES);
	struct page_map map;
	int r = page_map_init(&map, (whole + FRAME_SIZE - 1) / FRAME_SIZE), torn;

	if (r)
		return r;
	torn = pagecache_read(&in->kernel, mapping, &map);
	r = torn == -ETIME || torn == -ENODEV ? torn : write_pages(in, &map, whole, x);
	if (!r) {
		count_pages(&map, whole, x);
		if (size > whole)
			is_missing(x, whole, size - whole, "behind the first 128 MiB");
		tell_run(x);
	}
	page_map_free(&map);
	return r ? r : torn;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/content.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/util.h"

int content_init(struct content_reader *c, struct guest_memory *mem)
{
	c->mem = mem;
	c->buffer = malloc((size_t)CONTENT_BATCH * FRAME_SIZE);
	if (!c->buffer)
		return -ENOMEM;
	randombytes_buf(c->key, sizeof(c->key));
	return 0;
}

void content_free(struct content_reader *c)
{
	sodium_memzero(c->key, sizeof(c->key));
	free(c->buffer);
	c->buffer = NULL;
}

int content_create(uint64_t size)
{
	autofd int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, size))
		return -errno;
	return util_steal_fd(&fd);
}

int content_seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) ? -errno : 0;
}

/* Bytes of page that lie within size. */
static size_t page_bytes(uint64_t page, uint64_t size)
{
	uint64_t at = page * FRAME_SIZE;

	return at >= size ? 0 : MIN(size - at, (uint64_t)FRAME_SIZE);
}

static int put_page(int fd, const uint8_t *bytes, uint64_t page, size_t len)
{
	ssize_t n = pwrite(fd, bytes, len, page * FRAME_SIZE);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/*
 * SipHash of each page under a key of its own place, chained into one keyed
 * BLAKE2b state: cheap for each page, and a whole that a guest cannot aim at.
 */
static void hash_page(const struct content_reader *c, crypto_generichash_state *state,
		      uint64_t page, const uint8_t *bytes, size_t len)
{
	struct {
		uint64_t page;
		uint8_t hash[crypto_shorthash_siphashx24_BYTES];
	} record = { .page = page };

	crypto_shorthash_siphashx24(record.hash, bytes, len, c->key);
	crypto_generichash_update(state, (const uint8_t *)&record, sizeof(record));
}

static void hash_begin(const struct content_reader *c, uint64_t size,
		       crypto_generichash_state *state)
{
	crypto_generichash_init(state, c->key, sizeof(c->key), CONTENT_HASH_BYTES);
	crypto_generichash_update(state, (const uint8_t *)&size, sizeof(size));
}

static int pass_batch(struct content_reader *c, struct page_map *map, uint64_t first, size_t n,
		      uint64_t size, int fd, crypto_generichash_state *state)
{
	bool present[CONTENT_BATCH];
	int r = memory_read_frames(c->mem, map->frame + first, n, c->buffer, present);

	for (size_t i = 0; !r && i < n; i++) {
		const uint8_t *bytes = c->buffer + i * FRAME_SIZE;
		size_t len = page_bytes(first + i, size);

		if (map->frame[first + i] == NO_FRAME)
			continue;
		if (!present[i] || !len) {
			map->frame[first + i] = NO_FRAME;
			map->resident--;
			continue;
		}
		hash_page(c, state, first + i, bytes, len);
		if (fd >= 0)
			r = put_page(fd, bytes, first + i, len);
	}
	return r;
}

/* Behind the next CONTENT_BATCH pages, or where the map ends. */
static size_t batch_at(const struct page_map *map, uint64_t *first)
{
	while (*first < map->pages && map->frame[*first] == NO_FRAME)
		(*first)++;
	return MIN(map->pages - *first, (uint64_t)CONTENT_BATCH);
}

int content_pass(struct content_reader *c, struct page_map *map, uint64_t size, int fd,
		 uint8_t ret_hash[CONTENT_HASH_BYTES])
{
	crypto_generichash_state state;
	uint64_t first = 0;
	int r = 0;

	hash_begin(c, size, &state);
	for (size_t n; !r && (n = batch_at(map, &first)); first += n)
		r = pass_batch(c, map, first, n, size, fd, &state);
	crypto_generichash_final(&state, ret_hash, CONTENT_HASH_BYTES);
	return r;
}

int content_hash_copy(struct content_reader *c, const struct page_map *map, uint64_t size, int fd,
		      uint8_t ret_hash[CONTENT_HASH_BYTES])
{
	const uint8_t *copy = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	crypto_generichash_state state;

	if (copy == MAP_FAILED)
		return -errno;
	hash_begin(c, size, &state);
	for (uint32_t page = 0; page < map->pages; page++)
		if (map->frame[page] != NO_FRAME)
			hash_page(c, &state, page, copy + (size_t)page * FRAME_SIZE,
				  page_bytes(page, size));
	munmap((void *)copy, size);
	crypto_generichash_final(&state, ret_hash, CONTENT_HASH_BYTES);
	return 0;
}

int content_blank(int fd, uint64_t page, uint64_t size)
{
	static const uint8_t zeros[FRAME_SIZE];

	return put_page(fd, zeros, page, page_bytes(page, size));
}

/* ---- the identity of an executable ---- */

static void build_ranges(const struct page_map *map, uint64_t size, struct exe_identity *id)
{
	uint32_t listed = 0;

	for (uint32_t page = 0; page < map->pages && listed < EXE_MAX_PAGES; page++) {
		struct exe_range *last = id->ranges ? &id->range[id->ranges - 1] : NULL;

		if (map->frame[page] == NO_FRAME)
			continue;
		if (last && last->first_page + last->pages == page)
			last->pages++;
		else if (id->ranges == EXE_MAX_RANGES)
			break;
		else
			id->range[id->ranges++] = (struct exe_range){ page, 1 };
		listed++;
	}
	id->partial = listed < (size + FRAME_SIZE - 1) / FRAME_SIZE;
	id->cut = listed < map->resident;
}

static int hash_range(struct content_reader *c, const struct page_map *map, uint64_t size,
		      const struct exe_range *range, crypto_generichash_state *state)
{
	bool present[CONTENT_BATCH];
	uint32_t n;

	for (uint32_t done = 0; done < range->pages; done += n) {
		uint32_t first = range->first_page + done;
		int r;

		n = MIN(range->pages - done, (uint32_t)CONTENT_BATCH);
		r = memory_read_frames(c->mem, map->frame + first, n, c->buffer, present);
		if (r)
			return r;
		for (uint32_t i = 0; i < n; i++) {
			if (!present[i])
				return -ENODATA;
			crypto_generichash_update(state, c->buffer + (size_t)i * FRAME_SIZE,
						  page_bytes(first + i, size));
		}
	}
	return 0;
}

static int hash_guest(struct content_reader *c, const struct page_map *map, uint64_t size,
		      const struct exe_identity *id, crypto_generichash_state *state)
{
	int r = 0;

	for (uint32_t i = 0; !r && i < id->ranges; i++)
		r = hash_range(c, map, size, &id->range[i], state);
	return r;
}

static int hash_copy(int fd, uint64_t size, const struct exe_identity *id,
		     crypto_generichash_state *state)
{
	const uint8_t *copy = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (copy == MAP_FAILED)
		return -errno;
	for (uint32_t i = 0; i < id->ranges; i++) {
		uint64_t start = (uint64_t)id->range[i].first_page * FRAME_SIZE;
		uint64_t len = (uint64_t)id->range[i].pages * FRAME_SIZE;

		crypto_generichash_update(state, copy + start, MIN(len, size - start));
	}
	munmap((void *)copy, size);
	return 0;
}

int content_identity(struct content_reader *c, const struct page_map *map, uint64_t size,
		     int fd, struct exe_identity *ret_identity)
{
	struct exe_identity id = { .ranges = 0 };
	crypto_generichash_state state;
	int r = 0;

	build_ranges(map, size, &id);
	crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
	if (id.ranges)
		r = fd < 0 ? hash_guest(c, map, size, &id, &state) :
			     hash_copy(fd, size, &id, &state);
	if (r)
		return r;
	if (id.ranges)
		crypto_generichash_final(&state, id.hash, HASH_BYTES);
	*ret_identity = id;
	return 0;
}

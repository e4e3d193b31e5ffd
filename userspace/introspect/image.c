// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/gates.h"
#include "lib/util.h"

#define MAX_TABLES 8192u

static int add_piece(void *ctx, const struct mapping *leaf)
{
	struct image_map *map = ctx;

	if (map->pieces == MAX_PIECES)
		return -E2BIG;
	map->piece[map->pieces++] = *leaf;
	map->mapped += leaf->size;
	return 0;
}

static void build_runs(struct image_map *map)
{
	for (uint32_t i = 0; i < map->pieces; i++) {
		const struct mapping *p = &map->piece[i];
		struct run *last = map->runs ? &map->run[map->runs - 1] : NULL;

		if (last && last->end == p->va && last->write == p->write && last->nx == p->nx) {
			last->end += p->size;
			last->pieces++;
		} else {
			map->run[map->runs++] = (struct run){
				p->va, p->va + p->size, p->write, p->nx, i, 1,
			};
		}
	}
}

int image_map_read(const struct address_space *as, struct image_map *ret_map)
{
	int r;

	memset(ret_map, 0, sizeof(*ret_map));
	ret_map->piece = calloc(MAX_PIECES, sizeof(*ret_map->piece));
	ret_map->run = calloc(MAX_PIECES, sizeof(*ret_map->run));
	if (!ret_map->piece || !ret_map->run)
		return -ENOMEM;
	r = page_leaves(as, IMAGE_LOW, IMAGE_HIGH, MAX_TABLES, add_piece, ret_map);
	if (r && r != -E2BIG)
		return r;
	build_runs(ret_map);
	return 0;
}

void image_map_free(struct image_map *map)
{
	free(map->piece);
	free(map->run);
	memset(map, 0, sizeof(*map));
}

const struct run *image_run_at(const struct image_map *map, uint64_t va)
{
	for (uint32_t i = 0; i < map->runs; i++)
		if (va >= map->run[i].start && va < map->run[i].end)
			return &map->run[i];
	return NULL;
}

void image_merge(struct image_map *map)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < map->runs; i++) {
		if (n && map->run[n - 1].end == map->run[i].start) {
			map->run[n - 1].end = map->run[i].end;
			map->run[n - 1].pieces += map->run[i].pieces;
		} else {
			map->run[n++] = map->run[i];
		}
	}
	map->runs = n;
}

static const struct run *most_gates(const struct address_space *as, const struct image_map *map,
				    uint64_t idt)
{
	struct gate gates[GATES];
	const struct run *best = NULL;
	unsigned most = 0;

	if (virt_read(as, idt, gates, sizeof(gates)))
		return NULL;
	for (uint32_t i = 0; i < map->runs; i++) {
		unsigned hits = 0;

		for (unsigned g = 0; !map->run[i].nx && g < GATES; g++) {
			const uint64_t to = gate_target(&gates[g]);

			hits += gate_is_present(&gates[g]) &&
				to >= map->run[i].start && to < map->run[i].end;
		}
		if (hits > most) {
			most = hits;
			best = &map->run[i];
		}
	}
	return best;
}

static const struct run *largest_text(const struct image_map *map, bool writable)
{
	const struct run *best = NULL;

	for (uint32_t i = 0; i < map->runs; i++) {
		const struct run *r = &map->run[i];

		if (!r->nx && r->write <= writable &&
		    (!best || r->end - r->start > best->end - best->start))
			best = r;
	}
	return best;
}

uint64_t image_text(const struct address_space *as, const struct image_map *map, uint64_t idt)
{
	const struct run *run = idt ? most_gates(as, map, idt) : NULL;

	if (!run)
		run = largest_text(map, false);
	/* Until late in the boot nothing is protected. */
	if (!run)
		run = largest_text(map, true);
	return run ? run->start : 0;
}

uint8_t *image_read(struct guest_memory *mem, const struct image_map *map,
		    const struct run *run, uint64_t *missing, int *r)
{
	uint8_t *buf = malloc(run->end - run->start);

	*r = buf ? 0 : -ENOMEM;
	for (uint32_t i = run->first; !*r && i < run->first + run->pieces; i++)
		*r = memory_read_stretch(mem, map->piece[i].pa,
					 buf + (map->piece[i].va - run->start),
					 map->piece[i].size, missing);
	if (*r) {
		free(buf);
		return NULL;
	}
	return buf;
}

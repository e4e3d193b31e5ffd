/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel's page tables map where Linux puts its image. */
#ifndef WARDEN_IMAGE_H
#define WARDEN_IMAGE_H

#include "introspect/pagetable.h"

#define IMAGE_LOW 0xffffffff80000000ull
#define IMAGE_HIGH 0xffffffffc0000000ull
#define MAX_PIECES 16384u
#define MIN_IMAGE (4ull << 20)		/* less is no kernel */

/* Neighbouring leaves with the same rights. */
struct run {
	uint64_t start, end;
	bool write, nx;
	uint32_t first, pieces;		/* of image_map.piece */
};

struct image_map {
	struct mapping *piece;
	struct run *run;
	uint32_t pieces, runs;
	uint64_t mapped;
};

/* Enumerates; 0 or -errno.  Free with image_map_free even on failure. */
int image_map_read(const struct address_space *as, struct image_map *ret_map);
void image_map_free(struct image_map *map);

const struct run *image_run_at(const struct image_map *map, uint64_t va);

/* Merges runs that touch, whatever their rights (an unprotected image). */
void image_merge(struct image_map *map);

/*
 * The start of the executable run most of the 256 gates at idt point into, or
 * of the largest one if the gates tell nothing; 0 if nothing is executable.
 */
uint64_t image_text(const struct address_space *as, const struct image_map *map, uint64_t idt);

/* The bytes of a run; missing ones are zero and counted.  NULL: -errno in *r. */
uint8_t *image_read(struct guest_memory *mem, const struct image_map *map,
		    const struct run *run, uint64_t *missing, int *r);

#endif

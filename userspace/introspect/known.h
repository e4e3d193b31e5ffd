/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernels whose types and symbols were worked out before, known again by a
 * keyed hash of their BTF and kallsyms: a guest that lies about its BUILD-ID, or
 * makes tables of its own, is another kernel, and changes nothing for others.
 *
 * It belongs to one process, and each guest has one of its own.  It is not
 * shared: whoever breaks out of the parser of one guest could then write what
 * another guest is seen by.
 */
#ifndef WARDEN_KNOWN_H
#define WARDEN_KNOWN_H

#include "introspect/image.h"
#include "introspect/kernel.h"

/* Bytes of the image as they were read, at va. */
struct known_image {
	const uint8_t *bytes;
	uint64_t va;
	size_t len;
};

/* k->text_base is found; the rest is filled in if this image is of a known kernel. */
bool known_find(struct kernel *k, const struct image_map *map);

/*
 * Remembers k, whose BTF (btf_len bytes of it) and kallsyms both lie in image.
 * The oldest makes room.
 */
void known_add(const struct kernel *k, const struct known_image *image, size_t btf_len);

/* Forgets all of them. */
void known_forget(void);

#endif

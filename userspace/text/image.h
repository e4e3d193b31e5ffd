/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module's file: its sections, symbols and relocations, every one within
 * bounds.  Where its sections lie in memory is told by the caller.  Or a linked
 * kernel: its sections have addresses, and what they refer to stands in them.
 */
#ifndef WARDEN_TEXT_IMAGE_H
#define WARDEN_TEXT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAX_BYTES (64u << 20)
#define IMAGE_MAX_LINKED (256u << 20)
#define IMAGE_MAX_SECTIONS 4096u
#define IMAGE_MAX_LINKED_SECTIONS 256u	/* a kernel has 50; each address is looked for in all */
#define IMAGE_MAX_SYMBOLS (1u << 18)
#define IMAGE_MAX_RELOCS (1u << 20)	/* in all */
#define BUILD_ID_MAX 64

struct image_reloc {
	uint64_t offset;
	int64_t addend;
	uint32_t symbol, type;
};

struct image_section {
	const char *name;
	uint32_t type;
	uint64_t flags, size;
	const uint8_t *bytes;		/* NULL: none in the file */
	struct image_reloc *relocs;	/* by offset */
	size_t nrelocs;
	bool placed;
	uint64_t address;		/* of a placed one */
};

struct image_symbol {
	const char *name;
	uint64_t value, size;
	uint32_t section;		/* an index, SHN_UNDEF or SHN_ABS */
	uint8_t type;			/* STT_* */
	bool weak;
};

struct image {
	void *elf;
	bool linked;
	struct image_section *sections;
	size_t nsections;
	struct image_symbol *symbols;
	size_t nsymbols;
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_len;
	const char *why;		/* it is refused */
};

/* bytes stay the caller's, and there while the image is.  False: ret_image->why. */
bool image_open(struct image *ret_image, uint8_t *bytes, size_t size);
/* The same of a linked kernel; no symbols and no build-id are read. */
bool image_open_linked(struct image *ret_image, uint8_t *bytes, size_t size);
void image_close(struct image *image);

struct image_section *image_find(const struct image *image, const char *name);
/* Its own word for it: is that module, as the kernel names it, one that it links to? */
bool image_depends_on(const struct image *image, const char *module);
/* A section of code that the kernel keeps. */
bool image_is_text(const struct image_section *s);

/* The section with bytes that has that address, of a linked kernel; NULL: none. */
struct image_section *image_section_at(const struct image *image, uint64_t address);

/* The first relocation at or behind that offset: an index up to nrelocs. */
size_t image_reloc_from(const struct image_section *s, uint64_t offset);
/* The one at that very offset, or NULL. */
const struct image_reloc *image_reloc_at(const struct image_section *s, uint64_t offset);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "text/text.h"
#include "lib/util.h"

static size_t width_of(uint32_t type)
{
	switch (type) {
	case R_X86_64_64:
	case R_X86_64_PC64:
		return 8;
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		return 4;
	default:
		return 0;
	}
}

static bool is_relative(uint32_t type)
{
	return type == R_X86_64_PC32 || type == R_X86_64_PLT32 || type == R_X86_64_PC64;
}

static bool refuse(struct text *text, const char *what, const char *name)
{
	char shown[64];

	text_escape(shown, sizeof(shown), name, strlen(name));
	snprintf(text->why, sizeof(text->why), "%s %s", what, shown);
	return false;
}

static bool value_of_own(struct text *text, const struct image_symbol *symbol, uint64_t *ret_value)
{
	const struct image_section *s;

	if (symbol->section == SHN_ABS) {
		*ret_value = symbol->value;
		return true;
	}
	if (!symbol->section || symbol->section >= text->image->nsections)
		return refuse(text, "a symbol of no section:", symbol->name);
	s = &text->image->sections[symbol->section];
	if (!s->placed)
		return refuse(text, "code refers to a section whose place is not known:", s->name);
	*ret_value = s->address + symbol->value;
	return true;
}

static void put(uint8_t *at, const struct image_reloc *r, uint64_t value, uint64_t place)
{
	value += r->addend;
	if (is_relative(r->type))
		value -= place;
	memcpy(at, &value, width_of(r->type));
}

/* The next of the kernel's own, or of a module that the file names as one it depends on. */
static const struct symbol *next_linked(const struct text *text, const char *name,
					const struct symbol *before)
{
	const struct symbol *s = symbols_named(text->symbols, name, NULL, before);

	while (s && s->module[0] && !image_depends_on(text->image, s->module))
		s = symbols_named(text->symbols, name, NULL, s);
	return s;
}

/*
 * Of several symbols of that name the one that live code refers to, else the first.
 * Any module may have a symbol of that name: what leads there is a difference, also
 * where nothing else has one, for 0 is no address that live code leads to.
 */
static bool put_other(struct text *text, const struct image_symbol *symbol,
		      const struct image_reloc *r, uint64_t place, const uint8_t *live, uint8_t *at)
{
	const struct symbol *first = next_linked(text, symbol->name, NULL), *s;

	if (!first && !symbol->weak && !symbols_named(text->symbols, symbol->name, NULL, NULL))
		return refuse(text, "the kernel shows no symbol", symbol->name);
	if (!first) {
		put(at, r, 0, place);
		return true;
	}
	for (s = first; s && live; s = next_linked(text, symbol->name, s)) {
		put(at, r, s->address, place);
		if (!memcmp(at, live, width_of(r->type)))
			return true;
	}
	put(at, r, first->address, place);
	return true;
}

static bool apply(struct text *text, const struct image_reloc *r, uint64_t place,
		  const uint8_t *live, uint8_t *at)
{
	const struct image_symbol *symbol = &text->image->symbols[r->symbol];
	uint64_t value;

	if (symbol->section == SHN_UNDEF && symbol->name[0])
		return put_other(text, symbol, r, place, live, at);
	if (!value_of_own(text, symbol, &value))
		return false;
	put(at, r, value, place);
	return true;
}

/* Of an instruction that may be patched in: a distance of four bytes stands at i. */
static bool is_distance(const uint8_t *code, size_t i)
{
	return (i >= 1 && (code[i - 1] == 0xe8 || code[i - 1] == 0xe9)) ||
	       (i >= 2 && code[i - 2] == 0x0f && (code[i - 1] & 0xf0) == 0x80) ||
	       (i >= 2 && (code[i - 1] & 0xc7) == 0x05);
}

/*
 * A linked kernel tells no longer what in a replacement is a distance: that of its
 * first instruction is known to be one; else, where the code put elsewhere holds
 * just what would lead to the same place, it is.
 */
static void move(const uint8_t *live, size_t n, uint64_t by, uint8_t *out)
{
	for (size_t i = 1; by && i + 4 <= n; i++) {
		uint32_t distance;

		if (!is_distance(out, i))
			continue;
		memcpy(&distance, out + i, 4);
		distance -= (uint32_t)by;
		if ((i > 1 || (out[0] != 0xe8 && out[0] != 0xe9)) &&
		    (!live || memcmp(&distance, live + i, 4)))
			continue;
		memcpy(out + i, &distance, 4);
		i += 3;
	}
}

bool relocate(struct text *text, const struct image_section *s, uint64_t offset, size_t n,
	      uint64_t address, const uint8_t *live, uint8_t *out)
{
	if (!s->bytes || offset > s->size || n > s->size - offset)
		return refuse(text, "a range outside of section", s->name);
	memcpy(out, s->bytes + offset, n);
	if (text->image->linked)
		move(live, n, address - (s->address + offset), out);
	for (size_t i = image_reloc_from(s, offset); i < s->nrelocs; i++) {
		const struct image_reloc *r = &s->relocs[i];
		size_t width = width_of(r->type), at = r->offset - offset;

		if (at >= n)
			break;
		if (r->type == R_X86_64_NONE)
			continue;
		if (!width || width > n - at)
			return refuse(text, "a relocation of no known kind in", s->name);
		if (!apply(text, r, address + at, live ? live + at : NULL, out + at))
			return false;
	}
	return true;
}

void relocate_place(struct image *image, const struct symbols *symbols, const char *module)
{
	for (size_t i = 0; i < image->nsymbols; i++) {
		const struct image_symbol *symbol = &image->symbols[i];
		const struct symbol *live;
		struct image_section *s;

		if (!symbol->section || symbol->section >= image->nsections ||
		    symbol->type != STT_OBJECT)
			continue;
		s = &image->sections[symbol->section];
		live = s->placed ? NULL : symbols_named(symbols, symbol->name, module, NULL);
		if (!live || symbols_named(symbols, symbol->name, module, live))
			continue;
		s->address = live->address - symbol->value;
		s->placed = true;
	}
}

static bool linked_target(const struct image *image, const struct image_section *s, uint64_t at,
			  size_t width, uint32_t *ret_section, uint64_t *ret_offset)
{
	const struct image_section *to;
	uint64_t address;
	int32_t distance;

	if (at > s->size || width > s->size - at)
		return false;
	memcpy(&distance, s->bytes + at, 4);
	address = s->address + at + (int64_t)distance;
	if (width == 8)
		memcpy(&address, s->bytes + at, 8);
	to = image_section_at(image, address);
	if (!to)
		return false;
	*ret_section = to - image->sections;
	*ret_offset = address - to->address;
	return true;
}

static bool symbol_target(const struct image *image, const struct image_reloc *r,
			  uint32_t *ret_section, uint64_t *ret_offset)
{
	const struct image_symbol *symbol = &image->symbols[r->symbol];
	uint64_t offset = symbol->value + r->addend;

	if (!symbol->section || symbol->section >= image->nsections ||
	    offset > image->sections[symbol->section].size)
		return false;
	*ret_section = symbol->section;
	*ret_offset = offset;
	return true;
}

bool relocate_target(const struct image *image, const struct image_section *s, uint64_t at,
		     size_t width, uint32_t *ret_section, uint64_t *ret_offset)
{
	const struct image_reloc *r;

	if (image->linked)
		return linked_target(image, s, at, width, ret_section, ret_offset);
	r = image_reloc_at(s, at);
	return r && symbol_target(image, r, ret_section, ret_offset);
}

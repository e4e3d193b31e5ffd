// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The patch sections' entries.  What an entry names is taken from its
 * relocations, for the kernel sorts and rewrites the tables themselves.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integrity/search.h"
#include "integrity/text.h"
#include "lib/util.h"

#define MAX_SITES (1u << 19)
#define ALT_DIRECT_CALL 2		/* struct alt_instr.flags, since 6.8 */

struct finder {
	struct text *text;
	size_t room;
};

static bool refuse(struct text *text, const char *name)
{
	snprintf(text->why, sizeof(text->why), "%s is malformed, or of another kernel's layout", name);
	return false;
}

static bool add(struct finder *f, const struct site *site)
{
	struct text *text = f->text;

	if (text->nsites == f->room) {
		size_t room = f->room * 2;
		struct site *more = room <= MAX_SITES ?
			realloc(text->sites, room * sizeof(*more)) : NULL;

		if (!more)
			return refuse(text, "the list of patch sites");
		text->sites = more;
		f->room = room;
	}
	text->sites[text->nsites++] = *site;
	return true;
}

/* ---- how long an instruction is that may be patched ---- */

static uint32_t branch_length(const uint8_t *at, size_t n)
{
	uint32_t prefix = n > 1 && at[0] == 0x2e;
	size_t nop;

	at += prefix;
	n -= prefix;
	if (n >= 5 && (at[0] == 0xe8 || at[0] == 0xe9))
		return prefix + 5;
	if (n >= 6 && at[0] == 0x0f && (at[1] & 0xf0) == 0x80)
		return prefix + 6;
	if (n >= 2 && at[0] == 0xeb)
		return prefix + 2;
	nop = variant_nop_run(at, MIN(n, 5u));
	return prefix || (nop != 2 && nop != 5) ? 0 : nop;
}

/* A jump label's no-op is of two bytes or of five, whatever comes behind it. */
static uint32_t label_length(const uint8_t *at, size_t n)
{
	static const uint8_t nop2[] = { 0x66, 0x90 };

	return n >= 2 && !memcmp(at, nop2, 2) ? 2 : branch_length(at, n);
}

static uint32_t length_of(const struct text *text, const struct site *site)
{
	const struct image_section *s = &text->image->sections[site->section];
	size_t left = s->bytes ? s->size - site->offset : 0;

	switch (site->kind) {
	case SITE_ENDBR:
		return 4;
	case SITE_FENTRY:
		return 5;
	case SITE_LOCK:
		return 1;
	case SITE_JUMP_LABEL:
		return left ? label_length(s->bytes + site->offset, left) : 0;
	case SITE_RETPOLINE:
	case SITE_RETURN:
	case SITE_STATIC_CALL:
		return left ? branch_length(s->bytes + site->offset, left) : 0;
	default:
		return site->length;
	}
}

/* ---- the tables ---- */

struct table {
	const char *section;
	enum site_kind kind;
	size_t stride;
	size_t other;			/* offset of a second place in the entry; 0: none */
};

static const struct table tables[] = {
	{ ".parainstructions", SITE_PARAVIRT, 16, 0 },
	{ ".retpoline_sites", SITE_RETPOLINE, 4, 0 },
	{ ".return_sites", SITE_RETURN, 4, 0 },
	{ ".ibt_endbr_seal", SITE_ENDBR, 4, 0 },
	{ "__mcount_loc", SITE_FENTRY, 8, 0 },
	{ "__jump_table", SITE_JUMP_LABEL, 16, 4 },
	{ ".static_call_sites", SITE_STATIC_CALL, 8, 0 },
	{ ".smp_locks", SITE_LOCK, 4, 0 },
	{ ".altinstructions", SITE_ALTERNATIVE, 0, 4 },
};

/* struct alt_instr grew in 6.3: what lies between its entries' relocations tells. */
static size_t stride_of(const struct table *t, const struct image_section *s)
{
	if (t->stride)
		return t->stride;
	for (size_t stride = 12; stride <= 14; stride += 2)
		if (s->size % stride == 0 && s->nrelocs == 2 * (s->size / stride) &&
		    (s->nrelocs < 4 || s->relocs[2].offset == stride))
			return stride;
	return 0;
}

static void read_lengths(struct site *site, const uint8_t *entry, size_t stride)
{
	if (site->kind == SITE_PARAVIRT)
		site->length = entry[9];
	if (site->kind != SITE_ALTERNATIVE)
		return;
	site->length = entry[stride - 2];
	site->other_length = entry[stride - 1];
	site->direct_call = stride == 14 && entry[10] & ALT_DIRECT_CALL;
}

/* Entries of code that is freed by now are left out. */
static bool add_entry(struct finder *f, const struct table *t, const struct image_section *s,
		      uint64_t at, size_t stride)
{
	const struct image *image = f->text->image;
	const struct image_reloc *r = image_reloc_at(s, at);
	struct site site = { .kind = t->kind };

	if (!r || !relocate_target(image, r, &site.section, &site.offset))
		return refuse(f->text, t->section);
	if (t->other) {
		r = image_reloc_at(s, at + t->other);
		if (!r || !relocate_target(image, r, &site.other, &site.other_offset))
			return refuse(f->text, t->section);
	}
	if (!image_is_text(&image->sections[site.section]))
		return true;
	read_lengths(&site, s->bytes + at, stride);
	site.length = length_of(f->text, &site);
	if (site.length > image->sections[site.section].size - site.offset)
		return refuse(f->text, t->section);
	return !site.length || add(f, &site);
}

static bool add_table(struct finder *f, const struct table *t)
{
	const struct image_section *s = image_find(f->text->image, t->section);
	size_t stride;

	if (!s || !s->size)
		return true;
	stride = stride_of(t, s);
	if (!s->bytes || !stride || s->size % stride)
		return refuse(f->text, t->section);
	for (uint64_t at = 0; at < s->size; at += stride)
		if (!add_entry(f, t, s, at, stride))
			return false;
	return true;
}

/* A static call's trampoline is one such call itself. */
static bool add_trampolines(struct finder *f)
{
	const struct image *image = f->text->image;

	for (size_t i = 0; i < image->nsymbols; i++) {
		const struct image_symbol *symbol = &image->symbols[i];
		struct site site = { .kind = SITE_STATIC_CALL, .length = 5, .section = symbol->section,
				     .offset = symbol->value };

		if (strncmp(symbol->name, "__SCT__", 7) || !symbol->section ||
		    symbol->section >= image->nsections ||
		    !image_is_text(&image->sections[symbol->section]))
			continue;
		if (image->sections[symbol->section].size < 5 ||
		    symbol->value > image->sections[symbol->section].size - 5)
			return refuse(f->text, ".static_call.text");
		if (!add(f, &site))
			return false;
	}
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

/* Alternatives of one place are all padded to the longest. */
static void join_lengths(struct text *text)
{
	for (size_t i = 0, end; i < text->nsites; i = end) {
		uint32_t most = 0;

		for (end = i; end < text->nsites && text->sites[end].section == text->sites[i].section &&
		     text->sites[end].offset == text->sites[i].offset &&
		     text->sites[end].kind == text->sites[i].kind; end++)
			most = MAX(most, text->sites[end].length);
		for (size_t j = i; j < end; j++)
			text->sites[j].length = most;
	}
}

bool sites_find(struct text *text)
{
	struct finder f = { .text = text, .room = 1024 };

	text->nsites = 0;
	text->sites = calloc(f.room, sizeof(*text->sites));
	if (!text->sites)
		return refuse(text, "the list of patch sites");
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!add_table(&f, &tables[i]))
			return false;
	if (!add_trampolines(&f))
		return false;
	qsort(text->sites, text->nsites, sizeof(*text->sites), by_place);
	join_lengths(text);
	return true;
}

const struct site *sites_at(const struct text *text, uint32_t section, uint64_t offset)
{
	const struct site key = { .section = section, .offset = offset };

	return text->sites + search_from(&key, text->sites, text->nsites, sizeof(key), by_place);
}

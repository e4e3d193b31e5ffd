// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The patch sections' entries.  What an entry names is taken from its
 * relocations, for the kernel sorts and rewrites the tables themselves.  In a
 * linked kernel's file they are as the linker left them.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/search.h"
#include "text/text.h"
#include "lib/util.h"

#define MAX_SITES (1u << 19)
#define SITE_MAX 255			/* the longest, an alternative */
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
	size_t width;			/* of an entry's first place */
	size_t stride;
	size_t other;			/* offset of a second place in the entry; 0: none */
	size_t least;			/* of an entry without its padding; 0: it has none */
	const char *start, *stop;	/* in a linked kernel, where it is part of another section */
};

static const struct table tables[] = {
	{ ".parainstructions", SITE_PARAVIRT, 8, 16, 0, 10, NULL, NULL },
	{ ".retpoline_sites", SITE_RETPOLINE, 4, 4, 0, 0, NULL, NULL },
	{ ".return_sites", SITE_RETURN, 4, 4, 0, 0, NULL, NULL },
	{ ".ibt_endbr_seal", SITE_ENDBR, 4, 4, 0, 0, NULL, NULL },
	{ "__mcount_loc", SITE_FENTRY, 8, 8, 0, 0, "__start_mcount_loc", "__stop_mcount_loc" },
	{ "__jump_table", SITE_JUMP_LABEL, 4, 16, 4, 0, "__start___jump_table", "__stop___jump_table" },
	{ ".static_call_sites", SITE_STATIC_CALL, 4, 8, 0, 0, "__start_static_call_sites",
	  "__stop_static_call_sites" },
	{ ".smp_locks", SITE_LOCK, 4, 4, 0, 0, NULL, NULL },
	{ ".altinstructions", SITE_ALTERNATIVE, 4, 0, 4, 0, NULL, NULL },
};

static const char constant_pointer[] = "runtime_ptr_", constant_shift[] = "runtime_shift_";

/* A part of a section. */
struct part {
	const struct image_section *s;
	uint64_t from, to;
};

/* Do entries of so many bytes hold together? */
static bool is_stride(const struct image *image, const struct image_section *s, size_t stride)
{
	uint32_t section;
	uint64_t offset;

	if (s->size % stride)
		return false;
	for (uint64_t at = 0; at < s->size; at += stride)
		if (!relocate_target(image, s, at, 4, &section, &offset) ||
		    !(image->sections[section].flags & SHF_EXECINSTR) ||
		    s->bytes[at + stride - 1] > s->bytes[at + stride - 2] ||
		    (s->bytes[at + stride - 1] && !relocate_target(image, s, at + 4, 4, &section, &offset)))
			return false;
	return true;
}

/*
 * struct alt_instr grew in 6.3: what lies between its entries' relocations tells,
 * or what they make sense as.
 */
static size_t stride_of(const struct image *image, const struct table *t,
			const struct image_section *s)
{
	if (t->stride)
		return t->stride;
	for (size_t stride = 12; image->linked && stride <= 14; stride += 2)
		if (is_stride(image, s, stride))
			return stride;
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

/*
 * Entries of code that is freed by now are left out; and functions that the linker
 * dropped have an entry that leads nowhere.
 */
static bool add_entry(struct finder *f, const struct table *t, const struct image_section *s,
		      uint64_t at, size_t stride)
{
	const struct image *image = f->text->image;
	struct site site = { .kind = t->kind };

	if (!relocate_target(image, s, at, t->width, &site.section, &site.offset))
		return (image->linked && t->kind == SITE_FENTRY) || refuse(f->text, t->section);
	if (!image_is_text(&image->sections[site.section]))
		return true;
	read_lengths(&site, s->bytes + at, stride);
	if (t->other && !relocate_target(image, s, at + t->other, 4, &site.other, &site.other_offset)) {
		/* A replacement by nothing may lie behind the end of all. */
		if (site.kind != SITE_ALTERNATIVE || site.other_length)
			return refuse(f->text, t->section);
		site.other = site.section;
		site.other_offset = site.offset;
	}
	site.length = length_of(f->text, &site);
	if (site.length > image->sections[site.section].size - site.offset)
		return refuse(f->text, t->section);
	return !site.length || add(f, &site);
}

static const struct symbol *only_symbol(const struct text *text, const char *name)
{
	return name ? symbols_named(text->symbols, name, "", NULL) : NULL;
}

/* False: there is none. */
static bool find_part(const struct text *text, const struct table *t, struct part *ret_part)
{
	const struct image_section *s = image_find(text->image, t->section);
	const struct symbol *start, *stop;

	if (s) {
		*ret_part = (struct part){ s, 0, s->size };
		return s->size;
	}
	start = text->image->linked ? only_symbol(text, t->start) : NULL;
	stop = start ? only_symbol(text, t->stop) : NULL;
	s = stop ? image_section_at(text->image, start->address) : NULL;
	if (!s || stop->address <= start->address || stop->address - s->address > s->size)
		return false;
	*ret_part = (struct part){ s, start->address - s->address, stop->address - s->address };
	return true;
}

static bool add_table(struct finder *f, const struct table *t)
{
	struct part part;
	size_t stride, rest;

	if (!find_part(f->text, t, &part))
		return true;
	stride = part.s->bytes ? stride_of(f->text->image, t, part.s) : 0;
	rest = stride ? (part.to - part.from) % stride : 0;
	/* The linker does not fill up the last of those that are aligned. */
	if (!stride || (part.to - part.from) / stride > MAX_SITES ||
	    (rest && (!t->least || rest < t->least)))
		return refuse(f->text, t->section);
	for (uint64_t at = part.from; at < part.to; at += stride)
		if (!add_entry(f, t, part.s, at, stride))
			return false;
	return true;
}

/* Each section of that kind has the places of one constant, written at boot. */
static bool add_constants(struct finder *f, const struct image_section *s, uint32_t number,
			  uint32_t length)
{
	const struct table t = { .section = s->name };
	struct site site = { .kind = SITE_CONSTANT, .length = length, .other = number };

	if (!s->bytes || s->size % 4)
		return refuse(f->text, t.section);
	for (uint64_t at = 0; at < s->size; at += 4) {
		const struct image_section *code;

		if (!relocate_target(f->text->image, s, at, 4, &site.section, &site.offset))
			return refuse(f->text, t.section);
		code = &f->text->image->sections[site.section];
		if (length > code->size - site.offset)
			return refuse(f->text, t.section);
		if (image_is_text(code) && !add(f, &site))
			return false;
	}
	return true;
}

static bool add_all_constants(struct finder *f)
{
	const struct image *image = f->text->image;
	uint32_t number = 0;

	for (size_t i = 1; image->linked && i < image->nsections; i++) {
		const struct image_section *s = &image->sections[i];
		bool shift = !strncmp(s->name, constant_shift, sizeof(constant_shift) - 1);

		if (!shift && strncmp(s->name, constant_pointer, sizeof(constant_pointer) - 1))
			continue;
		if (number == TEXT_CONSTANTS)
			return refuse(f->text, s->name);
		if (!add_constants(f, s, number++, shift ? 1 : 8))
			return false;
	}
	return true;
}

/* A static call's trampoline is one such call itself. */
static bool add_trampoline(struct finder *f, uint32_t section, uint64_t offset)
{
	const struct image_section *s = &f->text->image->sections[section];
	struct site site = { .kind = SITE_STATIC_CALL, .length = 5, .section = section, .offset = offset };

	if (!image_is_text(s))
		return true;
	if (s->size < 5 || offset > s->size - 5)
		return refuse(f->text, ".static_call.text");
	return add(f, &site);
}

static bool is_trampoline(const char *name)
{
	return !strncmp(name, "__SCT__", 7);
}

/* ftrace's own trampolines are patched to call what traces, or nothing. */
static bool is_tracers(const char *name)
{
	return !strcmp(name, "ftrace_call") || !strcmp(name, "ftrace_regs_call") ||
	       !strcmp(name, "ftrace_graph_call");
}

static bool add_linked_trampolines(struct finder *f)
{
	const struct symbols *symbols = f->text->symbols;

	for (const struct symbol *s = symbols->by_address; s < symbols_end(symbols); s++) {
		const struct image_section *code;

		if (!is_trampoline(s->name) && !is_tracers(s->name))
			continue;
		code = image_section_at(f->text->image, s->address);
		if (code && !add_trampoline(f, code - f->text->image->sections, s->address - code->address))
			return false;
	}
	return true;
}

static bool add_trampolines(struct finder *f)
{
	const struct image *image = f->text->image;

	if (image->linked)
		return add_linked_trampolines(f);
	for (size_t i = 0; i < image->nsymbols; i++) {
		const struct image_symbol *symbol = &image->symbols[i];

		if (is_trampoline(symbol->name) && symbol->section && symbol->section < image->nsections &&
		    !add_trampoline(f, symbol->section, symbol->value))
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
	if (!add_trampolines(&f) || !add_all_constants(&f))
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

const struct site *sites_over(const struct text *text, uint32_t section, uint64_t offset, uint64_t from)
{
	const struct site *end = text->sites + text->nsites;
	const struct site *s = sites_at(text, section, MAX(from, offset - MIN(offset, (uint64_t)SITE_MAX)));

	for (; s < end && s->section == section && s->offset <= offset; s++)
		if (s->offset + s->length > offset)
			return s;
	return NULL;
}

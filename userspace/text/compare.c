// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/text.h"
#include "lib/util.h"

#define ALTERNATIVE_MAX 255
#define SLOT_PAGE 4096

/* A stretch under comparison: of a section, or of a replacement put elsewhere. */
struct walk {
	struct text *text;
	uint32_t section;
	uint64_t offset;		/* in the section, of file[0] */
	size_t known;			/* so far file is of the section; then padding */
	struct place all;
	bool patched;			/* no-ops may have been joined */
	bool original;			/* the alternatives of its start are out of the question */
	unsigned depth;
};

static size_t step(const struct walk *w, size_t i);

static bool is_same(const struct walk *w)
{
	size_t n;

	for (size_t i = 0; i < w->all.n; i += n) {
		n = step(w, i);
		if (!n)
			return false;
	}
	return true;
}

static struct place place_at(const struct walk *w, size_t i, size_t n)
{
	return (struct place){ .live = w->all.live + i, .file = w->all.file + i,
			       .n = n, .address = w->all.address + i };
}

/* ---- alternatives ---- */

static bool is_replacement(const struct walk *w, const struct site *site, const struct place *p)
{
	const struct image_section *other = &w->text->image->sections[site->other];
	uint8_t file[ALTERNATIVE_MAX];
	struct walk inner = {
		.text = w->text, .section = site->other, .offset = site->other_offset,
		.known = site->other_length, .all = *p, .patched = true, .depth = w->depth + 1,
	};

	if (site->direct_call && variant_is_call(w->text, p, site->length))
		return true;
	if (site->other_length > site->length || site->length > sizeof(file) ||
	    !relocate(w->text, other, site->other_offset, site->other_length, p->address, p->live, file))
		return false;
	memset(file + site->other_length, 0x90, site->length - site->other_length);
	inner.all.file = file;
	return is_same(&inner);
}

static bool is_original(const struct walk *w, const struct site *site, const struct place *p)
{
	struct walk inner = {
		.text = w->text, .section = w->section, .offset = site->offset, .known = site->length,
		.all = *p, .patched = true, .original = true, .depth = w->depth + 1,
	};

	return is_same(&inner);
}

static bool is_alternative(const struct walk *w, const struct site *site, const struct place *p)
{
	const struct site *end = w->text->sites + w->text->nsites;

	if (w->depth >= TEXT_DEPTH)
		return false;
	for (const struct site *s = site; s < end && s->kind == SITE_ALTERNATIVE &&
	     s->section == site->section && s->offset == site->offset; s++)
		if (is_replacement(w, s, p))
			return true;
	return is_original(w, site, p);
}

/* ---- probes ---- */

static const struct kprobe *find_kprobe(const struct text *text, uint64_t address)
{
	for (size_t i = 0; i < text->nkprobes; i++)
		if (text->kprobes[i].address == address)
			return &text->kprobes[i];
	return NULL;
}

static bool is_probe_slot(const struct text *text, uint64_t address)
{
	const struct symbol *end = symbols_end(text->symbols);

	if (text->leads)
		return text->leads(text->arg, LEAD_PROBE, address);
	for (const struct symbol *s = text->symbols->by_address; s < end; s++)
		if (!strcmp(s->module, "__builtin__kprobes") && address >= s->address &&
		    address - s->address < SLOT_PAGE)
			return true;
	return false;
}

/* A breakpoint, or the jump that took its place, of a probe that the kernel lists. */
static size_t probe_length(const struct walk *w, size_t i, const struct place *p)
{
	const struct kprobe *probe = NULL;
	int32_t distance;

	if (w->depth || (p->live[0] != 0xcc && p->live[0] != 0xe9))
		return 0;
	probe = find_kprobe(w->text, p->address);
	if (!probe)
		return 0;
	if (p->live[0] == 0xcc)
		return 1;
	if (!probe->optimized || p->n < 5)
		return 0;
	memcpy(&distance, p->live + 1, 4);
	return is_probe_slot(w->text, p->address + 5 + distance) ? 5 : 0;
}

/* ---- a step ---- */

static size_t site_length(const struct walk *w, size_t i, const struct place *p)
{
	const struct site *s = sites_at(w->text, w->section, w->offset + i);
	const struct site *end = w->text->sites + w->text->nsites;
	bool asked = w->original && !i;

	for (; s < end && s->section == w->section && s->offset == w->offset + i; s++) {
		struct place here = *p;
		size_t length = 0;

		if (s->length > p->n || (s->kind == SITE_ALTERNATIVE && asked))
			continue;
		here.n = s->kind == SITE_ALTERNATIVE ? s->length : p->n;
		if (s->kind != SITE_ALTERNATIVE)
			length = variant_length(w->text, s, &here);
		else if (is_alternative(w, s, &here))
			length = s->length;
		asked |= s->kind == SITE_ALTERNATIVE;
		if (length)
			return length;
	}
	return 0;
}

/* No-ops are joined into longer ones, and jumps made shorter, where code was patched. */
static size_t patched_length(const struct place *p)
{
	size_t run = variant_nop_run(p->file, p->n);

	if (run && variant_is_nops(p->live, run))
		return run;
	return variant_is_short_jump(p) ? 5 : 0;
}

/* So many bytes from i on are what they may be; 0: one is not. */
static size_t step(const struct walk *w, size_t i)
{
	struct place p = place_at(w, i, w->all.n - i);
	size_t length = i < w->known ? site_length(w, i, &p) : 0;

	if (!length && w->patched)
		length = patched_length(&p);
	if (length) {
		if (memcmp(p.live, p.file, length)) {
			w->text->sites_patched++;
			w->text->bytes_patched += length;
		}
		return length;
	}
	if (p.live[0] == p.file[0])
		return 1;
	length = probe_length(w, i, &p);
	w->text->kprobes_met += length != 0;
	return length;
}

/* ---- a section ---- */

static void keep(const struct walk *w, size_t i, size_t length)
{
	struct text *text = w->text;
	struct difference *d;

	if (text->differs)
		text->differs(text->arg, w->all.address + i, w->all.file + i, length);
	if (text->ndifferences++ >= TEXT_DIFFERENCES)
		return;
	d = &text->differences[text->ndifferences - 1];
	*d = (struct difference){ .section = w->section, .offset = i, .length = length,
				  .shown = MIN(length, TEXT_BYTES) };
	memcpy(d->expected, w->all.file + i, d->shown);
	memcpy(d->found, w->all.live + i, d->shown);
}

/* Most of it is as in the file. */
static size_t first_other(const struct walk *w, size_t i)
{
	while (i + SLOT_PAGE <= w->all.n && !memcmp(w->all.live + i, w->all.file + i, SLOT_PAGE))
		i += SLOT_PAGE;
	while (i < w->all.n && w->all.live[i] == w->all.file[i])
		i++;
	return i;
}

/* What differs may be in the middle of a site. */
static void compare(const struct walk *w)
{
	size_t end = 0, i, n;

	while ((i = first_other(w, end)) < w->all.n) {
		const struct site *over = sites_over(w->text, w->section, i, end);

		for (size_t from = over ? over->offset : i; from <= i; from = end) {
			end = from;
			n = step(w, from);
			if (n) {
				end += n;
				continue;
			}
			while (end < w->all.n && !step(w, end))
				end++;
			keep(w, from, end - from);
		}
	}
}

bool text_compare(struct text *text, const struct image_section *s, const uint8_t *live)
{
	autofree uint8_t *file = malloc(s->size + 1);
	struct walk w = {
		.text = text, .section = s - text->image->sections, .known = s->size,
		.all = { .live = live, .file = file, .n = s->size, .address = s->address },
	};

	if (!file || !relocate(text, s, 0, s->size, s->address, live, file)) {
		if (!file)
			snprintf(text->why, sizeof(text->why), "out of memory");
		return false;
	}
	compare(&w);
	text->bytes += s->size;
	return true;
}

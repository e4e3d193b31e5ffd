// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/vmlinux.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/filesyms.h"
#include "introspect/notes.h"
#include "lib/util.h"
#include "text/search.h"
#include "text/text.h"

#define KERNEL_HALF (1ull << 63)
#define PAGE 4096u
#define PAGE_MASK_ (PAGE - 1ull)
#define MAX_PART (96u << 20)
#define MAX_SPAN (1u << 30)		/* of a kernel's image: KERNEL_IMAGE_SIZE */
#define INT3 0xcc
#define CALL 0xe8

struct range {
	uint64_t start, end;
};

struct vmlinux {
	uint8_t *bytes;
	size_t size;
	struct image image;
	struct symbols symbols;
	char *names;
	struct text text;
	struct image_section *code;	/* .text */
	struct range part[VMLINUX_PARTS];
	struct range late;		/* of read-only data: written until the kernel is up */
	uint64_t data_end;		/* behind it the last page is filled with what was there */
	uint8_t *rodata;		/* flat, from part[VMLINUX_RODATA].start on */
	uint8_t id[VMLINUX_ID_MAX];
	size_t id_len;
	uint64_t constant_bytes;
};

/* ---- the file ---- */

static bool take_note(void *ctx, const Elf64_Nhdr *h, const uint8_t *name, const uint8_t *desc)
{
	struct vmlinux *v = ctx;

	if (h->n_type != NT_GNU_BUILD_ID || h->n_namesz != 4 || memcmp(name, "GNU", 4) ||
	    !h->n_descsz || h->n_descsz > sizeof(v->id))
		return false;
	memcpy(v->id, desc, h->n_descsz);
	v->id_len = h->n_descsz;
	return true;
}

static bool refuse(char why[VMLINUX_WHY], const char *text)
{
	snprintf(why, VMLINUX_WHY, "%.150s", text);
	return false;
}

static bool read_sections(struct vmlinux *v, char why[VMLINUX_WHY])
{
	const struct image_section *notes;

	if (!image_open_linked(&v->image, v->bytes, v->size))
		return refuse(why, v->image.why);
	v->code = image_find(&v->image, ".text");
	notes = image_find(&v->image, ".notes");
	if (!v->code || !v->code->bytes || !v->code->placed || v->code->size > MAX_PART)
		return refuse(why, "it has no section .text");
	if (notes && notes->bytes)
		notes_walk(notes->bytes, notes->size, take_note, v);
	return v->id_len || refuse(why, "it has no BUILD-ID");
}

struct vmlinux *vmlinux_open(uint8_t *bytes, size_t size, char why[VMLINUX_WHY])
{
	struct vmlinux *v = calloc(1, sizeof(*v));

	if (!v) {
		free(bytes);
		refuse(why, "no memory");
		return NULL;
	}
	v->bytes = bytes;
	v->size = size;
	if (!read_sections(v, why)) {
		vmlinux_free(v);
		return NULL;
	}
	return v;
}

void vmlinux_free(struct vmlinux *v)
{
	if (!v)
		return;
	image_close(&v->image);
	symbols_free(&v->symbols);
	free(v->text.sites);
	free(v->names);
	free(v->rodata);
	free(v->bytes);
	free(v);
}

size_t vmlinux_build_id(const struct vmlinux *v, const uint8_t **ret_id)
{
	*ret_id = v->id;
	return v->id_len;
}

/* ---- relocations: what the kernel's own decompressor does ---- */

/* Where the ELF file ends; what its headers say is known to lie within size. */
static size_t end_of_elf(const struct vmlinux *v)
{
	Elf64_Ehdr h;
	uint64_t end;

	memcpy(&h, v->bytes, sizeof(h));
	end = h.e_shoff + (uint64_t)v->image.nsections * sizeof(Elf64_Shdr);
	for (size_t i = 1; i < v->image.nsections; i++) {
		const struct image_section *s = &v->image.sections[i];

		if (s->bytes)
			end = MAX(end, (uint64_t)(s->bytes - v->bytes) + s->size);
	}
	return MIN(end, (uint64_t)v->size);
}

enum fix { FIX_32, FIX_INVERSE_32, FIX_64 };

static uint8_t *place_of(const struct vmlinux *v, uint64_t va, size_t width,
			 const struct image_section **last)
{
	const struct image_section *s = *last;

	if (!s || va < s->address || va - s->address >= s->size)
		s = *last = image_section_at(&v->image, va);
	if (!s || s->size - (va - s->address) < width)
		return NULL;
	return v->bytes + (s->bytes - v->bytes) + (va - s->address);
}

static void fix(uint8_t *at, enum fix how, uint64_t by)
{
	uint64_t wide;
	uint32_t word;

	if (how == FIX_64) {
		memcpy(&wide, at, sizeof(wide));
		wide += by;
		memcpy(at, &wide, sizeof(wide));
		return;
	}
	memcpy(&word, at, sizeof(word));
	word += how == FIX_32 ? (uint32_t)by : -(uint32_t)by;
	memcpy(at, &word, sizeof(word));
}

static int32_t word_at(const uint8_t *table, size_t i)
{
	int32_t word;

	memcpy(&word, table + 4 * i, sizeof(word));
	return word;
}

/*
 * One list: from behind to its zero.  *n: the words in front of that zero.  Per-CPU
 * variables that are linked at 0 are named by where they are loaded, where no
 * section is; nobody compares them.
 */
static bool fix_list(struct vmlinux *v, const uint8_t *table, size_t *n, enum fix how, uint64_t by)
{
	const struct image_section *last = NULL;
	size_t i = *n;

	for (; i && word_at(table, i - 1); i--) {
		uint64_t va = (int64_t)word_at(table, i - 1);
		uint8_t *at = place_of(v, va, how == FIX_64 ? 8 : 4, &last);

		if (at)
			fix(at, how, by);
		else if (va < v->code->address || va - v->code->address > MAX_SPAN)
			return false;
	}
	*n = i ? i - 1 : 0;
	return i;
}

/*
 * Two lists, of 64 and of 32 bits, or, of a kernel whose per-CPU variables are
 * linked at 0, one for the distances to those between them.
 */
static bool fix_all(struct vmlinux *v, uint64_t by)
{
	const size_t from = end_of_elf(v);
	const uint8_t *table = v->bytes + from;
	size_t n = (v->size - from) / 4, zeros = 0;

	if (from % 4 || v->size % 4)
		return false;
	for (size_t i = 0; i < n; i++)
		zeros += !word_at(table, i);
	if (!n || (zeros != 2 && zeros != 3) || !fix_list(v, table, &n, FIX_32, by) ||
	    (zeros == 3 && !fix_list(v, table, &n, FIX_INVERSE_32, by)) ||
	    !fix_list(v, table, &n, FIX_64, by))
		return false;
	return !n;
}

static bool relocate_all(struct vmlinux *v, uint64_t by, char why[VMLINUX_WHY])
{
	if (!by)
		return true;
	if (v->size - end_of_elf(v) < 4)
		return refuse(why, "it has no relocations, and the guest's kernel lies elsewhere than it was"
			      " linked for: take the package's vmlinuz");
	if (!fix_all(v, by))
		return refuse(why, "its relocations are malformed");
	for (size_t i = 1; i < v->image.nsections; i++)
		if (v->image.sections[i].address & KERNEL_HALF)
			v->image.sections[i].address += by;
	return true;
}

/* ---- what lies where ---- */

static bool symbol_range(const struct vmlinux *v, const char *start, const char *end, struct range *ret)
{
	const struct symbol *from = symbols_named(&v->symbols, start, "", NULL);
	const struct symbol *to = symbols_named(&v->symbols, end, "", NULL);

	if (!from || !to || to->address < from->address || to->address - from->address > MAX_PART)
		return false;
	*ret = (struct range){ from->address, to->address };
	return true;
}

static bool read_symbols(struct vmlinux *v, uint64_t text_base, char why[VMLINUX_WHY])
{
	const struct image_section *s = image_find(&v->image, ".rodata");
	const char *problem;
	size_t size;

	if (!s || !s->bytes || !s->placed || s->size > MAX_PART)
		return refuse(why, "it has no section .rodata");
	v->names = file_symbols(s->bytes, s->size, s->address, text_base, &size, &problem);
	if (!v->names)
		return refuse(why, problem);
	return symbols_read(&v->symbols, v->names, size) || refuse(why, "its symbols do not hold together");
}

/* Between its sections the linker leaves zeros. */
static bool flatten(struct vmlinux *v)
{
	const struct range r = v->part[VMLINUX_RODATA];

	v->data_end = r.start;
	v->rodata = calloc(1, r.end - r.start + 1);
	for (size_t i = 1; v->rodata && i < v->image.nsections; i++) {
		const struct image_section *s = &v->image.sections[i];
		uint64_t from = MAX(s->address, r.start), to = MIN(s->address + s->size, r.end);

		if (!s->placed || !s->bytes || s->address + s->size < s->address || from >= to)
			continue;
		memcpy(v->rodata + (from - r.start), s->bytes + (from - s->address), to - from);
		v->data_end = MAX(v->data_end, to);
	}
	return v->rodata;
}

static bool find_parts(struct vmlinux *v, char why[VMLINUX_WHY])
{
	struct range *text = &v->part[VMLINUX_TEXT];

	if (!symbol_range(v, "_stext", "_etext", text) ||
	    !symbol_range(v, "__start_rodata", "__end_rodata", &v->part[VMLINUX_RODATA]))
		return refuse(why, "its symbols do not say where its code and read-only data lie");
	if (text->start < v->code->address || text->end - v->code->address > v->code->size ||
	    text->start == text->end || (text->start & PAGE_MASK_) ||
	    (v->part[VMLINUX_RODATA].start & PAGE_MASK_))
		return refuse(why, "its symbols put its code elsewhere than its sections do");
	if (!symbol_range(v, "__start_ro_after_init", "__end_ro_after_init", &v->late))
		return refuse(why, "its symbols do not say what is written until it is up");
	return flatten(v) || refuse(why, "no memory");
}

static void count_constants(struct vmlinux *v)
{
	for (size_t i = 0; i < v->text.nsites; i++)
		if (v->text.sites[i].kind == SITE_CONSTANT && &v->image.sections[v->text.sites[i].section] == v->code)
			v->constant_bytes += v->text.sites[i].length;
}

bool vmlinux_place(struct vmlinux *v, uint64_t text_base, char why[VMLINUX_WHY])
{
	const struct image_section *cfi = image_find(&v->image, ".cfi_sites");

	if (cfi && cfi->size)
		return refuse(why, "it is built with CFI, whose patches are not known here");
	if (!relocate_all(v, text_base - v->code->address, why) || !read_symbols(v, text_base, why) ||
	    !find_parts(v, why))
		return false;
	/* How many CPUs a guest has online is nobody's word to take. */
	v->text = (struct text){ .image = &v->image, .symbols = &v->symbols, .module = "", .one_cpu = true };
	if (!sites_find(&v->text))
		return refuse(why, v->text.why);
	count_constants(v);
	return true;
}

void vmlinux_range(const struct vmlinux *v, enum vmlinux_part part, uint64_t *ret_start,
		   uint64_t *ret_end)
{
	*ret_start = v->part[part].start;
	*ret_end = v->part[part].end;
}

bool vmlinux_counts_calls(const struct vmlinux *v, const struct vmlinux_guest *guest)
{
	const struct symbol *pointer = symbols_named(&v->symbols, "x86_return_thunk", "", NULL);
	const struct symbol *thunk = symbols_named(&v->symbols, "call_depth_return_thunk", "", NULL);
	uint64_t now;

	return pointer && thunk && guest->read(guest->ctx, pointer->address, &now, sizeof(now)) &&
	       now == thunk->address;
}

/* ---- code ---- */

struct comparison {
	struct vmlinux *v;
	const struct vmlinux_guest *guest;
	const uint8_t *live;		/* of all of .text */
	uint8_t *lines, *first;
};

static bool on_read(void *arg, uint64_t address, void *out, size_t n)
{
	const struct comparison *c = arg;

	return c->guest->read(c->guest->ctx, address, out, n);
}

static bool on_leads(void *arg, enum lead lead, uint64_t address)
{
	static const enum vmlinux_lead leads[] = {
		[LEAD_TRACER] = VMLINUX_TRACER, [LEAD_PROBE] = VMLINUX_PROBE,
		[LEAD_FUNCTION] = VMLINUX_FUNCTION,
	};
	const struct comparison *c = arg;

	return c->guest->leads(c->guest->ctx, leads[lead], address);
}

/* A breakpoint first, then the rest, then the first byte; and a tracer may be ending. */
static bool is_patching(const struct comparison *c, const struct site *s)
{
	const uint8_t *code = c->live + s->offset;
	int32_t distance;

	if (s->kind != SITE_FENTRY && s->kind != SITE_JUMP_LABEL && s->kind != SITE_STATIC_CALL)
		return false;
	if (code[0] == INT3)
		return true;
	if (s->kind != SITE_FENTRY || code[0] != CALL)
		return false;
	memcpy(&distance, code + 1, sizeof(distance));
	return c->guest->leads(c->guest->ctx, VMLINUX_ENDING,
			       c->v->code->address + s->offset + 5 + (int64_t)distance);
}

static enum line_holds judge(const struct comparison *c, uint64_t offset)
{
	const struct text *text = &c->v->text;
	const uint32_t section = c->v->code - c->v->image.sections;
	const struct site *s = sites_over(text, section, offset, 0);

	for (; s && s < text->sites + text->nsites && s->section == section && s->offset <= offset; s++)
		if (s->offset + s->length > offset && is_patching(c, s))
			return LINE_PATCHING;
	return LINE_OTHER;
}

static void on_difference(void *arg, uint64_t address, const uint8_t *file, size_t n)
{
	struct comparison *c = arg;
	const struct range *text = &c->v->part[VMLINUX_TEXT];

	for (uint64_t at = MAX(address, text->start); at < address + n && at < text->end; at++) {
		uint8_t *line = &c->lines[(at - text->start) / VMLINUX_LINE];

		if (*line == LINE_OTHER)
			continue;
		*line = MAX(*line, judge(c, at - c->v->code->address));
		c->first[(at - text->start) / VMLINUX_LINE] = (at - text->start) % VMLINUX_LINE;
	}
}

/* What is not there is taken from the file; a site may begin in it, or end there. */
static uint8_t *gather(const struct vmlinux *v, const uint8_t *bytes, const bool *present)
{
	const struct range *text = &v->part[VMLINUX_TEXT];
	const uint64_t skip = text->start - v->code->address;
	uint8_t *live = malloc(v->code->size + 1);

	if (!live)
		return NULL;
	memcpy(live, v->code->bytes, v->code->size);
	for (uint64_t at = 0; at < text->end - text->start; at += PAGE)
		if (present[at / PAGE])
			memcpy(live + skip + at, bytes + at, MIN(PAGE, text->end - text->start - at));
	return live;
}

static bool compare_code(struct vmlinux *v, const struct vmlinux_guest *guest, const uint8_t *bytes,
			 const bool *present, uint8_t *lines, uint8_t *first)
{
	struct comparison c = { v, guest, gather(v, bytes, present), lines, first };
	struct kprobe *probes = calloc(guest->nprobes + 1, sizeof(*probes));
	bool done;

	for (size_t i = 0; probes && i < guest->nprobes; i++)
		probes[i] = (struct kprobe){ guest->probe[i].va, true };
	memset(v->text.constants, 0, sizeof(v->text.constants));
	v->text.ndifferences = v->text.sites_patched = v->text.bytes_patched = 0;
	v->text.kprobes = probes;
	v->text.nkprobes = guest->nprobes;
	v->text.read = on_read;
	v->text.leads = on_leads;
	v->text.differs = on_difference;
	v->text.arg = &c;
	done = c.live && probes && text_compare(&v->text, v->code, c.live);
	v->text.kprobes = NULL;
	free(probes);
	free((void *)c.live);
	return done;
}

/* ---- read-only data ---- */

static bool is_late(const struct vmlinux *v, uint64_t va)
{
	return va >= v->late.start && va < v->late.end;
}

static void compare_data(const struct vmlinux *v, const uint8_t *bytes, uint8_t *lines, uint8_t *first)
{
	const uint64_t start = v->part[VMLINUX_RODATA].start, size = v->data_end - start;

	for (uint64_t line = 0; line * VMLINUX_LINE < size; line++) {
		const uint64_t at = line * VMLINUX_LINE, n = MIN(VMLINUX_LINE, size - at);

		if (!memcmp(bytes + at, v->rodata + at, n))
			continue;
		for (uint64_t i = 0; lines[line] == LINE_SAME && i < n; i++) {
			if (bytes[at + i] == v->rodata[at + i] || is_late(v, start + at + i))
				continue;
			lines[line] = LINE_OTHER;
			first[line] = i;
		}
	}
}

/* ---- both ---- */

/* The neighbours of what is not there: something may lie across. */
static void mark_unseen(const struct range *r, enum vmlinux_part part, const bool *present, uint8_t *lines)
{
	const uint64_t n = (r->end - r->start + VMLINUX_LINE - 1) / VMLINUX_LINE, each = PAGE / VMLINUX_LINE;
	const uint64_t beside = part == VMLINUX_TEXT;

	for (uint64_t page = 0; page * each < n; page++) {
		if (present[page])
			continue;
		for (uint64_t i = MAX(page * each, beside) - beside; i < MIN((page + 1) * each + beside, n); i++)
			lines[i] = LINE_UNSEEN;
	}
}

bool vmlinux_compare(struct vmlinux *v, enum vmlinux_part part, const struct vmlinux_guest *guest,
		     const uint8_t *bytes, const bool *present, uint8_t *lines, uint8_t *first)
{
	const struct range *r = &v->part[part];

	memset(lines, LINE_SAME, (r->end - r->start + VMLINUX_LINE - 1) / VMLINUX_LINE);
	if (part == VMLINUX_RODATA)
		compare_data(v, bytes, lines, first);
	else if (!compare_code(v, guest, bytes, present, lines, first))
		return false;
	mark_unseen(r, part, present, lines);
	return true;
}

/* ---- words for it ---- */

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a;
	const uint64_t *y = b;

	return x->address <= *y ? -1 : 1;
}

void vmlinux_name(const struct vmlinux *v, uint64_t va, char *out, size_t size)
{
	size_t i = search_from(&va, v->symbols.by_address, v->symbols.n, sizeof(*v->symbols.by_address),
			       by_address);

	out[0] = '\0';
	if (i)
		snprintf(out, size, "%.64s+0x%llx", v->symbols.by_address[i - 1].name,
			 (unsigned long long)(va - v->symbols.by_address[i - 1].address));
}

size_t vmlinux_bytes(const struct vmlinux *v, uint64_t va, uint8_t *out, size_t n)
{
	const struct image_section *s = image_section_at(&v->image, va);

	if (!s)
		return 0;
	n = MIN(n, s->size - (va - s->address));
	memcpy(out, s->bytes + (va - s->address), n);
	return n;
}

void vmlinux_count(const struct vmlinux *v, struct vmlinux_counts *ret_counts)
{
	*ret_counts = (struct vmlinux_counts){
		.sites = v->text.nsites, .patched = v->text.sites_patched,
		.patched_bytes = v->text.bytes_patched, .constant_bytes = v->constant_bytes,
		.late_bytes = v->late.end - v->late.start,
	};
}

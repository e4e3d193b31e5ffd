// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/probes.h"
#include "lib/util.h"

#define MAX_TABLE (64u << 20)
#define MAX_FTRACE_PAGES 65536u
#define TRAMP_STEP 8u
#define PATCH 5u
#define LONGEST_PATCH 6u

#define CALL 0xe8
#define JMP 0xe9
#define JMP8 0xeb
#define INT3 0xcc

void sites_free(struct sites *s)
{
	free(s->site);
	memset(s, 0, sizeof(*s));
}

static int add(struct sites *s, const struct site *site)
{
	if (site->va < s->start || site->va >= s->end || s->end - site->va < LONGEST_PATCH)
		return 0;
	if (s->n == s->room) {
		uint32_t room = s->room ? 2 * s->room : 8192;
		struct site *more = room > MAX_SITES ? NULL :
			realloc(s->site, room * sizeof(*s->site));

		if (!more)
			return room > MAX_SITES ? -E2BIG : -ENOMEM;
		s->site = more;
		s->room = room;
	}
	s->site[s->n++] = *site;
	return 0;
}

/* ---- tables of the image: start and end by symbols ---- */

/* NULL: there is none, or -errno in *r. */
static uint8_t *read_table(const struct kernel *k, enum kernel_symbol start, enum kernel_symbol end,
			   uint64_t *ret_va, uint64_t *ret_len, int *r)
{
	uint64_t va = k->symbol[start].address, stop = k->symbol[end].address;
	uint8_t *bytes;

	*r = 0;
	*ret_len = 0;
	if (!va || stop <= va)
		return NULL;
	*r = stop - va > MAX_TABLE ? -E2BIG : 0;
	bytes = *r ? NULL : malloc(stop - va);
	if (!bytes) {
		*r = *r ? *r : -ENOMEM;
		return NULL;
	}
	*r = virt_read(&k->as, va, bytes, stop - va);
	*ret_va = va;
	*ret_len = stop - va;
	return bytes;
}

static uint64_t relative(const uint8_t *bytes, uint64_t at, uint64_t va)
{
	int32_t offset;

	memcpy(&offset, bytes + at, sizeof(offset));
	return va + at + (int64_t)offset;
}

static int read_jumps(const struct kernel *k, struct sites *s)
{
	uint64_t va, len;
	int r;
	autofree uint8_t *table = read_table(k, SYM_JUMP_START, SYM_JUMP_STOP, &va, &len, &r);

	/* struct jump_entry: code and target by their own places, and a key. */
	for (uint64_t at = 0; !r && at + 16 <= len; at += 16) {
		const struct site site = {
			.va = relative(table, at, va), .target = relative(table, at + 4, va),
			.kind = SITE_JUMP,
		};

		r = add(s, &site);
	}
	return r;
}

static int read_calls(const struct kernel *k, struct sites *s)
{
	const uint64_t tramps = k->symbol[SYM_TRAMPS_START].address;
	static const enum kernel_symbol ftrace[] = {
		SYM_FTRACE_CALL, SYM_FTRACE_REGS_CALL, SYM_FTRACE_GRAPH_CALL,
	};
	uint64_t va, len;
	int r;
	autofree uint8_t *table = read_table(k, SYM_CALL_SITES_START, SYM_CALL_SITES_STOP,
					     &va, &len, &r);

	for (uint64_t at = 0; !r && at + 8 <= len; at += 8) {
		/* The lowest bits are flags of the key, which comes second. */
		const struct site site = { .va = relative(table, at, va), .kind = SITE_CALL };

		r = add(s, &site);
	}
	for (uint64_t at = tramps; !r && at && at < k->symbol[SYM_TRAMPS_STOP].address;
	     at += TRAMP_STEP)
		r = add(s, &(struct site){ .va = at, .kind = SITE_TRAMPOLINE });
	for (size_t i = 0; !r && i < ARRAY_SIZE(ftrace); i++)
		if (k->symbol[ftrace[i]].address)
			r = add(s, &(struct site){ .va = k->symbol[ftrace[i]].address,
						   .kind = SITE_TRAMPOLINE });
	return r;
}

/* The table is freed where it is not needed any more: what is read then is nothing. */
static int read_locks(const struct kernel *k, struct sites *s)
{
	uint64_t va, len;
	int r;
	autofree uint8_t *table = read_table(k, SYM_LOCKS_START, SYM_LOCKS_STOP, &va, &len, &r);

	for (uint64_t at = 0; !r && at + 4 <= len; at += 4)
		r = add(s, &(struct site){ .va = relative(table, at, va), .kind = SITE_LOCK });
	return r == -EFAULT || r == -ENODATA || r == -ENXIO ? 0 : r;
}

/* ---- tables that the kernel made ---- */

static int read_ftrace_page(const struct kernel *k, struct sites *s, uint64_t page)
{
	const struct layout *at = &k->at;
	uint64_t records, n;
	int r = kernel_member(k, page, at->ftrace_page_records, &records);

	if (!r)
		r = kernel_member(k, page, at->ftrace_page_index, &n);
	if (!r && n > MAX_SITES)
		r = -E2BIG;
	for (uint64_t i = 0; !r && i < n; i++) {
		struct site site = { .kind = SITE_FTRACE };

		r = kernel_member(k, records + i * at->dyn_ftrace_size.size, at->dyn_ftrace_ip, &site.va);
		if (!r)
			r = add(s, &site);
	}
	return r;
}

static int read_ftrace(const struct kernel *k, struct sites *s)
{
	const struct layout *at = &k->at;
	uint64_t page, symbol = k->symbol[SYM_FTRACE_PAGES].address;
	int r;

	if (!symbol || !at->ftrace_page_next.size || !at->ftrace_page_records.size ||
	    !at->ftrace_page_index.size || !at->dyn_ftrace_ip.size)
		return 0;
	r = virt_read_u64(&k->as, symbol, &page);
	for (uint32_t i = 0; !r && page; i++) {
		r = i == MAX_FTRACE_PAGES ? -E2BIG : read_ftrace_page(k, s, page);
		if (!r)
			r = kernel_member(k, page, at->ftrace_page_next, &page);
	}
	return r;
}

struct walk {
	const struct kernel *k;
	struct sites *s;
};

/*
 * What stood there before, by the probe itself: it may lie, and then that is
 * what differs.
 */
static int on_kprobe(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t probe = node - at->kprobe_hlist.at, opcode;
	struct site site = { .kind = SITE_KPROBE };
	int r = kernel_member(w->k, probe, at->kprobe_addr, &site.va);

	if (!r)
		r = kernel_member(w->k, probe, at->kprobe_opcode, &opcode);
	if (r)
		return r == -EFAULT ? -ELOOP : r;
	site.was[0] = opcode;
	if (at->optimized_kprobe_copied.size >= PATCH - 1 &&
	    virt_read(&w->k->as, probe + at->optimized_kprobe_copied.at, site.was + 1, PATCH - 1))
		memset(site.was + 1, 0, PATCH - 1);
	return add(w->s, &site);
}

static int read_kprobes(const struct kernel *k, struct sites *s)
{
	struct walk w = { k, s };

	if (!k->at.kprobe_addr.size || !k->at.kprobe_opcode.size)
		return 0;
	return probes_walk(k, on_kprobe, &w);
}

static int by_place(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->va != y->va)
		return x->va < y->va ? -1 : 1;
	/* A probe comes last: it says what stood there when all else was put aside. */
	return x->kind < y->kind ? -1 : x->kind > y->kind;
}

int sites_read(const struct kernel *k, uint64_t start, uint64_t end, struct sites *ret_sites)
{
	static int (*const readers[])(const struct kernel *k, struct sites *s) = {
		read_jumps, read_calls, read_locks, read_ftrace, read_kprobes,
	};
	int r = 0;

	*ret_sites = (struct sites){ .start = start, .end = end };
	for (size_t i = 0; !r && i < ARRAY_SIZE(readers); i++)
		r = readers[i](k, ret_sites);
	if (r)
		sites_free(ret_sites);
	else if (ret_sites->n)
		qsort(ret_sites->site, ret_sites->n, sizeof(*ret_sites->site), by_place);
	return r;
}

/* ---- what may stand there ---- */

/* The second until 5.12, on CPUs that were old then. */
static const uint8_t nops[][PATCH] = {
	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x66, 0x66, 0x66, 0x66, 0x90 },
};

static bool is_one_of(const uint8_t *code, const uint8_t (*legal)[PATCH], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(code, legal[i], PATCH))
			return true;
	return false;
}

static bool is_nop(const uint8_t *code)
{
	return is_one_of(code, nops, ARRAY_SIZE(nops));
}

static uint64_t target_of(uint64_t va, const uint8_t *code)
{
	int32_t offset;

	memcpy(&offset, code + 1, sizeof(offset));
	return va + PATCH + (int64_t)offset;
}

static void put_aside(uint8_t *code, size_t n)
{
	memset(code, 0, n);
}

static bool is_tracer(const struct kernel *k, struct owners *o, uint64_t to)
{
	return to == k->symbol[SYM_FTRACE_CALLER].address ||
	       to == k->symbol[SYM_FTRACE_REGS_CALLER].address ||
	       /* Until 5.17: functions of which the graph alone is traced. */
	       to == k->symbol[SYM_FTRACE_GRAPH_CALLER].address ||
	       (!kernel_text(k, to) && (owners_generated(o, to) ||
					owners_trampoline(k, o, to) == TRAMPOLINE_KEPT));
}

static bool take_ftrace(const struct kernel *k, const struct site *s, struct owners *o, uint8_t *code)
{
	if (!is_nop(code) &&
	    (code[0] != CALL || !is_tracer(k, o, target_of(s->va, code))))
		return false;
	put_aside(code, PATCH);
	return true;
}

/* Calls of a tracer that ends are taken out one by one. */
static bool leads_to_what_ends(const struct kernel *k, const struct site *s, struct owners *o,
			       const uint8_t *code)
{
	return s->kind == SITE_FTRACE && code[0] == CALL &&
	       owners_trampoline(k, o, target_of(s->va, code)) == TRAMPOLINE_LEFT;
}

static bool take_jump(const struct site *s, uint8_t *code)
{
	static const uint8_t nop2[] = { 0x66, 0x90 };

	if (is_nop(code) || (code[0] == JMP && target_of(s->va, code) == s->target))
		put_aside(code, PATCH);
	else if (!memcmp(code, nop2, sizeof(nop2)) ||
		 (code[0] == JMP8 && s->va + 2 + (int8_t)code[1] == s->target))
		put_aside(code, 2);
	else
		return false;
	return true;
}

static bool is_padding(const uint8_t *code)
{
	static const uint8_t padding[PATCH] = { INT3, INT3, INT3, INT3, INT3 };

	return !memcmp(code, padding, PATCH);
}

/* A function of the kernel, of a module or of BPF's; or nothing, or "return 0". */
static bool take_call(const struct kernel *k, const struct site *s, const struct owners *o,
		      uint8_t *code)
{
	static const uint8_t legal[][PATCH] = {
		{ 0x0f, 0x1f, 0x44, 0x00, 0x00 }, { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 },
		{ 0x66, 0x66, 0x48, 0x31, 0xc0 }, { 0xc3, 0xcc, 0xcc, 0xcc, 0xcc },
		{ 0xc3, 0x0f, 0x1f, 0x40, 0x00 }, { 0x67, 0x48, 0x0f, 0xb9, 0x3a },
	};
	/* clang makes a conditional jump of a call that comes last. */
	const bool conditional = code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
	const uint64_t to = target_of(s->va + conditional, code + conditional);

	if (is_nop(code) || is_one_of(code, legal, ARRAY_SIZE(legal))) {
		put_aside(code, PATCH);
		return true;
	}
	if ((code[0] != CALL && code[0] != JMP && !conditional) ||
	    (!kernel_text(k, to) && !owners_have(o, to) && to != k->symbol[SYM_RETURN_THUNK].address))
		return false;
	put_aside(code, PATCH + conditional);
	return true;
}

static void take_kprobe(const struct site *s, const struct owners *o, uint8_t *code)
{
	if (code[0] == INT3)
		code[0] = s->was[0];
	else if (code[0] == JMP && owners_generated(o, target_of(s->va, code)))
		memcpy(code, s->was, PATCH);
}

/* True if what stands there is legal; where a trampoline may be, nothing but breakpoints too. */
static bool take(const struct kernel *k, const struct site *s, struct owners *owners, uint8_t *code)
{
	switch (s->kind) {
	case SITE_FTRACE:
		return take_ftrace(k, s, owners, code);
	case SITE_JUMP:
		return take_jump(s, code);
	case SITE_CALL:
		return take_call(k, s, owners, code);
	case SITE_TRAMPOLINE:
		return is_padding(code) || take_call(k, s, owners, code);
	case SITE_LOCK:
		if (*code == 0xf0 || *code == 0x3e)
			*code = 0;
		return true;
	default:
		return true;
	}
}

/* The kernel puts a breakpoint first, then the rest, then the first byte. */
static bool is_under_way(const struct kernel *k, const struct site *s, struct owners *owners,
			 const uint8_t *code)
{
	static const uint8_t first[] = { 0x0f, CALL, JMP, JMP8, 0x66, 0x2e, 0xc3 };

	if (leads_to_what_ends(k, s, owners, code))
		return true;
	if (code[0] != INT3 || s->kind == SITE_LOCK || s->kind == SITE_KPROBE ||
	    (s->kind == SITE_TRAMPOLINE && is_padding(code)))
		return false;
	for (size_t i = 0; i < sizeof(first); i++) {
		uint8_t whole[LONGEST_PATCH];

		memcpy(whole, code, LONGEST_PATCH);
		whole[0] = first[i];
		if (leads_to_what_ends(k, s, owners, whole) || take(k, s, owners, whole))
			return true;
	}
	return false;
}

static void mark(uint8_t *line, const struct site *site, uint64_t at, enum line_state state)
{
	const uint64_t last = (at + (site->kind == SITE_CALL ? LONGEST_PATCH : PATCH) - 1) / SITE_LINE;

	line[at / SITE_LINE] = MAX(line[at / SITE_LINE], state);
	line[last] = MAX(line[last], state);
}

void sites_neutralise(const struct kernel *k, const struct sites *s, struct owners *owners,
		      uint8_t *code, uint8_t *line)
{
	/* Probes first: what they cover may be a site of another kind. */
	for (uint32_t i = 0; i < s->n; i++)
		if (s->site[i].kind == SITE_KPROBE)
			take_kprobe(&s->site[i], owners, code + (s->site[i].va - s->start));
	for (uint32_t i = 0; i < s->n; i++) {
		const struct site *site = &s->site[i];
		uint64_t at = site->va - s->start;
		bool under_way = is_under_way(k, site, owners, code + at);

		/* Between two trampolines lies what is none, and is compared as it is. */
		if (under_way)
			mark(line, site, at, LINE_UNDER_WAY);
		else if (!take(k, site, owners, code + at) && site->kind != SITE_TRAMPOLINE)
			mark(line, site, at, LINE_ILLEGAL);
	}
}

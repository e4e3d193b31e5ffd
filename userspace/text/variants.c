// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the kernel makes of a site: the legal forms of each kind, and no others.
 * See arch/x86/kernel/{alternative,static_call,ftrace,jump_label}.c of 6.1 to 7.2.
 */
#include <string.h>

#include "text/text.h"
#include "lib/util.h"

#define CALL 0xe8
#define JMP 0xe9
#define JMP8 0xeb
#define RET 0xc3
#define INT3 0xcc

static bool is_all(const uint8_t *bytes, uint8_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

/* ---- no-ops ---- */

/* The length of the one instruction, or 0. */
static size_t nop_length(const uint8_t *at, size_t n)
{
	static const struct { uint8_t modrm, zeros; } forms[] = {
		{ 0x00, 0 }, { 0x40, 1 }, { 0x44, 2 }, { 0x80, 4 }, { 0x84, 5 },
	};
	size_t i = 0;

	while (i < n && i < 5 && (at[i] == 0x66 || at[i] == 0x2e))
		i++;
	if (i < n && at[i] == 0x90)
		return i + 1;
	if (n < i + 3 || at[i] != 0x0f || at[i + 1] != 0x1f)
		return 0;
	for (size_t f = 0; f < ARRAY_SIZE(forms); f++)
		if (at[i + 2] == forms[f].modrm && n >= i + 3 + forms[f].zeros &&
		    is_all(at + i + 3, 0, forms[f].zeros))
			return i + 3 + forms[f].zeros;
	return 0;
}

size_t variant_nop_run(const uint8_t *bytes, size_t n)
{
	size_t at = 0, length;

	while (at < n && (length = nop_length(bytes + at, n - at)))
		at += length;
	return at;
}

/* Since 6.5 a long one is a jump over what never runs. */
static bool is_jump_over(const uint8_t *live, size_t n)
{
	int32_t distance;

	if (n > 2 && live[0] == JMP8 && live[1] == n - 2 && n - 2 < 128)
		return is_all(live + 2, INT3, n - 2);
	if (n <= 5 || live[0] != JMP)
		return false;
	memcpy(&distance, live + 1, 4);
	return distance == (int32_t)(n - 5) && is_all(live + 5, INT3, n - 5);
}

bool variant_is_nops(const uint8_t *live, size_t n)
{
	return variant_nop_run(live, n) == n || is_jump_over(live, n);
}

/* ---- branches ---- */

/* at: into the place; the instruction ends four bytes behind it. */
static uint64_t target_of(const struct place *p, size_t at)
{
	int32_t distance;

	memcpy(&distance, p->live + at, 4);
	return p->address + at + 4 + distance;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* __x86_return_thunk, srso_return_thunk, its_return_thunk, ... of the kernel's own. */
static bool is_return_thunk(const struct text *text, uint64_t address)
{
	const struct symbol *s = symbols_at(text->symbols, address);

	for (; s && s < symbols_end(text->symbols) && s->address == address; s++)
		if (!s->module[0] && ends_with(s->name, "return_thunk"))
			return true;
	return false;
}

static bool is_fentry_target(const struct text *text, uint64_t address)
{
	const struct symbol *s = symbols_at(text->symbols, address);

	if (text->leads && text->leads(text->arg, LEAD_TRACER, address))
		return true;
	for (; s && s < symbols_end(text->symbols) && s->address == address; s++)
		if ((!s->module[0] && (!strcmp(s->name, "ftrace_caller") ||
				       !strcmp(s->name, "ftrace_regs_caller") ||
				       !strcmp(s->name, "ftrace_graph_caller"))) ||
		    !strcmp(s->module, "__builtin__ftrace") ||
		    (!strcmp(s->module, "bpf") && !strncmp(s->name, "bpf_trampoline_", 15)))
			return true;
	return false;
}

bool variant_is_call(const struct text *text, const struct place *p, size_t n)
{
	return variant_is_nops(p->live, n) ||
	       (n >= 5 && p->live[0] == CALL && symbols_is_function(text->symbols, target_of(p, 1)) &&
		variant_is_nops(p->live + 5, n - 5));
}

bool variant_is_short_jump(const struct place *p)
{
	int32_t distance;

	if (p->n < 5 || p->file[0] != JMP || p->live[0] != JMP8)
		return false;
	memcpy(&distance, p->file + 1, 4);
	return distance + 3 == (int8_t)p->live[1] &&
	       (is_all(p->live + 2, INT3, 3) || variant_is_nops(p->live + 2, 3));
}

/* ---- one function a kind ---- */

/* In a linked kernel the distance stands there; an address may have several names. */
static bool linked_leads_to(const struct text *text, const struct image_section *s, uint64_t offset,
			    const char *name)
{
	const struct symbol *symbol;
	uint64_t address;
	int32_t distance;

	if (!s->bytes || offset > s->size || s->size - offset < 4)
		return false;
	memcpy(&distance, s->bytes + offset, 4);
	address = s->address + offset + 4 + (int64_t)distance;
	symbol = symbols_at(text->symbols, address);
	for (; symbol && symbol < symbols_end(text->symbols) && symbol->address == address; symbol++)
		if (!strcmp(symbol->name, name))
			return true;
	return false;
}

/* Does the file's branch go there?  at: of its distance. */
static bool leads_to(const struct text *text, const struct site *site, size_t at, const char *name)
{
	const struct image_section *s = &text->image->sections[site->section];
	const struct image_reloc *r;

	if (text->image->linked)
		return linked_leads_to(text, s, site->offset + at, name);
	r = image_reloc_at(s, site->offset + at);
	return r && !strcmp(text->image->symbols[r->symbol].name, name);
}

static bool is_endbr(const struct text *text, const struct site *site, const struct place *p)
{
	static const uint8_t forms[][4] = {
		{ 0xf3, 0x0f, 0x1e, 0xfa }, { 0x66, 0x0f, 0x1f, 0x00 },
		{ 0x0f, 0x1f, 0x40, 0x00 }, { 0x0f, 0x1f, 0x40, 0xd6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (!memcmp(p->live, forms[i], 4))
			return true;
	return false;
}

static bool is_fentry(const struct text *text, const struct site *site, const struct place *p)
{
	return variant_is_nops(p->live, 5) ||
	       (p->live[0] == CALL && is_fentry_target(text, target_of(p, 1)));
}

static bool is_label(const struct text *text, const struct site *site, const struct place *p)
{
	const struct image_section *s = &text->image->sections[site->other];
	uint64_t target = s->address + site->other_offset;

	if (variant_nop_run(p->live, site->length) == site->length)
		return true;
	if (!s->placed)
		return false;
	if (site->length == 2)
		return p->live[0] == JMP8 && p->address + 2 + (int8_t)p->live[1] == target;
	return site->length == 5 && p->live[0] == JMP && target_of(p, 1) == target;
}

static bool is_lock(const struct text *text, const struct site *site, const struct place *p)
{
	return p->live[0] == 0xf0 || (text->one_cpu && p->live[0] == 0x3e);
}

static bool is_return(const struct text *text, const struct site *site, const struct place *p)
{
	if (site->length != 5)
		return false;
	return (p->live[0] == RET && is_all(p->live + 1, INT3, 4)) ||
	       (p->live[0] == JMP && is_return_thunk(text, target_of(p, 1)));
}

static bool is_static_call(const struct text *text, const struct site *site, const struct place *p)
{
	static const uint8_t zero[] = { 0x2e, 0x2e, 0x2e, 0x31, 0xc0 };
	static const uint8_t warning[] = { 0x67, 0x48, 0x0f, 0xb9, 0x3a };	/* ud1, since 6.19 */
	size_t at = site->length == 6 ? 2 : 1;
	uint64_t target;

	if (site->length == 6 && (p->live[0] != 0x0f || p->live[1] != p->file[1]))
		return false;
	if (site->length == 5 && (variant_is_nops(p->live, 5) || !memcmp(p->live, zero, 5) ||
				  (p->live[0] == RET && is_all(p->live + 1, INT3, 4))))
		return true;
	if (site->length == 5 && !memcmp(p->live, warning, 5))
		return leads_to(text, site, at, "__SCT__WARN_trap");
	if (site->length == 5 && p->live[0] != CALL && p->live[0] != JMP)
		return false;
	if (site->length != 5 && site->length != 6)
		return false;
	target = target_of(p, at);
	return symbols_is_function(text->symbols, target) || is_return_thunk(text, target) ||
	       (text->leads && text->leads(text->arg, LEAD_FUNCTION, target));
}

/* What kernels before 6.1 put there of their own, by struct paravirt_patch_template's names. */
static bool is_inlined(const struct place *p, size_t n)
{
	static const struct { uint8_t n, code[6]; } inlined[] = {
		{ 2, { 0x9c, 0x58 } },			/* save_fl: pushf; pop %rax */
		{ 2, { 0x57, 0x9d } },			/* restore_fl: push %rdi; popf */
		{ 1, { 0xfa } }, { 1, { 0xfb } },	/* irq_disable, irq_enable: cli, sti */
		{ 3, { 0x0f, 0x20, 0xd0 } },		/* read_cr2: mov %cr2,%rax */
		{ 3, { 0x0f, 0x20, 0xd8 } },		/* read_cr3: mov %cr3,%rax */
		{ 3, { 0x0f, 0x22, 0xdf } },		/* write_cr3: mov %rdi,%cr3 */
		{ 2, { 0x0f, 0x09 } },			/* wbinvd */
		{ 3, { 0x0f, 0x01, 0xf8 } },		/* swapgs */
		{ 6, { 0x0f, 0x01, 0xf8, 0x48, 0x0f, 0x07 } },	/* usergs_sysret64: swapgs; sysretq */
		{ 3, { 0xc6, 0x07, 0x00 } },		/* queued_spin_unlock: movb $0,(%rdi) */
		{ 2, { 0x31, 0xc0 } },			/* vcpu_is_preempted: xor %eax,%eax */
		{ 3, { 0x48, 0x89, 0xf8 } },		/* identity: mov %rdi,%rax */
	};

	for (size_t i = 0; i < ARRAY_SIZE(inlined); i++)
		if (n >= inlined[i].n && !memcmp(p->live, inlined[i].code, inlined[i].n) &&
		    variant_is_nops(p->live + inlined[i].n, n - inlined[i].n))
			return true;
	return false;
}

static bool is_paravirt(const struct text *text, const struct site *site, const struct place *p)
{
	return variant_is_call(text, p, site->length) ||
	       (text->image->linked && is_inlined(p, site->length)) ||
	       (site->length >= 5 && p->live[0] == JMP &&
		symbols_is_function(text->symbols, target_of(p, 1)) &&
		variant_is_nops(p->live + 5, site->length - 5));
}

/* ---- retpolines ---- */

/* The register of the thunk that the file's branch goes to, or -1. */
static int thunk_register(const struct text *text, const struct site *site, size_t at)
{
	static const char *const thunks[] = {
#define THUNK(reg) "__x86_indirect_thunk_" #reg
		THUNK(rax), THUNK(rcx), THUNK(rdx), THUNK(rbx), THUNK(rsp), THUNK(rbp), THUNK(rsi),
		THUNK(rdi), THUNK(r8), THUNK(r9), THUNK(r10), THUNK(r11), THUNK(r12), THUNK(r13),
		THUNK(r14), THUNK(r15),
#undef THUNK
	};

	for (size_t i = 0; i < ARRAY_SIZE(thunks); i++)
		if (leads_to(text, site, at, thunks[i]))
			return i;
	return -1;
}

/* "call *%reg" or "jmp *%reg", maybe behind lfence: its length, or 0. */
static size_t indirect_length(const uint8_t *live, size_t n, int reg, bool call)
{
	static const uint8_t lfence[] = { 0x0f, 0xae, 0xe8 };
	size_t at = n > 3 && !memcmp(live, lfence, 3) ? 3 : 0;

	/* Prefixes that mean nothing fill it up in front, so that it ends where the call did. */
	while (at < n && live[at] == 0x2e)
		at++;
	if (reg >= 8 && (at >= n || live[at++] != 0x41))
		return 0;
	if (n < at + 2 || live[at] != 0xff || live[at + 1] != ((call ? 0xd0 : 0xe0) | (reg & 7)))
		return 0;
	return at + 2;
}

/* Behind a jump nothing runs; behind a call what follows must do nothing. */
static bool is_filled(const uint8_t *live, size_t n, bool call)
{
	while (!call && n && live[0] == INT3) {
		live++;
		n--;
	}
	return variant_nop_run(live, n) == n;
}

/* A branch to code of the kernel's making that is the indirect jump and no more. */
static bool is_thunk(const struct text *text, uint64_t address, int reg)
{
	uint8_t code[8];
	size_t n;

	if (!text->read || !text->read(text->arg, address, code, sizeof(code)))
		return false;
	n = indirect_length(code, sizeof(code), reg, false);
	return n && n < sizeof(code) && code[n] == INT3;
}

static bool is_retpoline(const struct text *text, const struct site *site, const struct place *p)
{
	size_t prefix = p->file[0] == 0x2e, at = prefix, n = site->length, length;
	bool conditional = p->file[at] == 0x0f, call = p->file[at] == CALL;
	int reg = thunk_register(text, site, at + (conditional ? 2 : 1));

	if (reg < 0)
		return false;
	if (conditional) {
		/* The condition turned round, over the jump. */
		if (p->live[0] != (0x70 | ((p->file[at + 1] & 0xf) ^ 1)) || p->live[1] != n - 2)
			return false;
		length = indirect_length(p->live + 2, n - 2, reg, false);
		return length && is_filled(p->live + 2 + length, n - 2 - length, false);
	}
	length = indirect_length(p->live, n, reg, call);
	if (length)
		return is_filled(p->live + length, n - length, call);
	at = p->live[0] == 0x2e && n == 6;
	return p->live[at] == p->file[prefix] && n >= at + 5 &&
	       is_thunk(text, target_of(p, at + 1), reg) && is_filled(p->live + at + 5, n - at - 5, call);
}

/* Written once, at boot, and the same everywhere. */
static bool is_constant(struct text *text, const struct site *site, const struct place *p)
{
	if (site->other >= TEXT_CONSTANTS || site->length > sizeof(text->constants[0].value))
		return false;
	if (!text->constants[site->other].met)
		memcpy(text->constants[site->other].value, p->live, site->length);
	text->constants[site->other].met = true;
	return !memcmp(text->constants[site->other].value, p->live, site->length);
}

size_t variant_length(struct text *text, const struct site *site, const struct place *p)
{
	static bool (*const kinds[])(const struct text *, const struct site *, const struct place *) = {
		[SITE_PARAVIRT] = is_paravirt,
		[SITE_RETPOLINE] = is_retpoline,
		[SITE_RETURN] = is_return,
		[SITE_ENDBR] = is_endbr,
		[SITE_FENTRY] = is_fentry,
		[SITE_JUMP_LABEL] = is_label,
		[SITE_STATIC_CALL] = is_static_call,
		[SITE_LOCK] = is_lock,
	};

	if (site->length > p->n)
		return 0;
	if (site->kind == SITE_CONSTANT)
		return is_constant(text, site, p) ? site->length : 0;
	if (site->kind >= ARRAY_SIZE(kinds) || !kinds[site->kind])
		return 0;
	if (!kinds[site->kind](text, site, p))
		return 0;
	text->traced += site->kind == SITE_FENTRY && p->live[0] == CALL;
	return site->length;
}

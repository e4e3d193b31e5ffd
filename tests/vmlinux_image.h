/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small linked kernel, as a bzImage's payload has it: code with a site of each
 * kind that kernels patch, symbols, relocations behind the ELF file.
 */
#ifndef TEST_VMLINUX_IMAGE_H
#define TEST_VMLINUX_IMAGE_H

#include <elf.h>

#define KALLSYMS_IMAGE (1u << 18)
#define NSYMS (256 * 17 + 17)
#include "kallsyms_image.h"

#define V_TEXT KALLSYMS_TEXT
#define V_TEXT_SIZE 0x3000u
#define V_ETEXT (V_TEXT + 0x2f20)
#define V_RODATA KALLSYMS_BASE
#define V_NOTES (V_RODATA + KALLSYMS_IMAGE)
#define V_END_RODATA (V_NOTES + 0x1000)
#define V_LATE (V_RODATA + 0x1000)
#define V_LATE_SIZE 0x1000u
#define V_INIT (V_RODATA + 0x200000)
#define V_SIZE (V_TEXT_SIZE + KALLSYMS_IMAGE + 0x4000)
#define V_ID_SIZE 20

enum place {				/* in the code */
	P_FENTRY_TARGET = 0x40, P_THUNK = 0x60, P_RETURN_THUNK = 0x70, P_FUNCTION = 0x80,
	P_FTRACE_CALLER = 0x90, P_FENTRY = 0x100, P_ALT = 0x200, P_ALT_JUMP = 0x220, P_RETPOLINE = 0x240,
	P_RETURN = 0x260, P_LOCK = 0x280, P_LABEL = 0x2a0, P_CALL = 0x2c0, P_CONSTANT = 0x2e0,
	P_CONSTANT_2 = 0x310, P_NEAR = 0x240 + 0x10, P_ABSOLUTE = 0x400, P_SCT = 0x2000,
	/* in read-only data */
	P_POINTER = 0x800, P_LABELS = 0x1100, P_CALLS = 0x1200,
	/* in what is freed */
	P_ALTS = 0, P_REPLACEMENTS = 0x100, P_RETPOLINES = 0x200, P_RETURNS = 0x210, P_LOCKS = 0x220,
	P_CONSTANTS = 0x230, P_MCOUNT = 0x300,
};

static const struct own_symbol v_symbols[] = {
	{ "T_text", V_TEXT }, { "T_stext", V_TEXT }, { "T__fentry__", V_TEXT + P_FENTRY_TARGET },
	{ "T__x86_indirect_thunk_r11", V_TEXT + P_THUNK }, { "T__x86_return_thunk", V_TEXT + P_RETURN_THUNK },
	{ "Tfunction", V_TEXT + P_FUNCTION }, { "Tftrace_caller", V_TEXT + P_FTRACE_CALLER },
	{ "ttraced", V_TEXT + P_FENTRY }, { "t__SCT__key", V_TEXT + P_SCT }, { "T_etext", V_ETEXT },
	{ "R__start_rodata", V_RODATA }, { "D__start_ro_after_init", V_LATE },
	{ "D__start___jump_table", V_RODATA + P_LABELS }, { "D__stop___jump_table", V_RODATA + P_LABELS + 16 },
	{ "D__start_static_call_sites", V_RODATA + P_CALLS },
	{ "D__stop_static_call_sites", V_RODATA + P_CALLS + 8 },
	{ "D__end_ro_after_init", V_LATE + V_LATE_SIZE }, { "R__end_rodata", V_END_RODATA },
	{ "D__start_mcount_loc", V_INIT + P_MCOUNT }, { "D__stop_mcount_loc", V_INIT + P_MCOUNT + 16 },
};

static uint8_t v_bytes[V_SIZE];
static size_t v_size;
static const size_t v_text_at = 0x1000, v_rodata_at = 0x1000 + V_TEXT_SIZE;
static const size_t v_init_at = 0x1000 + V_TEXT_SIZE + KALLSYMS_IMAGE;

static inline void v_put(size_t offset, uint64_t value, size_t n)
{
	memcpy(v_bytes + offset, &value, n);
}

/* A distance of four bytes from where it stands, or from its end. */
static inline void v_to(size_t offset, uint64_t from, uint64_t to)
{
	v_put(offset, (uint32_t)(to - from), 4);
}

static inline void v_branch(enum place p, uint8_t opcode, uint64_t to)
{
	v_bytes[v_text_at + p] = opcode;
	v_to(v_text_at + p + 1, V_TEXT + p + 5, to);
}

static inline void v_code(void)
{
	for (size_t i = 0; i < V_TEXT_SIZE; i++)
		v_bytes[v_text_at + i] = 0x50 | (i & 7);
	v_branch(P_FENTRY, 0xe8, V_TEXT + P_FENTRY_TARGET);
	v_put(v_text_at + P_ALT, 0x9090909090f8010full, 8);
	v_branch(P_ALT_JUMP, 0xe9, V_TEXT + P_FUNCTION);
	v_branch(P_RETPOLINE, 0xe8, V_TEXT + P_THUNK);
	v_branch(P_RETURN, 0xe9, V_TEXT + P_RETURN_THUNK);
	v_bytes[v_text_at + P_LOCK] = 0xf0;
	v_put(v_text_at + P_LABEL, 0x0000441f0f, 5);
	v_branch(P_CALL, 0xe8, V_TEXT + P_SCT);
	v_branch(P_SCT, 0xe9, V_TEXT + P_FUNCTION);
	v_put(v_text_at + P_CONSTANT, 0x0123456789abcdefull, 8);
	v_put(v_text_at + P_CONSTANT_2, 0x0123456789abcdefull, 8);
	v_put(v_text_at + P_ABSOLUTE, V_RODATA + 16, 4);
}

static inline void v_alternative(size_t n, enum place where, uint64_t replacement, uint8_t len, uint8_t rlen)
{
	size_t entry = v_init_at + P_ALTS + 14 * n;

	v_to(entry, V_INIT + P_ALTS + 14 * n, V_TEXT + where);
	v_to(entry + 4, V_INIT + P_ALTS + 14 * n + 4, replacement);
	v_bytes[entry + 12] = len;
	v_bytes[entry + 13] = rlen;
}

static inline void v_site(size_t table, enum place where)
{
	v_to(v_init_at + table, V_INIT + table, V_TEXT + where);
}

static inline void v_tables(void)
{
	const uint64_t r = V_INIT + P_REPLACEMENTS;

	v_alternative(0, P_ALT, r, 8, 5);
	v_alternative(1, P_ALT_JUMP, r + 5, 5, 5);
	v_bytes[v_init_at + P_REPLACEMENTS] = 0xe8;
	v_to(v_init_at + P_REPLACEMENTS + 1, r + 5, V_TEXT + P_FUNCTION);
	v_bytes[v_init_at + P_REPLACEMENTS + 5] = 0xe9;
	v_to(v_init_at + P_REPLACEMENTS + 6, r + 10, V_TEXT + P_NEAR);
	v_site(P_RETPOLINES, P_RETPOLINE);
	v_site(P_RETURNS, P_RETURN);
	v_site(P_LOCKS, P_LOCK);
	v_site(P_CONSTANTS, P_CONSTANT);
	v_site(P_CONSTANTS + 4, P_CONSTANT_2);
	v_put(v_init_at + P_MCOUNT, V_TEXT + P_FENTRY, 8);
	v_put(v_init_at + P_MCOUNT + 8, 0, 8);		/* a function that was dropped */
	v_put(v_rodata_at + P_POINTER, V_TEXT + P_FUNCTION, 8);
	v_to(v_rodata_at + P_LABELS, V_RODATA + P_LABELS, V_TEXT + P_LABEL);
	v_to(v_rodata_at + P_LABELS + 4, V_RODATA + P_LABELS + 4, V_TEXT + P_NEAR);
	v_to(v_rodata_at + P_CALLS, V_RODATA + P_CALLS, V_TEXT + P_CALL);
}

static inline void v_headers(void)
{
	static const struct {
		const char *name;
		uint32_t type, flags;
		uint64_t address, offset, size;
	} s[] = {
		{ "", SHT_NULL, 0, 0, 0, 0 },
		{ ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, V_TEXT, 0x1000, V_TEXT_SIZE },
		{ ".rodata", SHT_PROGBITS, SHF_ALLOC, V_RODATA, 0x1000 + V_TEXT_SIZE, KALLSYMS_IMAGE },
		{ ".notes", SHT_NOTE, SHF_ALLOC, V_NOTES, 0x800, 16 + V_ID_SIZE },
		{ ".altinstructions", SHT_PROGBITS, SHF_ALLOC, V_INIT + P_ALTS, P_ALTS, 28 },
		{ ".altinstr_replacement", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, V_INIT + P_REPLACEMENTS,
		  P_REPLACEMENTS, 10 },
		{ ".retpoline_sites", SHT_PROGBITS, SHF_ALLOC, V_INIT + P_RETPOLINES, P_RETPOLINES, 4 },
		{ ".return_sites", SHT_PROGBITS, SHF_ALLOC, V_INIT + P_RETURNS, P_RETURNS, 4 },
		{ ".smp_locks", SHT_PROGBITS, SHF_ALLOC, V_INIT + P_LOCKS, P_LOCKS, 4 },
		{ "runtime_ptr_table", SHT_PROGBITS, SHF_ALLOC, V_INIT + P_CONSTANTS, P_CONSTANTS, 8 },
		{ ".init.data", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, V_INIT + P_MCOUNT, P_MCOUNT, 16 },
		{ ".shstrtab", SHT_STRTAB, 0, 0, 0x400, 0x200 },
	};
	const size_t n = sizeof(s) / sizeof(*s), first_of_init = 4, table = v_init_at + 0x1000;
	Elf64_Ehdr h = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_shoff = table,
		.e_ehsize = sizeof(h), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = n, .e_shstrndx = n - 1,
	};
	size_t names = 1;

	memcpy(v_bytes, &h, sizeof(h));
	for (size_t i = 0; i < n; i++) {
		Elf64_Shdr header = {
			.sh_name = i ? names : 0, .sh_type = s[i].type, .sh_flags = s[i].flags,
			.sh_addr = s[i].address, .sh_size = s[i].size, .sh_addralign = 1,
			.sh_offset = s[i].offset + (i >= first_of_init && i < n - 1 ? v_init_at : 0),
		};

		memcpy(v_bytes + table + i * sizeof(header), &header, sizeof(header));
		if (i)
			names += sprintf((char *)v_bytes + 0x400 + names, "%s", s[i].name) + 1;
	}
	v_size = table + n * sizeof(Elf64_Shdr);
}

static inline void v_note(void)
{
	const Elf64_Nhdr note = { 4, V_ID_SIZE, NT_GNU_BUILD_ID };

	memcpy(v_bytes + 0x800, &note, sizeof(note));
	memcpy(v_bytes + 0x80c, "GNU", 4);
	memset(v_bytes + 0x810, 0xab, V_ID_SIZE);
}

static inline void v_relocations(void)
{
	const uint64_t relative_base = V_RODATA + (offsets_at + 4 * NSYMS + 7) / 8 * 8;
	const uint64_t words[] = {
		0, V_RODATA + P_POINTER, V_INIT + P_MCOUNT, relative_base, 0, V_TEXT + P_ABSOLUTE,
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++, v_size += 4)
		v_put(v_size, (uint32_t)words[i], 4);
}

static inline void v_build(void)
{
	own_symbols = v_symbols;
	nown_symbols = sizeof(v_symbols) / sizeof(*v_symbols);
	build(&v6_12);
	memset(v_bytes, 0, sizeof(v_bytes));
	memcpy(v_bytes + v_rodata_at, image, sizeof(image));
	v_code();
	v_tables();
	v_headers();
	v_note();
	v_relocations();
}

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code against its file: integrity_module.S as the assembler makes a file of it,
 * and, by the linker, as memory would be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "integrity/module.h"
#include "text/text.h"
#include "text/unpack.h"
#include "lib/util.h"

/* As the Makefile tells the linker. */
#define FENTRY 0xffffffff81000000ull
#define EXPORTED 0xffffffff81000100ull
#define THUNK_R11 0xffffffff81000200ull
#define RETURN_THUNK 0xffffffff81000300ull
#define FTRACE_CALLER 0xffffffff81000400ull
#define SRSO_THUNK 0xffffffff81000500ull
#define HELPER 0xffffffffc0700000ull
#define TRAMPOLINE 0xffffffffc0800000ull
#define MADE_THUNK 0xffffffffc0810000ull
#define EVIL 0xffffffffc0900000ull
#define FOREIGN 0xffffffffc0980000ull
#define SLOTS 0xffffffffc0a00000ull

static const char kallsyms[] =
	"ffffffff81000000 T __fentry__\n"
	"ffffffff81000100 T exported_function\n"
	"ffffffff81000900 t exported_function\n"
	"ffffffff81000200 T __x86_indirect_thunk_r11\n"
	"ffffffff81000220 T __x86_indirect_thunk_rax\n"
	"ffffffff81000240 T __x86_indirect_thunk_rdx\n"
	"ffffffff81000300 T __x86_return_thunk\n"
	"ffffffff81000400 T ftrace_caller\n"
	"ffffffff81000500 T srso_return_thunk\n"
	"ffffffff81000600 T __SCT__WARN_trap\n"
	"ffffffff82000000 D pv_ops\n"
	"0000000000001234 A small_value\n"
	"ffffffffc0700000 t helper_function\t[test_helper]\n"
	"ffffffffc0980000 T exported_function\t[foreign]\n"
	"ffffffffc0980000 T helper_function\t[foreign]\n"
	"ffffffffc0800000 t ftrace_trampoline\t[__builtin__ftrace]\n"
	"ffffffffc0a00000 t kprobe_optinsn_page\t[__builtin__kprobes]\n";

struct file {
	uint8_t *bytes;
	size_t size;
};

struct world {
	struct file file, memory;
	struct image image, laid;
	struct symbols symbols;
	char *names;
	struct text text;
	const struct image_section *s;	/* .text */
	uint8_t *live;
};

static const char *objects[] = { "build/unit/integrity_module.o", "build/unit/integrity_module_old.o" };
static const char *memories[] = { "build/unit/integrity_module.mem", "build/unit/integrity_module_old.mem" };
static struct world w;

static struct file read_file(const char *path)
{
	struct file f = { .bytes = malloc(1 << 20) };
	autofile FILE *in = fopen(path, "re");

	if (!in)
		fail_msg("%s is not there: make builds it", path);
	f.size = fread(f.bytes, 1, 1 << 20, in);
	return f;
}

/* The linker's file is no module: its sections alone are looked at. */
static const uint8_t *linked(const struct file *f, const char *name, uint64_t *ret_address, size_t *ret_size)
{
	Elf64_Ehdr *h = (void *)f->bytes;
	Elf64_Shdr *s = (void *)(f->bytes + h->e_shoff);
	const char *names = (char *)f->bytes + s[h->e_shstrndx].sh_offset;

	for (unsigned i = 0; i < h->e_shnum; i++) {
		if (strcmp(names + s[i].sh_name, name))
			continue;
		*ret_address = s[i].sh_addr;
		*ret_size = s[i].sh_size;
		return f->bytes + s[i].sh_offset;
	}
	fail_msg("no %s", name);
	return NULL;
}

static void place_all(void)
{
	static const char *const names[] = { ".text", ".altinstr_replacement", ".static_call.text",
					     ".rodata", ".data" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct image_section *s = image_find(&w.image, names[i]);
		size_t size;

		assert_non_null(s);
		linked(&w.memory, names[i], &s->address, &size);
		assert_int_equal(size, s->size);
		s->placed = true;
	}
}

/* What stands behind a branch to code of the kernel's making. */
static bool read_live(void *arg, uint64_t address, void *out, size_t n)
{
	static const uint8_t thunk[8] = { 0x41, 0xff, 0xe3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };
	static const uint8_t evil[8] = { 0x41, 0xff, 0xe3, 0x90, 0x90, 0x90, 0x90, 0x90 };

	memcpy(out, address == MADE_THUNK ? thunk : evil, n);
	return true;
}

static void open_world(unsigned kind)
{
	uint64_t address;
	size_t size;
	const uint8_t *live;

	memset(&w, 0, sizeof(w));
	w.file = read_file(objects[kind]);
	w.memory = read_file(memories[kind]);
	assert_true(image_open(&w.image, w.file.bytes, w.file.size));
	w.names = strdup(kallsyms);
	assert_true(symbols_read(&w.symbols, w.names, strlen(kallsyms)));
	place_all();
	w.text = (struct text){ .image = &w.image, .symbols = &w.symbols, .module = "test",
				.read = read_live };
	assert_true(sites_find(&w.text));
	w.s = image_find(&w.image, ".text");
	live = linked(&w.memory, ".text", &address, &size);
	w.live = malloc(size);
	memcpy(w.live, live, size);
}

static void close_world(void)
{
	image_close(&w.image);
	symbols_free(&w.symbols);
	free(w.names);
	free(w.text.sites);
	free(w.file.bytes);
	free(w.memory.bytes);
	free(w.live);
}

static int setup(void **state)
{
	open_world(0);
	return 0;
}

static int teardown(void **state)
{
	close_world();
	return 0;
}

static uint64_t offset_of(const char *label)
{
	for (size_t i = 0; i < w.image.nsymbols; i++)
		if (!strcmp(w.image.symbols[i].name, label))
			return w.image.symbols[i].value;
	fail_msg("no label %s", label);
	return 0;
}

static size_t differences(void)
{
	w.text.ndifferences = 0;
	if (!text_compare(&w.text, w.s, w.live))
		fail_msg("not compared: %s", w.text.why);
	return w.text.ndifferences;
}

/* Those bytes at that label, for one comparison. */
static size_t with(const char *label, const uint8_t *bytes, size_t n)
{
	uint8_t *at = w.live + offset_of(label), before[16];
	size_t found;

	memcpy(before, at, n);
	memcpy(at, bytes, n);
	found = differences();
	memcpy(at, before, n);
	return found;
}

#define WITH(label, ...) ({ const uint8_t b_[] = { __VA_ARGS__ }; with(label, b_, sizeof(b_)); })

/* A branch from the label, prefix bytes behind it, to a target; then a filling. */
static size_t with_branch(const char *label, size_t prefix, const uint8_t *code, size_t n,
			  uint64_t target)
{
	uint8_t bytes[16];
	int32_t distance = target - (w.s->address + offset_of(label) + prefix + 4);

	memcpy(bytes, code, n);
	memcpy(bytes + prefix, &distance, 4);
	return with(label, bytes, n);
}

#define BRANCH(label, prefix, target, ...) \
	({ const uint8_t c_[] = { __VA_ARGS__ }; with_branch(label, prefix, c_, sizeof(c_), target); })
#define REL 0, 0, 0, 0

static void test_as_linked(void **state)
{
	assert_int_equal(differences(), 0);
	assert_int_equal(w.text.sites_patched, 0);
	assert_true(w.text.nsites >= 18);
	assert_string_equal(w.text.why, "");
}

static void test_constants(void **state)
{
	uint64_t address;
	size_t size;
	const uint8_t *live = linked(&w.memory, ".rodata", &address, &size);
	uint8_t copy[64];

	memcpy(copy, live, size);
	assert_true(text_compare(&w.text, image_find(&w.image, ".rodata"), copy));
	assert_int_equal(w.text.ndifferences, 0);
	copy[9] ^= 1;
	assert_true(text_compare(&w.text, image_find(&w.image, ".rodata"), copy));
	assert_int_equal(w.text.ndifferences, 1);
	assert_int_equal(w.text.differences[0].offset, 9);
}

/* No byte may change unseen, whatever it is part of. */
static void test_each_byte(void **state)
{
	for (size_t i = 0; i < w.s->size; i++) {
		const struct difference *d = w.text.differences;

		w.live[i] ^= 0xff;
		if (differences() != 1 || d->offset > i || i >= d->offset + d->length)
			fail_msg("a change at 0x%zx: %zu differences, 0x%llx", i, w.text.ndifferences,
				 (unsigned long long)d->offset);
		w.live[i] ^= 0xff;
	}
}

static void test_exact(void **state)
{
	uint64_t at = offset_of("alt_next") + 2;
	const struct difference *d = w.text.differences;

	w.live[at] = 0xaa;
	w.live[at + 1] = 0xbb;
	assert_int_equal(differences(), 1);
	assert_int_equal(d->offset, at);
	assert_int_equal(d->length, 2);
	assert_int_equal(d->shown, 2);
	assert_memory_equal(d->expected, "\x56\x34", 2);
	assert_memory_equal(d->found, "\xaa\xbb", 2);
}

static void test_fentry(void **state)
{
	assert_int_equal(WITH("fentry", 0x0f, 0x1f, 0x44, 0, 0), 0);
	assert_int_equal(w.text.traced, 0);
	assert_int_equal(BRANCH("fentry", 1, FTRACE_CALLER, 0xe8, REL), 0);
	assert_int_equal(w.text.traced, 1);
	assert_int_equal(BRANCH("fentry", 1, TRAMPOLINE, 0xe8, REL), 0);
	assert_int_equal(w.text.traced, 2);
	assert_true(BRANCH("fentry", 1, TRAMPOLINE + 8, 0xe8, REL));
	assert_true(BRANCH("fentry", 1, EVIL, 0xe8, REL));
	assert_true(BRANCH("fentry", 1, EXPORTED, 0xe8, REL));
	assert_true(BRANCH("fentry", 1, FTRACE_CALLER, 0xe9, REL));
	assert_true(BRANCH("plain", 1, FTRACE_CALLER, 0xe8, REL));
	assert_int_equal(w.text.traced, 2);
}

static void test_alternatives(void **state)
{
	/* No-ops joined; the first replacement and its padding; the second. */
	assert_int_equal(WITH("alt", 0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0), 0);
	assert_int_equal(BRANCH("alt", 1, EXPORTED, 0xe8, REL, 0x0f, 0x1f, 0x40, 0), 0);
	assert_int_equal(BRANCH("alt", 1, EXPORTED, 0xe8, REL, 0x90, 0x90, 0x90, 0x90), 0);
	assert_true(BRANCH("alt", 1, EVIL, 0xe8, REL, 0x0f, 0x1f, 0x40, 0));
	assert_true(BRANCH("alt", 1, EXPORTED, 0xe8, REL, 0x0f, 0x1f, 0x40, 1));
	assert_int_equal(BRANCH("alt", 4, RETURN_THUNK, 0x0f, 0xae, 0xe8, 0xe9, REL, 0x90), 0);
	assert_int_equal(BRANCH("alt", 4, SRSO_THUNK, 0x0f, 0xae, 0xe8, 0xe9, REL, 0x90), 0);
	assert_int_equal(WITH("alt", 0x0f, 0xae, 0xe8, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0x90), 0);
	assert_int_equal(WITH("alt", 0xeb, 7, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc), 0);
	assert_true(WITH("alt", 0xeb, 6, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc));
	assert_true(WITH("alt", 0x0f, 0xae, 0xe8, 0xc3, 0xcc, 0xcc, 0xcc, 0x90, 0x90));
	assert_int_equal(WITH("alt_empty", 0x0f, 0x1f, 0x00), 0);
	assert_true(WITH("alt_empty", 0x0f, 0x01, 0xca));
}

static void test_moved_jump(void **state)
{
	uint64_t target = offset_of("label_target");
	int8_t distance = target - (offset_of("alt_jump") + 2);

	assert_int_equal(BRANCH("alt_jump", 1, w.s->address + target, 0xe9, REL), 0);
	assert_int_equal(WITH("alt_jump", 0xeb, distance, 0xcc, 0xcc, 0xcc), 0);
	assert_int_equal(WITH("alt_jump", 0xeb, distance, 0x0f, 0x1f, 0x00), 0);
	assert_true(WITH("alt_jump", 0xeb, distance + 1, 0xcc, 0xcc, 0xcc));
	assert_true(BRANCH("alt_jump", 1, w.s->address + target + 1, 0xe9, REL));
}

static void test_direct_call(void **state)
{
	assert_int_equal(BRANCH("direct", 1, EXPORTED, 0xe8, REL, 0x90), 0);
	assert_int_equal(BRANCH("direct", 1, RETURN_THUNK, 0xe8, REL, 0x90), 0);
	assert_int_equal(WITH("direct", 0x66, 0x0f, 0x1f, 0x44, 0, 0), 0);
	assert_true(BRANCH("direct", 1, EXPORTED + 4, 0xe8, REL, 0x90));
}

static void test_retpolines(void **state)
{
	assert_int_equal(WITH("retpoline", 0x41, 0xff, 0xd3, 0x66, 0x90), 0);
	assert_int_equal(WITH("retpoline", 0x2e, 0x2e, 0x41, 0xff, 0xd3), 0);
	assert_true(WITH("retpoline", 0x3e, 0x3e, 0x41, 0xff, 0xd3));
	assert_true(WITH("retpoline", 0x41, 0xff, 0xd2, 0x66, 0x90));	/* another register */
	assert_true(WITH("retpoline", 0x41, 0xff, 0xe3, 0x66, 0x90));	/* a jump */
	assert_true(WITH("retpoline", 0x41, 0xff, 0xd3, 0xcc, 0xcc));
	assert_int_equal(BRANCH("retpoline", 1, MADE_THUNK, 0xe8, REL), 0);
	assert_true(BRANCH("retpoline", 1, EVIL, 0xe8, REL));
	assert_true(BRANCH("retpoline", 1, MADE_THUNK, 0xe9, REL));
	assert_int_equal(WITH("retpoline_jump", 0xff, 0xe0, 0xcc, 0x0f, 0x1f, 0x00), 0);
	assert_int_equal(WITH("retpoline_jump", 0x0f, 0xae, 0xe8, 0xff, 0xe0, 0xcc), 0);
	assert_int_equal(WITH("retpoline_jump", 0xff, 0xe0, 0xcc, 0xcc, 0xcc, 0xcc), 0);
	assert_int_equal(WITH("retpoline_condition", 0x75, 4, 0xff, 0xe2, 0xcc, 0xcc), 0);
	assert_true(WITH("retpoline_condition", 0x74, 4, 0xff, 0xe2, 0xcc, 0xcc));
	assert_true(WITH("retpoline_condition", 0x75, 3, 0xff, 0xe2, 0xcc, 0xcc));
}

static void test_returns(void **state)
{
	assert_int_equal(WITH("return", 0xc3, 0xcc, 0xcc, 0xcc, 0xcc), 0);
	assert_int_equal(BRANCH("return", 1, SRSO_THUNK, 0xe9, REL), 0);
	assert_true(BRANCH("return", 1, EXPORTED, 0xe9, REL));
	assert_true(WITH("return", 0xc3, 0xcc, 0xcc, 0xcc, 0x90));
	/* One that no section lists. */
	assert_true(WITH("end", 0xc3, 0xcc));
}

static void test_small_sites(void **state)
{
	assert_int_equal(WITH("endbr", 0x66, 0x0f, 0x1f, 0x00), 0);
	assert_int_equal(WITH("endbr", 0x0f, 0x1f, 0x40, 0xd6), 0);
	assert_true(WITH("endbr", 0x0f, 0x1f, 0x40, 0xd7));
	assert_int_equal(WITH("locked", 0x3e), 1);
	assert_true(WITH("locked", 0x90));
	w.text.one_cpu = true;
	assert_int_equal(WITH("locked", 0x3e), 0);
	assert_int_equal(WITH("locked", 0xf0), 0);
	assert_true(WITH("locked", 0x90));
}

static void test_labels(void **state)
{
	uint64_t target = offset_of("label_target");
	int8_t distance = target - (offset_of("label_short") + 2);

	assert_int_equal(BRANCH("label", 1, w.s->address + target, 0xe9, REL), 0);
	assert_true(BRANCH("label", 1, w.s->address + target + 1, 0xe9, REL));
	assert_true(BRANCH("label", 1, w.s->address + target, 0xe8, REL));
	assert_int_equal(WITH("label_short", 0xeb, distance), 0);
	assert_true(WITH("label_short", 0xeb, distance + 1));
}

static void test_static_calls(void **state)
{
	static const char *const labels[] = { "static_call", "static_tail" };

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(BRANCH(labels[i], 1, EXPORTED, i ? 0xe9 : 0xe8, REL), 0);
		assert_int_equal(BRANCH(labels[i], 1, RETURN_THUNK, 0xe9, REL), 0);
		assert_int_equal(WITH(labels[i], 0x0f, 0x1f, 0x44, 0, 0), 0);
		assert_int_equal(WITH(labels[i], 0xc3, 0xcc, 0xcc, 0xcc, 0xcc), 0);
		assert_int_equal(WITH(labels[i], 0x2e, 0x2e, 0x2e, 0x31, 0xc0), 0);
		assert_true(BRANCH(labels[i], 1, EVIL, i ? 0xe9 : 0xe8, REL));
		assert_true(BRANCH(labels[i], 1, EXPORTED + 1, i ? 0xe9 : 0xe8, REL));
		/* A trampoline is of the kernel's making, but no function. */
		assert_true(BRANCH(labels[i], 1, TRAMPOLINE, i ? 0xe9 : 0xe8, REL));
	}
	assert_int_equal(WITH("static_warning", 0x67, 0x48, 0x0f, 0xb9, 0x3a), 0);
	assert_true(WITH("static_call", 0x67, 0x48, 0x0f, 0xb9, 0x3a));
	assert_int_equal(BRANCH("paravirt", 1, EXPORTED, 0xe8, REL, 0x90), 0);
	assert_true(BRANCH("paravirt", 1, EVIL, 0xe8, REL, 0x90));
}

static void test_kprobes(void **state)
{
	uint64_t at = w.s->address + offset_of("alt_next");
	struct kprobe probes[] = { { at, false } };

	assert_true(WITH("alt_next", 0xcc));
	w.text.kprobes = probes;
	w.text.nkprobes = 1;
	assert_int_equal(WITH("alt_next", 0xcc), 0);
	assert_int_equal(w.text.kprobes_met, 1);
	assert_true(WITH("plain", 0xcc));
	assert_true(BRANCH("alt_next", 1, SLOTS + 64, 0xe9, REL));
	probes[0].optimized = true;
	assert_int_equal(BRANCH("alt_next", 1, SLOTS + 64, 0xe9, REL), 0);
	assert_true(BRANCH("alt_next", 1, EVIL, 0xe9, REL));
}

static void test_old_alternatives(void **state)
{
	close_world();
	open_world(1);
	assert_int_equal(differences(), 0);
	assert_int_equal(BRANCH("alt", 1, EXPORTED, 0xe8, REL, 0x0f, 0x1f, 0x40, 0), 0);
	assert_true(BRANCH("alt", 1, EVIL, 0xe8, REL, 0x0f, 0x1f, 0x40, 0));
	/* Without flags there is no such variant. */
	assert_true(BRANCH("direct", 1, RETURN_THUNK, 0xe8, REL, 0x90));
}

/* The list of symbols, with a line before it. */
static void list_symbols(const char *line, const char *list)
{
	char *names = malloc(strlen(line) + strlen(list) + 1);

	strcpy(names, line);
	strcat(names, list);
	symbols_free(&w.symbols);
	assert_true(symbols_read(&w.symbols, names, strlen(names)));
	free(w.names);
	w.names = names;
}

static void test_two_of_one_name(void **state)
{
	list_symbols("ffffffff81000f00 T exported_function\n", kallsyms);
	assert_int_equal(differences(), 0);
}

/* A symbol of the same name in a module that this one does not depend on. */
static void test_foreign_module(void **state)
{
	static const char *const own[] = { "test_help", "test_helper_", "test", "helper", "license", "" };

	assert_true(image_depends_on(&w.image, "test_helper"));
	assert_true(image_depends_on(&w.image, "irqbypass"));
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		assert_false(image_depends_on(&w.image, own[i]));
	assert_int_equal(BRANCH("outside", 1, FOREIGN, 0xe8, REL), 1);
	assert_int_equal(BRANCH("helped", 1, FOREIGN, 0xe8, REL), 1);
}

/* Nothing else has one: a difference too. */
static void test_foreign_alone(void **state)
{
	char *list = strdup(kallsyms), *own = strstr(list, "ffffffffc0700000");

	memmove(own, strchr(own, '\n') + 1, strlen(strchr(own, '\n')));
	list_symbols("", list);
	assert_int_equal(BRANCH("helped", 1, FOREIGN, 0xe8, REL), 1);
	free(list);
}

/* ---- lies ---- */

static void run_all(uint8_t *bytes, size_t size)
{
	struct text text = { .symbols = &w.symbols, .module = "test", .read = read_live };
	struct image image;

	if (image_open(&image, bytes, size)) {
		text.image = &image;
		for (size_t i = 1; i < image.nsections; i++) {
			image.sections[i].placed = true;
			image.sections[i].address = w.s->address;
		}
		if (sites_find(&text))
			for (size_t i = 1; i < image.nsections; i++)
				if (image_is_text(&image.sections[i]))
					text_compare(&text, &image.sections[i], image.sections[i].bytes);
		free(text.sites);
	}
	image_close(&image);
}

static void test_truncated(void **state)
{
	uint8_t *copy;

	for (size_t n = 0; n < w.file.size; n += n < 256 ? 1 : 61) {
		copy = malloc(n + 1);
		memcpy(copy, w.file.bytes, n);
		run_all(copy, n);
		free(copy);
	}
}

static void test_lying(void **state)
{
	uint8_t *copy = malloc(w.file.size);

	srand(1);
	for (unsigned round = 0; round < 3000; round++) {
		memcpy(copy, w.file.bytes, w.file.size);
		for (unsigned i = 0; i < 4; i++)
			copy[rand() % w.file.size] = rand();
		run_all(copy, w.file.size);
	}
	free(copy);
}

static void test_no_symbol(void **state)
{
	symbols_free(&w.symbols);
	strcpy(w.names, "ffffffff81000000 T __fentry__\n");
	assert_true(symbols_read(&w.symbols, w.names, strlen(w.names)));
	assert_false(text_compare(&w.text, w.s, w.live));
	assert_non_null(strstr(w.text.why, "the kernel shows no symbol"));
}

static void test_hidden_symbols(void **state)
{
	char hidden[] = "0000000000000000 T __fentry__\n", broken[] = "12 T x\n", empty[] = "";
	struct symbols s;

	assert_false(symbols_read(&s, hidden, strlen(hidden)));
	assert_false(symbols_read(&s, broken, strlen(broken)));
	assert_false(symbols_read(&s, empty, 0));
}

static void test_names_of_modules(void **state)
{
	char text[] = "ffffffffc0100000 t f\t[bpf]x]\nffffffffc0100010 t g\t[bpf]\n";
	char open[] = "ffffffffc0100000 t f\t[bpf]x\n", bare[] = "ffffffffc0100000 t f\t[]\n";
	struct symbols s;

	assert_true(symbols_read(&s, text, strlen(text)));
	assert_non_null(symbols_named(&s, "f", "bpf]x", NULL));
	assert_non_null(symbols_named(&s, "g", "bpf", NULL));
	symbols_free(&s);
	assert_false(symbols_read(&s, open, strlen(open)));
	assert_false(symbols_read(&s, bare, strlen(bare)));
}

/* A module's symbol "x\nffffffffc0900000 T exported_function\nffffffffc0900000 t y". */
static void test_newline_in_name(void **state)
{
	static const char *const lines[] = {
		"ffffffff81000000 T __fentry__\nffffffffc0900000 t x\t[evil]\n"
		"ffffffffc0900000 T exported_function\nffffffffc0900000 t y\t[evil]\n",
		"ffffffffc0900000 t x\t[evil]\nffffffffc0900000 t bpf_trampoline_1\t[bpf]\n"
		"ffffffffc0900000 t y\t[evil]\n",
		"ffffffffc0900000 t f\t[bpf]\nffffffffc0900000 T g\n",
	};
	struct symbols s;

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		autofree char *text = strdup(lines[i]);

		assert_false(symbols_read(&s, text, strlen(text)));
	}
}

/* ---- files ---- */

static void test_packed(void **state)
{
	size_t room = w.file.size * 2 + 1024, size = 0, got;
	autofree uint8_t *xz = malloc(room), *zst = malloc(room), *out = NULL;
	const char *why;

	assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, w.file.bytes, w.file.size,
						 xz, &size, room), LZMA_OK);
	out = unpack(xz, size, IMAGE_MAX_BYTES, &got, &why);
	assert_non_null(out);
	assert_int_equal(got, w.file.size);
	assert_memory_equal(out, w.file.bytes, got);
	assert_null(unpack(xz, size / 2, IMAGE_MAX_BYTES, &got, &why));
	assert_null(unpack(xz, size, w.file.size - 1, &got, &why));
	free(out);
	size = ZSTD_compress(zst, room, w.file.bytes, w.file.size, 3);
	out = unpack(zst, size, IMAGE_MAX_BYTES, &got, &why);
	assert_non_null(out);
	assert_int_equal(got, w.file.size);
	assert_memory_equal(out, w.file.bytes, got);
	assert_null(unpack(zst, size / 2, IMAGE_MAX_BYTES, &got, &why));
	assert_null(unpack(zst, size, w.file.size - 1, &got, &why));
}

static void test_another_build(void **state)
{
	static struct module m;
	struct image image;
	uint8_t *bytes;

	m.file = open(objects[0], O_RDONLY);
	m.build_id_len = 20;
	memset(m.build_id, 0xab, 20);
	assert_true(module_open(&m, &image, &bytes));
	image_close(&image);
	free(bytes);
	lseek(m.file, 0, SEEK_SET);
	m.build_id[19] = 0xac;
	assert_false(module_open(&m, &image, &bytes));
	assert_string_equal(m.why, "not checked: file is of another build");
	image_close(&image);
	free(bytes);
	close(m.file);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_as_linked), T(test_constants), T(test_each_byte), T(test_exact), T(test_fentry),
		T(test_alternatives), T(test_moved_jump), T(test_direct_call), T(test_retpolines),
		T(test_returns), T(test_small_sites), T(test_labels), T(test_static_calls),
		T(test_kprobes), T(test_old_alternatives), T(test_two_of_one_name), T(test_foreign_module),
		T(test_foreign_alone), T(test_truncated), T(test_lying), T(test_no_symbol),
		T(test_hidden_symbols), T(test_names_of_modules), T(test_newline_in_name),
		T(test_packed), T(test_another_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

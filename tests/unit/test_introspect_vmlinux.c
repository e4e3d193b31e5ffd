// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel's file, and memory held to it: tests/vmlinux_image.h makes both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <lz4.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "../vmlinux_image.h"
#include "introspect/bzimage.h"
#include "introspect/kernelfiles.h"
#include "introspect/vmlinux.h"
#include "lib/util.h"
#include "text/unpack.h"

#define SLIDE 0x1e000000ull
#define TRACER 0xffffffffc0700000ull
#define PROBE_SLOT 0xffffffffc0800000ull
#define MODULE 0xffffffffc0900000ull
#define PAGES(part) (((part) == VMLINUX_TEXT ? V_ETEXT - V_TEXT : V_END_RODATA - V_RODATA) / 4096 + 1)
#define RELEASE "6.12.99-amd64"

static struct {
	struct vmlinux *v;
	char why[VMLINUX_WHY];
	uint8_t *memory;		/* of the part */
	enum vmlinux_part part;
	bool present[512];
	uint8_t lines[32768], first[32768];
	struct vmlinux_probe probe;
} w;

static bool on_read(void *ctx, uint64_t va, void *out, size_t n)
{
	static const uint8_t thunk[] = { 0x41, 0xff, 0xe3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };

	if (va != MODULE || n > sizeof(thunk))
		return false;
	memcpy(out, thunk, n);
	return true;
}

static bool on_leads(void *ctx, enum vmlinux_lead lead, uint64_t to)
{
	return (lead == VMLINUX_TRACER && to == TRACER) || (lead == VMLINUX_ENDING && to == TRACER + 4096) ||
	       (lead == VMLINUX_PROBE && to == PROBE_SLOT) || (lead == VMLINUX_FUNCTION && to == MODULE);
}

static struct vmlinux *open_bytes(void)
{
	uint8_t *bytes = malloc(v_size);

	memcpy(bytes, v_bytes, v_size);
	return vmlinux_open(bytes, v_size, w.why);
}

static void load(enum vmlinux_part part)
{
	w.v = open_bytes();
	if (!w.v || !vmlinux_place(w.v, V_TEXT + SLIDE, w.why))
		fail_msg("%s", w.why);
	w.part = part;
	w.memory = calloc(PAGES(part), 4096);
	for (size_t at = 0; at < PAGES(part) * 4096; at += 16)
		vmlinux_bytes(w.v, (part == VMLINUX_TEXT ? V_TEXT : V_RODATA) + SLIDE + at, w.memory + at, 16);
	memset(w.present, true, sizeof(w.present));
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	v_build();
	return 0;
}

static int teardown(void **state)
{
	vmlinux_free(w.v);
	free(w.memory);
	return 0;
}

/* How many lines are so; *ret: the last of them. */
static unsigned count(enum line_holds what, unsigned *ret)
{
	const struct vmlinux_guest guest = { on_read, on_leads, NULL, &w.probe, w.probe.va != 0 };
	uint64_t start, end;
	unsigned n = 0;

	vmlinux_range(w.v, w.part, &start, &end);
	assert_true(vmlinux_compare(w.v, w.part, &guest, w.memory, w.present, w.lines, w.first));
	for (uint64_t i = 0; i < (end - start + VMLINUX_LINE - 1) / VMLINUX_LINE; i++) {
		n += w.lines[i] == what;
		if (w.lines[i] == what && ret)
			*ret = i;
	}
	return n;
}

static void assert_same(const char *what)
{
	if (count(LINE_OTHER, NULL) || count(LINE_PATCHING, NULL))
		fail_msg("%s is a difference", what);
}

static void assert_other(enum place at, const char *what)
{
	unsigned line = 0;

	if (count(LINE_OTHER, &line) != 1 || line != at / VMLINUX_LINE)
		fail_msg("%s is no difference", what);
}

static void put(enum place at, const void *bytes, size_t n)
{
	memcpy(w.memory + at, bytes, n);
}

static void branch(enum place at, uint8_t opcode, uint64_t to)
{
	uint32_t distance = to - (V_TEXT + SLIDE + at + 5);

	w.memory[at] = opcode;
	memcpy(w.memory + at + 1, &distance, 4);
}

static const uint64_t base = V_TEXT + SLIDE;

/* ---- the file ---- */

static void a_file_is_laid_out_for_its_guest(void **state)
{
	const uint8_t *id;
	uint64_t start, end, pointer;
	uint32_t absolute;
	char name[64];

	load(VMLINUX_TEXT);
	assert_int_equal(vmlinux_build_id(w.v, &id), V_ID_SIZE);
	assert_int_equal(id[0], 0xab);
	vmlinux_range(w.v, VMLINUX_TEXT, &start, &end);
	assert_int_equal(start, base);
	assert_int_equal(end, V_ETEXT + SLIDE);
	assert_int_equal(vmlinux_bytes(w.v, V_RODATA + SLIDE + P_POINTER, (uint8_t *)&pointer, 8), 8);
	assert_int_equal(pointer, base + P_FUNCTION);
	assert_int_equal(vmlinux_bytes(w.v, base + P_ABSOLUTE, (uint8_t *)&absolute, 4), 4);
	assert_int_equal(absolute, (uint32_t)(V_RODATA + SLIDE + 16));
	vmlinux_name(w.v, base + P_FUNCTION + 3, name, sizeof(name));
	assert_string_equal(name, "function+0x3");
	assert_same("what is as in the file");
}

static void what_is_no_kernel_is_refused(void **state)
{
	static const struct {
		size_t at, n;
		uint64_t value;
		const char *why;
	} broken[] = {
		{ 0, 4, 0, "no ELF file" }, { 16, 2, ET_REL, "no kernel" }, { 0x810 - 16, 4, 0, "no BUILD-ID" },
		{ 0x804, 4, 500, "no BUILD-ID" }, { 0x28, 8, 1ull << 60, "ELF" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		v_build();
		v_put(broken[i].at, broken[i].value, broken[i].n);
		assert_null(open_bytes());
		if (i != ARRAY_SIZE(broken) - 1 && !strstr(w.why, broken[i].why))
			fail_msg("%s: %s", broken[i].why, w.why);
		assert_true(w.why[0]);
	}
}

static void expect_no_place(const char *why)
{
	w.v = open_bytes();
	if (!w.v)
		fail_msg("%s", w.why);
	assert_false(vmlinux_place(w.v, base, w.why));
	if (!strstr(w.why, why))
		fail_msg("%s: %s", why, w.why);
	vmlinux_free(w.v);
	w.v = NULL;
}

static void malformed_tables_are_refused(void **state)
{
	v_put(v_size - 4, 0x1000, 4);
	expect_no_place("relocations are malformed");
	v_build();
	v_size -= 24;
	expect_no_place("no relocations");
	v_build();
	v_put(v_size - 24, (uint32_t)V_TEXT, 4);
	expect_no_place("relocations are malformed");
	v_build();
	v_put(v_init_at + P_RETURNS, 0x70000000, 4);
	expect_no_place(".return_sites");
	v_build();
	v_put(v_init_at + P_ALTS + 4, 0x70000000, 4);
	expect_no_place(".altinstructions");
	v_build();
	memset(v_bytes + v_rodata_at + 65536, 0, KALLSYMS_IMAGE - 65536);
	expect_no_place("kallsyms");
	v_build();
	memcpy(memmem(v_bytes + 0x400, 0x200, ".smp_locks", 10), ".cfi_sites", 10);
	expect_no_place("CFI");
}

/* ---- code ---- */

static void what_the_kernel_makes_of_its_code_is_legal(void **state)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0, 0 }, nop4[] = { 0x0f, 0x1f, 0x40, 0 };
	static const uint8_t ret[] = { 0xc3, 0xcc, 0xcc, 0xcc, 0xcc }, nop8[] = { 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 };
	static const uint8_t call[] = { 0x41, 0xff, 0xd3, 0x66, 0x90 };
	const uint64_t value = 0xffff888000123456;

	load(VMLINUX_TEXT);
	put(P_FENTRY, nop5, 5);
	put(P_RETURN, ret, 5);
	put(P_RETPOLINE, call, 5);
	put(P_LOCK, "\x3e", 1);
	branch(P_LABEL, 0xe9, base + P_NEAR);
	put(P_CONSTANT, &value, 8);
	put(P_CONSTANT_2, &value, 8);
	branch(P_ALT, 0xe8, base + P_FUNCTION);
	put(P_ALT + 5, "\x0f\x1f\x00", 3);
	branch(P_ALT_JUMP, 0xe9, base + P_NEAR);
	branch(P_CALL, 0xe8, base + P_FUNCTION);
	branch(P_SCT, 0xe9, MODULE);
	assert_same("what a kernel does at its start");
	branch(P_FENTRY, 0xe8, TRACER);
	put(P_CALL, nop5, 5);
	put(P_SCT, ret, 5);
	put(P_LABEL, nop5, 5);
	branch(P_RETPOLINE, 0xe8, MODULE);
	assert_same("what it does later");
	put(P_ALT, nop8, 8);
	put(P_ALT_JUMP, "\xeb\x2e", 2);
	put(P_ALT_JUMP + 2, "\x0f\x1f\x00", 3);
	assert_other(P_ALT, "no-ops that no alternative has");
	put(P_ALT, "\x0f\x01\xf8", 3);
	put(P_ALT + 3, nop5, 5);
	assert_same("the original, its no-ops joined");
	put(P_ALT + 3, nop4, 4);
	put(P_ALT + 7, "\x90", 1);
	assert_same("the same in two");
}

static void all_else_is_a_difference(void **state)
{
	static const enum place branches[] = { P_FENTRY, P_LABEL, P_CALL, P_SCT, P_RETURN, P_RETPOLINE, P_ALT,
					       P_ALT_JUMP };
	uint64_t value = 1;

	for (size_t i = 0; i < ARRAY_SIZE(branches); i++) {
		uint8_t before[8];

		if (!i)
			load(VMLINUX_TEXT);
		memcpy(before, w.memory + branches[i], 8);
		branch(branches[i], 0xe8, base + 0x1234);
		assert_other(branches[i], "a call to the middle of nowhere");
		branch(branches[i], 0xe9, PROBE_SLOT);
		assert_other(branches[i], "a jump to a probe's slot");
		put(branches[i], before, 8);
		assert_same("what was put back");
	}
	w.memory[0x1000] ^= 1;
	assert_other(0x1000, "a bit where nothing is patched");
	w.memory[0x1000] ^= 1;
	w.memory[V_ETEXT - V_TEXT - 1] ^= 1;
	assert_other(V_ETEXT - V_TEXT - 1, "the very last byte");
	assert_int_equal(w.first[(V_ETEXT - V_TEXT - 1) / 64], (V_ETEXT - V_TEXT - 1) % 64);
	w.memory[V_ETEXT - V_TEXT - 1] ^= 1;
	w.memory[V_ETEXT - V_TEXT] ^= 1;
	assert_same("what is behind the end");
	put(P_CONSTANT, &value, 8);
	value = 2;
	put(P_CONSTANT_2, &value, 8);
	assert_other(P_CONSTANT_2, "a constant that is not the same everywhere");
}

static void a_patch_under_way_is_none(void **state)
{
	load(VMLINUX_TEXT);
	w.memory[P_FENTRY] = 0xcc;
	memset(w.memory + P_FENTRY + 1, 0x11, 4);
	assert_int_equal(count(LINE_PATCHING, NULL), 1);
	assert_int_equal(count(LINE_OTHER, NULL), 0);
	w.memory[P_FENTRY + 5] ^= 1;
	assert_other(P_FENTRY, "a change beside it");
	w.memory[P_FENTRY + 5] ^= 1;
	branch(P_FENTRY, 0xe8, TRACER + 4096);
	assert_int_equal(count(LINE_PATCHING, NULL), 1);
	branch(P_FENTRY, 0xe8, TRACER);
	w.memory[0x1800] = 0xcc;
	assert_other(0x1800, "a breakpoint where nothing is patched");
	w.probe.va = base + 0x1800;
	assert_same("a probe that the kernel lists");
	branch(0x1800, 0xe9, PROBE_SLOT);
	assert_same("the same as a jump");
	branch(0x1800, 0xe9, MODULE);
	assert_other(0x1800, "a jump elsewhere");
}

static void what_is_not_there_is_not_seen(void **state)
{
	load(VMLINUX_TEXT);
	w.present[1] = false;
	memset(w.memory + 4096, 0, 4096);
	assert_int_equal(count(LINE_OTHER, NULL), 0);
	assert_int_equal(count(LINE_UNSEEN, NULL), 66);
}

/* ---- read-only data ---- */

static void read_only_data_is_compared(void **state)
{
	load(VMLINUX_RODATA);
	assert_same("what is as in the file");
	w.memory[0x10] ^= 1;
	assert_other(0x10, "a bit of it");
	w.memory[0x10] ^= 1;
	memset(w.memory + 0x1000, 0x77, V_LATE_SIZE);
	assert_same("what is written until it is up");
	w.memory[0x0fff] ^= 1;
	assert_other(0x0fff, "the byte before that");
	w.memory[0x0fff] ^= 1;
	w.memory[0x2000] ^= 1;
	assert_other(0x2000, "the byte behind it");
	w.memory[0x2000] ^= 1;
	w.memory[V_NOTES - V_RODATA + 4] ^= 1;
	assert_other(V_NOTES - V_RODATA, "a note");
}

/* ---- files ---- */

static uint8_t *bzimage(const uint8_t *payload, size_t size, size_t *ret_size)
{
	const size_t setup = 5 * 512;
	uint8_t *b = calloc(1, setup + 64 + size);

	b[0x1f1] = 4;
	memcpy(b + 0x202, "HdrS\x0f\x02", 6);
	memcpy(b + 0x20e, &(uint16_t){ 0x600 }, 2);
	strcpy((char *)b + 0x800, RELEASE " (someone) #1 SMP");
	memcpy(b + 0x248, &(uint32_t){ 64 }, 4);
	memcpy(b + 0x24c, &(uint32_t){ size }, 4);
	memcpy(b + setup + 64, payload, size);
	*ret_size = setup + 64 + size;
	return b;
}

static void assert_parses(const uint8_t *payload, size_t size, const char *what)
{
	size_t n;
	uint8_t *b = bzimage(payload, size, &n);
	struct vmlinux *v = kernel_file_parse(b, n, w.why), *cut;

	if (!v)
		fail_msg("%s: %s", what, w.why);
	vmlinux_free(v);
	memcpy(b + 0x24c, &(uint32_t){ size / 2 }, 4);
	cut = kernel_file_parse(b, n, w.why);
	assert_null(cut);
	free(b);
}

static void each_way_to_pack_is_known(void **state)
{
	size_t room = compressBound(v_size) + 1024, n = v_size;
	uint8_t *packed = malloc(room);
	z_stream z = { .next_in = v_bytes, .avail_in = v_size, .next_out = packed, .avail_out = room };
	int block;

	assert_parses(v_bytes, v_size, "plain");
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 9, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_parses(packed, z.total_out, "gzip");
	deflateEnd(&z);
	n = ZSTD_compress(packed, room, v_bytes, v_size, 3);
	memcpy(packed + n, &(uint32_t){ v_size }, 4);
	assert_parses(packed, n + 4, "zstd");
	block = LZ4_compress_default((char *)v_bytes, (char *)packed + 8, v_size, room - 8);
	memcpy(packed, "\x02\x21\x4c\x18", 4);
	memcpy(packed + 4, &(uint32_t){ block }, 4);
	memcpy(packed + 8 + block, &(uint32_t){ v_size }, 4);
	assert_parses(packed, 12 + block, "lz4");
	memcpy(packed + 8 + block, &(uint32_t){ v_size - 1 }, 4);
	{
		size_t size;
		const char *why = NULL;

		assert_null(unpack(packed, 12 + block, v_size, &size, &why));
		assert_non_null(why);
	}
	free(packed);
}

/* 64 MiB of zeros in a few bytes, where 1 MiB is the limit. */
static void what_unfolds_too_far_is_refused(void **state)
{
	const size_t huge = 64 << 20, room = 1 << 20;
	uint8_t *zeros = calloc(1, huge), *packed = malloc(room);
	z_stream z = { .next_in = zeros, .avail_in = huge, .next_out = packed, .avail_out = room };
	const char *why = NULL;
	size_t size, n = ZSTD_compress(packed, room, zeros, huge, 3);

	assert_null(unpack(packed, n, 1 << 20, &size, &why));
	assert_string_equal(why, "it cannot be unpacked, or is too large");
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 9, 0), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_null(unpack(packed, z.total_out, 1 << 20, &size, &why));
	deflateEnd(&z);
	free(zeros);
	free(packed);
}

static void write_file(const char *folder, const char *name, const uint8_t *bytes, size_t size)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

static enum kernel_file_search search(const struct kernel_files *files, const char *release, uint8_t id_byte,
				      const char **name)
{
	uint8_t id[V_ID_SIZE];
	const struct kernel_wanted wanted = { release, id, sizeof(id) };
	struct vmlinux *v;
	enum kernel_file_search r;

	memset(id, id_byte, sizeof(id));
	*name = "";
	r = kernel_files_find(files, &wanted, false, &v, name, w.why);
	assert_int_equal(r == KERNEL_FILE_FOUND, v != NULL);
	vmlinux_free(v);
	kernel_files_done(files);
	return r;
}

static void files_are_found_by_their_build(void **state)
{
	char folder[] = "/tmp/warden-kernels-XXXXXX", command[300];
	static struct kernel_files files;
	size_t n;
	uint8_t *b = bzimage(v_bytes, v_size, &n);
	const char *name;

	assert_non_null(mkdtemp(folder));
	write_file(folder, "README", (const uint8_t *)"none", 4);
	write_file(folder, "empty", b, 0);
	write_file(folder, "vmlinux", v_bytes, v_size);
	assert_int_equal(kernel_files_open(&files, folder), 0);
	assert_int_equal(files.n, 3);
	assert_int_equal(search(&files, RELEASE, 0xab, &name), KERNEL_FILE_FOUND);
	assert_string_equal(name, "vmlinux");
	assert_int_equal(search(&files, RELEASE, 0xac, &name), KERNEL_FILE_NONE);
	write_file(folder, "vmlinux", b, 0);
	write_file(folder, "vmlinuz", b, n);
	assert_int_equal(kernel_files_open(&files, folder), 0);
	assert_int_equal(search(&files, RELEASE " (x)", 0xab, &name), KERNEL_FILE_FOUND);
	assert_string_equal(name, "vmlinuz");
	assert_int_equal(search(&files, RELEASE, 0xac, &name), KERNEL_FILE_NONE);
	assert_int_equal(search(&files, "6.12.99", 0xab, &name), KERNEL_FILE_NONE);
	assert_int_equal(search(&files, "", 0xab, &name), KERNEL_FILE_NONE);
	write_file(folder, "vmlinuz", b, n / 2);
	assert_int_equal(search(&files, RELEASE, 0xab, &name), KERNEL_FILE_BROKEN);
	assert_string_equal(name, "vmlinuz");
	assert_int_equal(kernel_files_open(&files, "/nonexistent/kernels"), -ENOENT);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
	free(b);
}

static void a_version_is_read_within_bounds(void **state)
{
	char version[BZIMAGE_VERSION];
	size_t n, offset, length;
	uint8_t *b = bzimage(v_bytes, 1000, &n);

	assert_true(bzimage_version(b, n, version));
	assert_string_equal(version, RELEASE " (someone) #1 SMP");
	assert_true(bzimage_payload(b, n, &offset, &length));
	for (size_t cut = 0; cut < 0x800 + sizeof(RELEASE " (someone) #1 SMP"); cut++)
		assert_false(bzimage_version(b, cut, version));
	assert_false(bzimage_payload(b, n - 1, &offset, &length));
	memcpy(b + 0x248, &(uint32_t){ UINT32_MAX }, 4);
	assert_false(bzimage_payload(b, n, &offset, &length));
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_file_is_laid_out_for_its_guest), T(what_is_no_kernel_is_refused),
		T(malformed_tables_are_refused), T(what_the_kernel_makes_of_its_code_is_legal),
		T(all_else_is_a_difference), T(a_patch_under_way_is_none), T(what_is_not_there_is_not_seen),
		T(read_only_data_is_compared), T(each_way_to_pack_is_known), T(what_unfolds_too_far_is_refused),
		T(files_are_found_by_their_build), T(a_version_is_read_within_bounds),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

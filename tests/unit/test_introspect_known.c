// SPDX-License-Identifier: GPL-2.0-or-later
/* A kernel seen before: known by its tables alone, wherever it lies, and never by half. */
#include "test_introspect_guest.h"

#include <sodium.h>

#include "introspect/known.h"

#define PML4 0x80000u
#define TEXT 0xffffffff81000000ull
#define OTHER_TEXT 0xffffffffa4000000ull	/* the same, after another boot */
#define RODATA (2ull << 20)			/* from the text on */
#define RODATA_PA (4u << 20)
#define BTF_AT 0x2000u
#define BTF_LEN 0x3000u
#define NAMES_AT 0x8000u
#define INDEX_AT 0xa000u
#define OFFSETS_AT 0xb000u
#define NSYMS 500u

static struct image_map map;

static void map_at(uint64_t va, uint64_t pa, uint64_t flags)
{
	put64(PML4 + 511 * 8, (PML4 + 0x2000) | PRESENT_RW);
	put64(PML4 + 0x2000 + 510 * 8, (PML4 + 0x3000) | PRESENT_RW);
	put64(PML4 + 0x3000 + (va >> 21 & 511) * 8, pa | flags | PTE_PRESENT | PTE_LARGE);
}

/* The image at text, its layout read anew. */
static void boot(uint64_t text)
{
	memset(ram + PML4, 0, 0x4000);
	map_at(text, 2u << 20, 0);
	map_at(text + RODATA, RODATA_PA, PTE_NX);
	memory_refresh(&mem);
	memset(&k.symbol, 0, sizeof(k.symbol));
	k.as.root = PML4;
	k.text_base = text;
	image_map_free(&map);
	assert_int_equal(image_map_read(&k.as, &map), 0);
}

static int setup(void **state)
{
	struct known_image image = { ram + RODATA_PA, TEXT + RODATA, 2u << 20 };

	guest_setup(state);
	known_forget();
	for (uint32_t i = 0; i < 0x10000; i++)
		ram[RODATA_PA + i] = i * 37 >> 3;
	boot(TEXT);
	k.btf_va = TEXT + RODATA + BTF_AT;
	k.kallsyms = (struct kallsyms){
		.token_index = INDEX_AT, .names = NAMES_AT, .offsets = OFFSETS_AT, .nsyms = NSYMS,
		.layout = "relative", .relative_base = TEXT,
	};
	k.symbol[SYM_INIT_TASK].address = TEXT + 0x1234;
	k.symbol[SYM_TK_CORE].address = 0x40;	/* absolute */
	k.at.task_struct_pid.at = 4711;
	known_add(&k, &image, BTF_LEN);
	k.at.task_struct_pid.at = 0;
	return 0;
}

static int teardown(void **state)
{
	image_map_free(&map);
	return guest_teardown(state);
}

static void test_known_at_another_place(void **state)
{
	boot(OTHER_TEXT);
	k.kallsyms.relative_base = 0;
	assert_true(known_find(&k, &map));
	assert_int_equal(k.at.task_struct_pid.at, 4711);
	assert_int_equal(k.symbol[SYM_INIT_TASK].address, OTHER_TEXT + 0x1234);
	assert_int_equal(k.symbol[SYM_TK_CORE].address, 0x40);
	assert_int_equal(k.symbol[SYM_MAX_PFN].address, 0);
	assert_int_equal(k.btf_va, OTHER_TEXT + RODATA + BTF_AT);
	assert_int_equal(k.kallsyms.relative_base, OTHER_TEXT);
	assert_int_equal(k.symbols_start, OTHER_TEXT + RODATA);
	assert_int_equal(k.rodata_end, OTHER_TEXT + 2 * RODATA);
}

/* Each table counts, to its last byte; what lies between them does not. */
static void test_every_byte_of_the_tables(void **state)
{
	static const uint32_t in[] = {
		BTF_AT, BTF_AT + BTF_LEN - 1, NAMES_AT, INDEX_AT + 511, OFFSETS_AT,
		OFFSETS_AT + 4 * NSYMS - 1,
	};
	static const uint32_t out[] = { 0, BTF_AT + BTF_LEN, NAMES_AT - 1, INDEX_AT + 512,
					OFFSETS_AT + 4 * NSYMS };

	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		ram[RODATA_PA + in[i]] ^= 1;
		boot(OTHER_TEXT);
		assert_false(known_find(&k, &map));
		ram[RODATA_PA + in[i]] ^= 1;
	}
	for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++) {
		ram[RODATA_PA + out[i]] ^= 1;
		boot(OTHER_TEXT);
		assert_true(known_find(&k, &map));
	}
}

/* What the guest can write is no kernel's read-only data. */
static void test_rights(void **state)
{
	boot(OTHER_TEXT);
	map_at(OTHER_TEXT + RODATA, RODATA_PA, PTE_NX | PTE_WRITE);
	memory_refresh(&mem);
	image_map_free(&map);
	assert_int_equal(image_map_read(&k.as, &map), 0);
	assert_false(known_find(&k, &map));
}

static void test_forgotten(void **state)
{
	known_forget();
	boot(TEXT);
	assert_false(known_find(&k, &map));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_known_at_another_place), T(test_every_byte_of_the_tables), T(test_rights),
		T(test_forgotten),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Page-table walks, honest and hostile. */
#include "test_introspect_guest.h"

#define ROOT 0x40000u

static void link4(uint64_t va, uint64_t pa, uint64_t flags)
{
	put64(ROOT + (va >> 39 & 511) * 8, (ROOT + 0x1000) | PRESENT_RW | PTE_USER);
	put64(ROOT + 0x1000 + (va >> 30 & 511) * 8, (ROOT + 0x2000) | PRESENT_RW | PTE_USER);
	put64(ROOT + 0x2000 + (va >> 21 & 511) * 8, (ROOT + 0x3000) | PRESENT_RW | PTE_USER);
	put64(ROOT + 0x3000 + (va >> 12 & 511) * 8, pa | flags);
}

static struct address_space space(unsigned levels)
{
	return (struct address_space){ &mem, NULL, ROOT, levels };
}

static void test_small_page(void **state)
{
	struct address_space as = space(4);
	uint64_t pa;

	link4(0x7f1234567000, 0x55000, PRESENT_RW);
	assert_int_equal(virt_to_phys(&as, 0x7f1234567abc, &pa), 0);
	assert_int_equal(pa, 0x55abc);
	assert_int_equal(virt_to_phys(&as, 0x7f1234568000, &pa), -EFAULT);
	assert_int_equal(virt_to_phys(&as, 0x800000000000, &pa), -EFAULT);
}

static void test_large_pages(void **state)
{
	uint64_t pa;

	assert_int_equal(virt_to_phys(&k.as, DIRECT + 0x345678, &pa), 0);
	assert_int_equal(pa, 0x345678);
	/* A 1 GiB page; address bits below its size are not part of it. */
	put64(0x2000 + 8, 0x40000000ull | 0x2000 | PRESENT_RW | PTE_LARGE);
	memory_refresh(&mem);
	assert_int_equal(virt_to_phys(&k.as, DIRECT + 0x40001234, &pa), 0);
	assert_int_equal(pa, 0x40001234);
}

static void test_five_levels(void **state)
{
	struct address_space as = space(5);
	uint64_t va = 0xff11000000000000ull, pa;

	put64(ROOT + (va >> 48 & 511) * 8, 0x1000 | PRESENT_RW);
	put64(0x1000 + (va >> 39 & 511) * 8, 0x2000 | PRESENT_RW);
	assert_int_equal(virt_to_phys(&as, va + 0x12345, &pa), 0);
	assert_int_equal(pa, 0x12345);
	as.levels = 4;
	assert_int_equal(virt_to_phys(&as, va, &pa), -EFAULT);
}

static void test_tlb_follows_refresh(void **state)
{
	uint64_t pa;

	assert_int_equal(virt_to_phys(&k.as, DIRECT, &pa), 0);
	put64(0x3000, 0x200000 | PRESENT_RW | PTE_LARGE);
	assert_int_equal(virt_to_phys(&k.as, DIRECT, &pa), 0);
	assert_int_equal(pa, 0);
	memory_refresh(&mem);
	assert_int_equal(virt_to_phys(&k.as, DIRECT, &pa), 0);
	assert_int_equal(pa, 0x200000);
}

static void test_text(void **state)
{
	char out[8];

	memcpy(ram + 0x50ffd, "abcdefghij", 11);
	assert_int_equal(virt_read_text(&k.as, DIRECT + 0x50ffd, out, sizeof(out)), 7);
	assert_string_equal(out, "abcdefg");
	memcpy(ram + 0x50ffd, "abcd\0", 5);
	memory_refresh(&mem);
	assert_int_equal(virt_read_text(&k.as, DIRECT + 0x50ffd, out, sizeof(out)), 4);
	assert_string_equal(out, "abcd");
	assert_int_equal(virt_read_text(&k.as, 0x1000, out, sizeof(out)), -EFAULT);
}

struct leaves {
	struct mapping last;
	unsigned n;
	uint64_t previous_end;
};

static int count_leaf(void *ctx, const struct mapping *leaf)
{
	struct leaves *l = ctx;

	assert_true(leaf->va >= l->previous_end);
	l->previous_end = leaf->va + leaf->size;
	l->last = *leaf;
	l->n++;
	return 0;
}

static void test_leaves(void **state)
{
	struct address_space as = space(4);
	struct leaves l = { 0 };

	link4(0x7f1234567000, 0x55000, PRESENT_RW | PTE_USER);
	link4(0x7f1234569000, 0x56000, PTE_PRESENT | PTE_USER | PTE_NX);
	assert_int_equal(page_leaves(&as, 0x7f1234567000, 0x7f123456a000, 64, count_leaf, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.last.va, 0x7f1234569000);
	assert_true(l.last.nx && l.last.user && !l.last.write);
	l = (struct leaves){ 0 };
	assert_int_equal(page_leaves(&as, 0x7f1234568000, 0x7f1234569000, 64, count_leaf, &l), 0);
	assert_int_equal(l.n, 0);
	l = (struct leaves){ 0 };
	assert_int_equal(page_leaves(&k.as, DIRECT, DIRECT + RAM_SIZE, 64, count_leaf, &l), 0);
	assert_int_equal(l.n, RAM_SIZE >> 21);
}

/* KPTI puts NX on user entries of the kernel's top level: they stay executable. */
static void test_top_level_nx_is_ignored_for_user(void **state)
{
	struct address_space as = space(4);
	struct leaves l = { 0 };
	uint64_t entry;

	link4(0x7f1234567000, 0x55000, PTE_PRESENT | PTE_USER);
	memcpy(&entry, ram + ROOT + 254 * 8, 8);
	put64(ROOT + 254 * 8, entry | PTE_NX);
	assert_int_equal(page_leaves(&as, 0, 1ull << 47, 64, count_leaf, &l), 0);
	assert_int_equal(l.n, 1);
	assert_false(l.last.nx);
	memcpy(&entry, ram + 0x1000 + (DIRECT >> 39 & 511) * 8, 8);
	put64(0x1000 + (DIRECT >> 39 & 511) * 8, entry | PTE_NX);
	l = (struct leaves){ 0 };
	memory_refresh(&mem);
	put64(0x3000, PRESENT_RW | PTE_LARGE);
	assert_int_equal(page_leaves(&k.as, DIRECT, DIRECT + 4096, 64, count_leaf, &l), 0);
	assert_true(l.last.nx);
}

/* Every entry points back at its own table: 512^4 ways, of which few are taken. */
static void test_tables_that_contain_themselves(void **state)
{
	struct address_space as = space(4);
	struct leaves l = { 0 };
	uint64_t pa;

	for (unsigned i = 0; i < 512; i++)
		put64(ROOT + i * 8, ROOT | PRESENT_RW | PTE_USER);
	assert_int_equal(virt_to_phys(&as, 0x7f1234567000, &pa), 0);
	assert_int_equal(pa, ROOT);
	assert_int_equal(page_leaves(&as, 0, 1ull << 47, 100, count_leaf, &l), -E2BIG);
	assert_true(l.n <= 100 * 512);
}

static void test_tables_outside_ram(void **state)
{
	struct address_space as = space(4);
	struct leaves l = { 0 };
	uint64_t pa;

	put64(ROOT, 0x000ffffffffff000ull | PRESENT_RW);
	assert_int_equal(virt_to_phys(&as, 0, &pa), -ENXIO);
	assert_int_equal(page_leaves(&as, 0, 1ull << 47, 64, count_leaf, &l), 0);
	assert_int_equal(l.n, 0);
	as.root = UINT64_MAX;
	assert_int_equal(virt_to_phys(&as, 0, &pa), -ENXIO);
}

static int stop_at_once(void *ctx, const struct mapping *leaf)
{
	return -ECANCELED;
}

static void test_callback_stops(void **state)
{
	assert_int_equal(page_leaves(&k.as, DIRECT, DIRECT + RAM_SIZE, 64, stop_at_once, NULL),
			 -ECANCELED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_small_page), T(test_large_pages), T(test_five_levels),
		T(test_tlb_follows_refresh), T(test_text), T(test_leaves),
		T(test_top_level_nx_is_ignored_for_user),
		T(test_tables_that_contain_themselves), T(test_tables_outside_ram),
		T(test_callback_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

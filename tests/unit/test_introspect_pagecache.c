// SPDX-License-Identifier: GPL-2.0-or-later
/* The xarray of a file's pages: folios of every order, swap entries, lies. */
#include "test_introspect_guest.h"

#include "introspect/pagecache.h"

static uint64_t mapping;
static struct page_map map;

static int setup(void **state)
{
	guest_setup(state);
	mapping = make(64);
	assert_int_equal(page_map_init(&map, 4096), 0);
	return 0;
}

static int teardown(void **state)
{
	page_map_free(&map);
	return guest_teardown(state);
}

static int read_cache(uint64_t head)
{
	set(mapping, k.at.address_space_xa_head, head);
	memory_refresh(&mem);
	memset(map.frame, 0xff, map.pages * sizeof(*map.frame));
	map.resident = 0;
	return pagecache_read(&k, mapping, &map);
}

static uint64_t node(uint64_t n)
{
	return n | 2;
}

static void test_empty_and_single(void **state)
{
	assert_int_equal(read_cache(0), 0);
	assert_int_equal(map.resident, 0);
	assert_int_equal(read_cache(make_page(0x500000, UPTODATE)), 0);
	assert_int_equal(map.resident, 1);
	assert_int_equal(map.frame[0], 0x500000);
}

static void test_two_levels(void **state)
{
	uint64_t top = make_xa_node(6), low = make_xa_node(0);

	xa_set(top, 3, node(low));
	xa_set(low, 5, make_page(0x500000, UPTODATE));
	assert_int_equal(read_cache(node(top)), 0);
	assert_int_equal(map.resident, 1);
	assert_int_equal(map.frame[3 * 64 + 5], 0x500000);
}

static void test_not_resident(void **state)
{
	uint64_t n = make_xa_node(0);

	xa_set(n, 0, 0x1235);			/* a value: swap or shadow */
	xa_set(n, 1, make_page(0x500000, 0));	/* still being read in */
	xa_set(n, 2, 4 << 2 | 2);		/* a sibling */
	assert_int_equal(read_cache(node(n)), 0);
	assert_int_equal(map.resident, 0);
}

static void test_large_folio(void **state)
{
	uint64_t n = make_xa_node(0);

	xa_set(n, 8, make_folio(0x600000, 3));
	for (unsigned i = 9; i < 16; i++)
		xa_set(n, i, 8 << 2 | 2);
	assert_int_equal(read_cache(node(n)), 0);
	assert_int_equal(map.resident, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(map.frame[8 + i], 0x600000 + i * 4096);
}

/* 5.10 puts the head into every slot. */
static void test_head_in_every_slot(void **state)
{
	uint64_t n = make_xa_node(0);

	k.at.folio_order.size = 0;
	k.at.page_compound_order = (struct field){ 1, 1 };
	for (unsigned i = 16; i < 32; i++)
		xa_set(n, i, make_folio(0x600000, 4));
	assert_int_equal(read_cache(node(n)), 0);
	assert_int_equal(map.resident, 16);
	assert_int_equal(map.frame[31], 0x60f000);
}

static void test_order_in_flags_1(void **state)
{
	uint64_t n = make_xa_node(0);

	k.at.folio_order.size = 0;
	k.at.folio_flags_1 = (struct field){ 65, 8 };
	xa_set(n, 0, make_folio(0x600000, 2));
	assert_int_equal(read_cache(node(n)), 0);
	assert_int_equal(map.resident, 4);
}

static void test_hostile_order(void **state)
{
	assert_int_equal(read_cache(make_folio(0x600000, 200)), -EPROTO);
	/* As large as can be, and larger than the file. */
	assert_int_equal(read_cache(make_folio(0x600000, 18)), 0);
	assert_int_equal(map.resident, map.pages);
}

static void test_node_that_contains_itself(void **state)
{
	uint64_t n = make_xa_node(6);

	for (unsigned i = 0; i < 64; i++)
		xa_set(n, i, node(n));
	assert_int_equal(read_cache(node(n)), -EPROTO);
	set(n, k.at.xa_node_shift, 0);
	assert_int_equal(read_cache(node(n)), -EPROTO);
	set(n, k.at.xa_node_shift, 255);
	assert_int_equal(read_cache(node(n)), -EPROTO);
}

static void test_bad_pages(void **state)
{
	static const uint64_t evil[] = {
		VMEMMAP + 4, VMEMMAP - 64, VMEMMAP + 64ull * (RAM_SIZE / 4096),
		DIRECT, 0x1000, 0x7ffffffffff0,
	};

	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		assert_int_not_equal(read_cache(evil[i]), 0);
		assert_int_equal(map.resident, 0);
	}
	assert_int_not_equal(read_cache(0x7fff00000002), 0);
	assert_int_not_equal(read_cache(UINT64_MAX - 1), 0);
}

static void test_pages_past_the_end(void **state)
{
	uint64_t top = make_xa_node(12), mid = make_xa_node(6);

	xa_set(top, 1, node(mid));
	xa_set(mid, 0, make_page(0x500000, UPTODATE));
	assert_int_equal(read_cache(node(top)), 0);
	assert_int_equal(map.resident, 0);
}

static void test_map_is_bounded(void **state)
{
	struct page_map huge;

	assert_int_equal(page_map_init(&huge, UINT64_MAX), 0);
	assert_int_equal(huge.pages, MAX_FILE_PAGES);
	page_map_set(&huge, UINT64_MAX, 0);
	assert_int_equal(huge.resident, 0);
	page_map_free(&huge);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_empty_and_single), T(test_two_levels), T(test_not_resident),
		T(test_large_folio), T(test_head_in_every_slot), T(test_order_in_flags_1),
		T(test_hostile_order), T(test_node_that_contains_itself), T(test_bad_pages),
		T(test_pages_past_the_end), T(test_map_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

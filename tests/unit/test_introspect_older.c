// SPDX-License-Identifier: GPL-2.0-or-later
/* What kernels of before 6.2, or of before 5.17, keep in another way. */
#include "test_introspect_kernel.h"

#include "introspect/usage.h"

static int setup(void **state)
{
	make_checked_guest();
	return 0;
}

static int count(void *ctx, uint64_t va)
{
	++*(unsigned *)ctx;
	return 0;
}

static unsigned slab_count(int expected)
{
	unsigned n = 0;

	memory_refresh(&mem);
	assert_int_equal(slab_tasks(&k, count, &n), expected);
	return n;
}

/* What struct slab has since 5.17 was in struct page, and its number of objects in no member. */
static void test_slabs_are_pages(void **state)
{
	const unsigned n = slab_count(0);

	assert_true(n >= 3);
	set(get64(k.symbol[SYM_TASK_CACHE].address), k.at.kmem_cache_oo, 8);
	k.at.page_slab_cache = k.at.slab_slab_cache;
	k.at.slab_slab_cache = k.at.slab_objects = (struct field){ 0 };
	assert_int_equal(slab_count(0), n);
	k.at.page_slab_cache.size = 0;
	assert_int_equal(slab_count(-ENOENT), 0);
}

/* Four counts: of file pages, anonymous ones, swap and shared memory. */
static void test_swap_is_not_resident(void **state)
{
	struct task t = { .va = checked_task[1], .mm = make(512) };
	struct usage u;

	k.at.mm_struct_rss_count = (struct field){ 88, 32 };
	for (uint64_t i = 0; i < 4; i++)
		put64(t.mm - DIRECT + 88 + 8 * i, i == 3 ? -5ull : 10 + i);
	usage_read(&k, &t, &u);
	assert_int_equal(u.rss_pages, 21);
	assert_int_equal(u.swap_pages, 12);
	/* Since 6.2: sums that lag. */
	k.at.mm_struct_rss_count.size = 0;
	for (uint64_t i = 0; i < 4; i++)
		put64(t.mm - DIRECT + k.at.mm_struct_rss_stat.at + 40 * i + 8, i == 2 ? -1ull : 100 + i);
	memory_refresh(&mem);
	usage_read(&k, &t, &u);
	assert_int_equal(u.rss_pages, 304);
	assert_int_equal(u.swap_pages, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(test_slabs_are_pages), T(test_swap_is_not_resident) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Maple trees and lists of mappings, honest and hostile. */
#include "test_introspect_guest.h"

#include "introspect/vmas.h"

#define LEAF 1
#define RANGE 2
#define ARANGE 3

static uint64_t mm;
static struct vma seen[64];
static unsigned nseen;

static int setup(void **state)
{
	guest_setup(state);
	mm = make(64);
	nseen = 0;
	return 0;
}

static int remember(void *ctx, const struct vma *v)
{
	if (nseen < 64)
		seen[nseen] = *v;
	nseen++;
	return 0;
}

static uint64_t entry(uint64_t node, unsigned type)
{
	return node | (type << 3) | 2;
}

static void put_pivot(uint64_t node, unsigned i, uint64_t v)
{
	put64(node - DIRECT + 8 + 8 * i, v);
}

static void put_slot(uint64_t node, unsigned type, unsigned i, uint64_t v)
{
	put64(node - DIRECT + (type == ARANGE ? 80 : 128) + 8 * i, v);
}

static int walk(uint64_t root)
{
	set(mm, k.at.mm_struct_ma_root, root);
	memory_refresh(&mem);
	nseen = 0;
	return vmas_walk(&k, mm, remember, NULL);
}

/* Mappings [i * 64K, + 4K) for i in [from, to), with gaps between them. */
static uint64_t make_leaf(unsigned from, unsigned to)
{
	uint64_t node = make(256);
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		uint64_t start = i * 65536ull;

		put_pivot(node, n++, start - 1);
		put_slot(node, LEAF, n, make_vma(mm, start, start + 4096, VM_READ | VM_EXEC));
		put_pivot(node, n++, start + 4095);
	}
	return node;
}

static void test_empty_and_single(void **state)
{
	assert_int_equal(walk(0), 0);
	assert_int_equal(nseen, 0);
	assert_int_equal(walk(make_vma(mm, 0x400000, 0x401000, VM_EXEC)), 0);
	assert_int_equal(nseen, 1);
	assert_int_equal(seen[0].start, 0x400000);
	assert_int_equal(seen[0].flags, VM_EXEC);
}

static void test_leaf(void **state)
{
	assert_int_equal(walk(entry(make_leaf(1, 6), LEAF)), 0);
	assert_int_equal(nseen, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(seen[i].start, (i + 1) * 65536);
}

static void test_two_levels(void **state)
{
	for (unsigned type = RANGE; type <= ARANGE; type++) {
		uint64_t node = make(256);

		put_slot(node, type, 0, entry(make_leaf(1, 6), LEAF));
		put_pivot(node, 0, 6 * 65536 - 1);
		put_slot(node, type, 1, entry(make_leaf(6, 9), LEAF));
		assert_int_equal(walk(entry(node, type)), 0);
		assert_int_equal(nseen, 8);
		assert_int_equal(seen[7].end, 8 * 65536 + 4096);
	}
}

static void test_node_that_contains_itself(void **state)
{
	uint64_t node = make(256);

	for (unsigned i = 0; i < 10; i++) {
		put_slot(node, ARANGE, i, entry(node, ARANGE));
		put_pivot(node, i, (i + 1) * 65536 - 1);
	}
	assert_int_equal(walk(entry(node, ARANGE)), -EPROTO);
	assert_int_equal(nseen, 0);
}

static void test_same_leaf_twice(void **state)
{
	uint64_t node = make(256), leaf = make_leaf(1, 6);

	put_slot(node, RANGE, 0, entry(leaf, LEAF));
	put_pivot(node, 0, 6 * 65536 - 1);
	put_slot(node, RANGE, 1, entry(leaf, LEAF));
	assert_int_equal(walk(entry(node, RANGE)), -EPROTO);
	assert_int_equal(nseen, 5);
}

static void test_bad_roots(void **state)
{
	static const uint64_t evil[] = {
		1, 3, UINT64_MAX, 0x1002, 0x7fff00000000 | 2 | 8, DIRECT + RAM_SIZE + 2 + 8,
		DIRECT + 0x100000 + 2 + (7 << 3), DIRECT + 0x100000 + 2,
	};

	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		assert_int_not_equal(walk(evil[i]), 0);
		assert_int_equal(nseen, 0);
	}
}

static void test_bad_vmas(void **state)
{
	uint64_t other = make(64);

	assert_int_equal(walk(make_vma(other, 0x400000, 0x401000, 0)), -EPROTO);
	assert_int_equal(walk(make_vma(mm, 0x401000, 0x400000, 0)), -EPROTO);
	assert_int_equal(walk(make_vma(mm, 0x400010, 0x401000, 0)), -EPROTO);
	assert_int_equal(walk(make_vma(mm, 0x400000, 0xfffffffffffff000, 0)), -EPROTO);
	assert_int_equal(walk(0x400000), -EPROTO);
	assert_int_equal(nseen, 0);
}

static void test_internal_entries_are_no_mappings(void **state)
{
	uint64_t leaf = make_leaf(1, 6);

	put_slot(leaf, LEAF, 0, 0x406);
	put_slot(leaf, LEAF, 2, 0x403);
	assert_int_equal(walk(entry(leaf, LEAF)), 0);
	assert_int_equal(nseen, 5);
}

static uint64_t chain(unsigned n, uint64_t *ret_last)
{
	uint64_t first = 0, last = 0;

	for (unsigned i = 1; i <= n; i++) {
		uint64_t v = make_vma(mm, i * 65536, i * 65536 + 4096, VM_READ);

		if (last)
			set(last, k.at.vm_area_struct_vm_next, v);
		else
			first = v;
		last = v;
	}
	*ret_last = last;
	return first;
}

static void test_list_of_old_kernels(void **state)
{
	uint64_t last, first = chain(9, &last);

	k.at.mm_struct_ma_root.size = 0;
	k.at.mm_struct_mmap = (struct field){ 40, 8 };
	set(mm, k.at.mm_struct_mmap, first);
	assert_int_equal(vmas_walk(&k, mm, remember, NULL), 0);
	assert_int_equal(nseen, 9);
	set(last, k.at.vm_area_struct_vm_next, first);
	memory_refresh(&mem);
	nseen = 0;
	assert_int_equal(vmas_walk(&k, mm, remember, NULL), -EPROTO);
	assert_int_equal(nseen, 9);
}

static int stop(void *ctx, const struct vma *v)
{
	return -ECANCELED;
}

static void test_callback_stops(void **state)
{
	set(mm, k.at.mm_struct_ma_root, entry(make_leaf(1, 6), LEAF));
	assert_int_equal(vmas_walk(&k, mm, stop, NULL), -ECANCELED);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_empty_and_single), T(test_leaf), T(test_two_levels),
		T(test_node_that_contains_itself), T(test_same_leaf_twice), T(test_bad_roots),
		T(test_bad_vmas), T(test_internal_entries_are_no_mappings),
		T(test_list_of_old_kernels), T(test_callback_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's bytes in a file: what is where it belongs, and what is said to be missing. */
#include "test_introspect_kernel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "introspect/extract.h"

#define CODE 0x600000u
#define RANGES 8

static struct introspector in;
static struct extract x;
static struct {
	uint64_t offset, length;
} missing[RANGES];
static uint32_t n;
static uint8_t out[16 * 4096];

static void is_missing(void *ctx, uint64_t offset, uint64_t length, const char *why)
{
	assert_true(n < RANGES && why[0]);
	missing[n].offset = offset;
	missing[n++].length = length;
}

static void expect_missing(uint32_t i, uint64_t offset, uint64_t length)
{
	assert_true(i < n);
	assert_int_equal(missing[i].offset, offset);
	assert_int_equal(missing[i].length, length);
}

static void (*meanwhile)(void);

static int setup(void **state)
{
	int r = guest_setup(NULL);

	check_layout(&k.at);
	n = 0;
	meanwhile = NULL;
	x = (struct extract){ .fd = memfd_create("out", MFD_CLOEXEC), .missing = is_missing };
	return r || x.fd < 0 || introspector_init(&in, &mem) ? -1 : (in.kernel = k, 0);
}

static int teardown(void **state)
{
	close(x.fd);
	introspector_free(&in);
	return guest_teardown(state);
}

/* Pages 0, 1 (zeros) and 4 of a file of five, the last of which is cut. */
static uint64_t make_mapping(void)
{
	uint64_t mapping = make(64), leaf = make_xa_node(0);

	memset(ram + CODE, 'a', 4096);
	memset(ram + CODE + 4096, 0, 4096);
	memset(ram + CODE + 8192, 'c', 4096);
	xa_set(leaf, 0, make_page(CODE, UPTODATE));
	xa_set(leaf, 1, make_page(CODE + 4096, UPTODATE));
	xa_set(leaf, 4, make_page(CODE + 8192, UPTODATE));
	set(mapping, k.at.address_space_xa_head, leaf | 2);
	return mapping;
}

static void test_file_with_a_hole(void **state)
{
	const uint64_t size = 4 * 4096 + 100;

	assert_int_equal(extract_file(&in, make_mapping(), size, &x), 0);
	assert_int_equal(lseek(x.fd, 0, SEEK_END), size);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), size);
	assert_memory_equal(out, ram + CODE, 2 * 4096);
	assert_memory_equal(out + 4 * 4096, ram + CODE + 8192, 100);
	assert_int_equal(n, 1);
	expect_missing(0, 2 * 4096, 2 * 4096);
	assert_int_equal(x.resident, 2 * 4096 + 100);
	assert_int_equal(x.absent, 2 * 4096);
	/* The page of zeros is there, the hole is none. */
	assert_int_equal(lseek(x.fd, 0, SEEK_HOLE), 2 * 4096);
	assert_int_equal(lseek(x.fd, 2 * 4096, SEEK_DATA), 4 * 4096);
}

static void test_file_of_no_page_and_of_no_byte(void **state)
{
	uint64_t mapping = make(64);

	assert_int_equal(extract_file(&in, mapping, 5000, &x), 0);
	expect_missing(0, 0, 5000);
	assert_int_equal(x.resident, 0);
	n = 0;
	assert_int_equal(extract_file(&in, mapping, 0, &x), 0);
	assert_int_equal(n, 0);
}

static void test_file_larger_than_any(void **state)
{
	assert_int_equal(extract_file(&in, make_mapping(), 1ull << 62, &x), 0);
	assert_int_equal(lseek(x.fd, 0, SEEK_END), MAX_FILE_BYTES);
	expect_missing(n - 1, MAX_FILE_BYTES, (1ull << 62) - MAX_FILE_BYTES);
}

/* What holds together of it is written all the same. */
static void test_file_that_does_not_hold_together(void **state)
{
	uint64_t mapping = make(64), node = make_xa_node(6), leaf = make_xa_node(0);

	memset(ram + CODE, 'a', 4096);
	xa_set(leaf, 0, make_page(CODE, UPTODATE));
	xa_set(node, 0, leaf | 2);
	xa_set(node, 1, node | 2);
	set(mapping, k.at.address_space_xa_head, node | 2);
	assert_int_equal(extract_file(&in, mapping, 65 * 4096, &x), -EPROTO);
	assert_false(x.unwritable);
	assert_int_equal(x.resident, 4096);
	expect_missing(0, 4096, 64 * 4096);
}

static void test_memory(void **state)
{
	memset(ram + CODE, 'm', 2 * 4096);
	assert_int_equal(extract_memory(&k.as, DIRECT + CODE + 4000, 200, &x), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 200);
	assert_memory_equal(out, ram + CODE, 200);
}

/* Zeros in its place, and what follows is where it belongs. */
static void test_memory_that_is_not_mapped(void **state)
{
	assert_int_equal(extract_memory(&k.as, 0x7f0000000f00ull, 0x1200, &x), 0);
	assert_int_equal(n, 1);
	expect_missing(0, 0, 0x1200);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 0x1200);
	assert_int_equal(out[0], 0);
	assert_int_equal(x.resident, 0);
}

/* ---- a guest that runs ---- */

static unsigned refreshes, moves;

/* Between what is read and the second look at where it lies. */
void __real_memory_refresh(struct guest_memory *m);
void __wrap_memory_refresh(struct guest_memory *m);
void __wrap_memory_refresh(struct guest_memory *m)
{
	if (meanwhile && refreshes++ < moves)
		meanwhile();
	__real_memory_refresh(m);
}

static uint64_t moving_leaf, moving_pte, lies_at;

static uint64_t other_place(void)
{
	return lies_at = lies_at == CODE ? CODE + 0x10000 : CODE;
}

static void move_page(void)
{
	xa_set(moving_leaf, 0, make_page(other_place(), UPTODATE));
}

static void move_memory(void)
{
	put64(moving_pte, other_place() | PRESENT_RW);
}

static void moves_so_often(unsigned n, void (*how)(void))
{
	meanwhile = NULL;
	memory_refresh(&mem);
	refreshes = 0;
	moves = n;
	meanwhile = how;
}

/* Its page is given to another, whose bytes it would show. */
static void test_file_whose_page_moves(void **state)
{
	uint64_t mapping = make(64);

	moving_leaf = make_xa_node(0);
	lies_at = CODE;
	memset(ram + CODE, 'a', 4096);
	memset(ram + CODE + 0x10000, 'b', 4096);
	memset(ram + CODE + 4096, 'c', 4096);
	xa_set(moving_leaf, 0, make_page(CODE, UPTODATE));
	xa_set(moving_leaf, 1, make_page(CODE + 4096, UPTODATE));
	set(mapping, k.at.address_space_xa_head, moving_leaf | 2);
	moves_so_often(1, move_page);
	assert_int_equal(extract_file(&in, mapping, 2 * 4096, &x), 0);
	assert_int_equal(n, 0);
	assert_int_equal(x.resident, 2 * 4096);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 2 * 4096);
	assert_int_equal(out[0], 'b');
	/* Each time: then it is nobody's. */
	move_page();
	x.resident = x.absent = 0;
	moves_so_often(100, move_page);
	assert_int_equal(extract_file(&in, mapping, 2 * 4096, &x), 0);
	expect_missing(0, 0, 4096);
	assert_int_equal(x.resident, 4096);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 2 * 4096);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[4095], 0);
	assert_int_equal(out[4096], 'c');
}

/* The same of memory: two pages, of which the first moves. */
static void test_memory_that_moves(void **state)
{
	const uint64_t pgd = 0x900000, va = 0x400000;
	const struct address_space as = { &mem, NULL, pgd, 4 };

	put64(pgd, (pgd + 0x1000) | PRESENT_RW);
	put64(pgd + 0x1000, (pgd + 0x2000) | PRESENT_RW);
	put64(pgd + 0x2000 + 2 * 8, (pgd + 0x3000) | PRESENT_RW);
	moving_pte = pgd + 0x3000;
	lies_at = CODE;
	put64(moving_pte, CODE | PRESENT_RW);
	put64(moving_pte + 8, (CODE + 4096) | PRESENT_RW);
	memset(ram + CODE, 'a', 4096);
	memset(ram + CODE + 0x10000, 'b', 4096);
	memset(ram + CODE + 4096, 'c', 4096);
	moves_so_often(1, move_memory);
	assert_int_equal(extract_memory(&as, va, 2 * 4096, &x), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 2 * 4096);
	assert_int_equal(out[0], 'b');
	assert_int_equal(out[4096], 'c');
	move_memory();
	moves_so_often(100, move_memory);
	assert_int_equal(ftruncate(x.fd, 0) || lseek(x.fd, 0, SEEK_SET), 0);
	assert_int_equal(extract_memory(&as, va, 2 * 4096, &x), 0);
	expect_missing(0, 0, 4096);
	assert_int_equal(pread(x.fd, out, sizeof(out), 0), 2 * 4096);
	assert_int_equal(out[0], 0);
	assert_int_equal(out[4096], 'c');
}

/* Longer than what is read between two looks. */
static void test_memory_of_many_pages(void **state)
{
	static uint8_t all[200 * 4096];

	for (int i = 0; i < 200; i++)
		memset(ram + CODE + i * 4096, i, 4096);
	assert_int_equal(extract_memory(&k.as, DIRECT + CODE + 10, 199 * 4096, &x), 0);
	assert_int_equal(n, 0);
	assert_int_equal(pread(x.fd, all, sizeof(all), 0), 199 * 4096);
	assert_memory_equal(all, ram + CODE + 10, 199 * 4096);
}

static void test_output_that_fails(void **state)
{
	close(x.fd);
	x.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(extract_memory(&k.as, DIRECT + CODE, 4096, &x), -ENOSPC);
	assert_true(x.unwritable);
}

static void test_time_is_up(void **state)
{
	mem.deadline_ns = 1;
	mem.expired = true;
	assert_int_equal(extract_memory(&k.as, DIRECT + CODE, 4096, &x), -ETIME);
	assert_false(x.unwritable);
	assert_int_equal(extract_file(&in, make_mapping(), 4096, &x), -ETIME);
	assert_false(x.unwritable);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_file_with_a_hole), T(test_file_of_no_page_and_of_no_byte),
		T(test_file_larger_than_any), T(test_file_that_does_not_hold_together), T(test_memory),
		T(test_memory_that_is_not_mapped), T(test_file_whose_page_moves),
		T(test_memory_that_moves), T(test_memory_of_many_pages), T(test_output_that_fails), T(test_time_is_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

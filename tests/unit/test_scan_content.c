// SPDX-License-Identifier: GPL-2.0-or-later
/* Contents with holes are hashed and copied as the bytes they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/util.h"
#include "scan/content.h"

#define PAGE 4096

/* A memfd of size bytes with data in the pages whose bit of mask is set. */
static int make(size_t size, uint64_t mask, uint8_t *flat)
{
	int fd = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	memset(flat, 0, size);
	for (size_t page = 0; page * PAGE < size; page++) {
		size_t n = MIN(PAGE, size - page * PAGE);

		if (!(mask >> page % 64 & 1))
			continue;
		memset(flat + page * PAGE, 'a' + page % 26, n);
		assert_int_equal(pwrite(fd, flat + page * PAGE, n, page * PAGE), n);
	}
	return fd;
}

static void assert_same(size_t size, uint64_t mask)
{
	autofree uint8_t *flat = malloc(size);
	autofd int fd = make(size, mask, flat);
	uint8_t expected[HASH_BYTES], hash[HASH_BYTES];
	void *map;

	hash_content(expected, flat, size);
	assert_int_equal(content_hash(fd, size, hash), 0);
	assert_memory_equal(hash, expected, sizeof(hash));
	map = content_map(fd, size);
	assert_non_null(map);
	assert_memory_equal(map, flat, size);
	munmap(map, size);
}

static void test_holes(void **state)
{
	static const uint64_t masks[] = {
		0, ~0ull, 1, 2, 1ull << 63, 0xaaaaaaaaaaaaaaaa, 0xff00ff00ff00ff00, 6,
	};
	static const size_t sizes[] = {
		6, PAGE - 1, PAGE, PAGE + 1, 64 * PAGE, 64 * PAGE + 1, 200 * PAGE + 77,
	};

	for (size_t m = 0; m < ARRAY_SIZE(masks); m++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++)
			assert_same(sizes[s], masks[m]);
}

static uint64_t allocated(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks * 512;
}

/* A guest's huge empty file costs the host no page. */
static void test_holes_stay_holes(void **state)
{
	autofree uint8_t *flat = malloc(1024 * PAGE);
	autofd int fd = make(1024 * PAGE, 1, flat);
	uint64_t before = allocated(fd), sum = 0, expected = 0;
	uint8_t hash[HASH_BYTES];
	uint8_t *map;

	assert_true(before < 1024 * PAGE);
	assert_int_equal(content_hash(fd, 1024 * PAGE, hash), 0);
	map = content_map(fd, 1024 * PAGE);
	for (size_t i = 0; i < 1024 * PAGE; i += PAGE) {
		sum += map[i];
		expected += flat[i];
	}
	assert_int_equal(sum, expected);
	assert_int_equal(allocated(fd), before);
	munmap(map, 1024 * PAGE);
}

static bool passes(int fd, uint32_t profile, uint64_t size)
{
	char why[TEXT_WHY] = "";
	uint64_t got;

	if (content_check(fd, profile, &got, why)) {
		assert_true(why[0]);
		return false;
	}
	assert_int_equal(got, size);
	return true;
}

static void test_seals(void **state)
{
	uint8_t flat[PAGE];

	for (int seals = 0; seals < 16; seals++) {
		int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
		autofd int fd = make(PAGE, 1, flat);

		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
		assert_int_equal(passes(fd, SCAN_FILE, PAGE), (seals & all) == all);
	}
}

static void test_not_contents(void **state)
{
	autofd int folder = open("/tmp", O_RDONLY), null = open("/dev/null", O_RDWR);
	autofd int file = open("/proc/self/exe", O_RDONLY);

	assert_false(passes(-1, SCAN_FILE, 0));
	assert_false(passes(folder, SCAN_FILE, 0));
	assert_false(passes(null, SCAN_FILE, 0));
	assert_false(passes(file, SCAN_FILE, 0));
}

static int sealed_of(off_t size)
{
	int fd = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, size), 0);
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
	return fd;
}

static void test_sizes(void **state)
{
	static const struct { off_t size; uint32_t profile; bool good; } cases[] = {
		{ 0, SCAN_FILE, true }, { 1, SCAN_FILE, false },
		{ CONTENT_MIN - 1, SCAN_MEMORY, false }, { CONTENT_MIN, SCAN_FILE, true },
		{ CONTENT_FILE_MAX, SCAN_FILE, true },
		{ CONTENT_FILE_MAX + 1, SCAN_FILE, false },
		{ CONTENT_FILE_MAX + 1, SCAN_MEMORY, true },
		{ CONTENT_MEMORY_MAX, SCAN_MEMORY, true },
		{ CONTENT_MEMORY_MAX + 1, SCAN_MEMORY, false },
		{ PAGE, 0, false }, { PAGE, 3, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		autofd int fd = sealed_of(cases[i].size);

		assert_int_equal(passes(fd, cases[i].profile, cases[i].size), cases[i].good);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes), cmocka_unit_test(test_holes_stay_holes),
		cmocka_unit_test(test_seals), cmocka_unit_test(test_not_contents),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

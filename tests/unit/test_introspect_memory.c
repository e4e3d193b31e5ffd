// SPDX-License-Identifier: GPL-2.0-or-later
/* Reads, the cache and the budget of a guest's memory. */
#include "test_introspect_guest.h"

#include <unistd.h>

static void test_read_crosses_frames(void **state)
{
	uint8_t out[8192];

	for (size_t i = 0; i < sizeof(out); i++)
		ram[0x10f00 + i] = i * 7;
	assert_int_equal(memory_read(&mem, 0x10f00, out, sizeof(out)), 0);
	assert_memory_equal(out, ram + 0x10f00, sizeof(out));
}

static void test_cache_is_old_until_refreshed(void **state)
{
	uint8_t v;

	ram[0x20000] = 1;
	assert_int_equal(memory_read(&mem, 0x20000, &v, 1), 0);
	ram[0x20000] = 2;
	assert_int_equal(memory_read(&mem, 0x20000, &v, 1), 0);
	assert_int_equal(v, 1);
	memory_refresh(&mem);
	assert_int_equal(memory_read(&mem, 0x20000, &v, 1), 0);
	assert_int_equal(v, 2);
}

static void test_generation_wraps(void **state)
{
	uint8_t v;

	assert_int_equal(memory_read(&mem, 0x20000, &v, 1), 0);
	mem.generation = UINT32_MAX;
	memory_refresh(&mem);
	assert_int_equal(mem.generation, 1);
	ram[0x20000] = 9;
	assert_int_equal(memory_read(&mem, 0x20000, &v, 1), 0);
	assert_int_equal(v, 9);
}

static void test_outside(void **state)
{
	uint8_t out[16];

	assert_int_equal(memory_read(&mem, RAM_SIZE, out, 1), -ENXIO);
	assert_int_equal(memory_read(&mem, RAM_SIZE - 8, out, 16), -ENXIO);
	assert_int_equal(memory_read(&mem, UINT64_MAX - 3, out, 16), -ENXIO);
	frame_gone = true;
	assert_int_equal(memory_read(&mem, GONE_PA + 8, out, 8), -ENODATA);
}

static void test_frames(void **state)
{
	const uint64_t gpas[] = { 0x30000, NO_FRAME, GONE_PA, RAM_SIZE + 4096, 0x31000 };
	static uint8_t out[5 * FRAME_SIZE];
	bool present[5];

	frame_gone = true;
	memset(out, 0xee, sizeof(out));
	memset(ram + 0x30000, 0x11, 8192);
	assert_int_equal(memory_read_frames(&mem, gpas, 5, out, present), 0);
	assert_true(present[0] && !present[1] && !present[2] && !present[3] && present[4]);
	assert_int_equal(out[0], 0x11);
	for (size_t i = FRAME_SIZE; i < 4 * FRAME_SIZE; i++)
		assert_int_equal(out[i], 0);
	assert_int_equal(out[5 * FRAME_SIZE - 1], 0x11);
}

static void test_stretch_skips_holes(void **state)
{
	static uint8_t out[3 * FRAME_SIZE];
	uint64_t missing = 0;

	frame_gone = true;
	memset(ram + GONE_PA - FRAME_SIZE, 0x22, sizeof(out));
	memset(out, 0xee, sizeof(out));
	assert_int_equal(memory_read_stretch(&mem, GONE_PA - FRAME_SIZE, out, sizeof(out), &missing), 0);
	assert_int_equal(missing, FRAME_SIZE);
	assert_int_equal(out[FRAME_SIZE - 1], 0x22);
	assert_int_equal(out[FRAME_SIZE], 0);
	assert_int_equal(out[2 * FRAME_SIZE - 1], 0);
	assert_int_equal(out[2 * FRAME_SIZE], 0x22);
}

static void test_budget(void **state)
{
	int r = 0;
	uint8_t v;

	memory_set_budget(&mem, 1);
	usleep(3000);
	for (int i = 0; i < 1000 && !r; i++)
		r = memory_read(&mem, 0, &v, 1);
	assert_int_equal(r, -ETIME);
	memory_set_budget(&mem, 60000);
	assert_int_equal(memory_read(&mem, 0, &v, 1), 0);
}

static void test_file_with_hole(void **state)
{
	char path[] = "/tmp/warden-test-XXXXXX";
	int fd = mkstemp(path);
	const struct memory_range ranges[] = {
		{ 0, 2 * FRAME_SIZE }, { 16 * FRAME_SIZE, 9 * FRAME_SIZE },
	};
	const uint64_t offsets[] = { 0, 2 * FRAME_SIZE };
	struct guest_memory file;
	uint64_t v = 0;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 3 * FRAME_SIZE), 0);
	v = 0x1122334455667788ull;
	assert_int_equal(pwrite(fd, &v, 8, 2 * FRAME_SIZE), 8);
	assert_int_equal(memory_open_file(&file, fd, ranges, offsets, 2), 0);
	v = 0;
	assert_int_equal(memory_read(&file, 16 * FRAME_SIZE, &v, 8), 0);
	assert_int_equal(v, 0x1122334455667788ull);
	assert_int_equal(memory_read(&file, 2 * FRAME_SIZE, &v, 8), -ENXIO);
	assert_int_equal(memory_read(&file, 17 * FRAME_SIZE, &v, 8), -ENXIO);
	assert_int_equal(memory_end(&file), 17 * FRAME_SIZE);
	memory_close(&file);
	unlink(path);
}

#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_read_crosses_frames), T(test_cache_is_old_until_refreshed),
		T(test_generation_wraps), T(test_outside), T(test_frames),
		T(test_stretch_skips_holes), T(test_budget), T(test_file_with_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

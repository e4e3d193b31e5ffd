// SPDX-License-Identifier: GPL-2.0-or-later
/* Frames are cut from a byte stream however it is split; nothing else passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "channel/frames.h"

static struct frame_reader r;

static enum frame_state feed(const void *bytes, size_t n, size_t *ret_left)
{
	const uint8_t *at = bytes;
	enum frame_state state = frame_read(&r, &at, &n);

	if (ret_left)
		*ret_left = n;
	return state;
}

static void test_one(void **state)
{
	size_t left;

	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	assert_int_equal(feed("\3\0\0\0abc", 7, &left), FRAME_READY);
	assert_int_equal(left, 0);
	assert_int_equal(r.len, 3);
	assert_memory_equal(r.payload, "abc", 3);
	assert_int_equal(feed("", 0, NULL), FRAME_MORE);
}

static void test_trailing_is_the_next(void **state)
{
	const uint8_t *at = (const uint8_t *)"\1\0\0\0a\2\0\0\0bc\1\0";
	size_t n = 13;

	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	assert_int_equal(frame_read(&r, &at, &n), FRAME_READY);
	assert_int_equal(n, 8);
	assert_memory_equal(r.payload, "a", 1);
	assert_int_equal(frame_read(&r, &at, &n), FRAME_READY);
	assert_int_equal(n, 2);
	assert_memory_equal(r.payload, "bc", 2);
	assert_int_equal(frame_read(&r, &at, &n), FRAME_MORE);
	assert_int_equal(n, 0);
}

static void test_split_at_every_byte(void **state)
{
	static const char stream[] = "\5\0\0\0hello\1\0\0\0!";
	const size_t size = sizeof(stream) - 1;

	for (size_t split = 0; split <= size; split++) {
		const size_t parts[2] = { split, size - split };
		const uint8_t *at = (const uint8_t *)stream;
		int frames = 0;

		frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
		for (int i = 0; i < 2; i++) {
			size_t n = parts[i];

			while (frame_read(&r, &at, &n) == FRAME_READY) {
				assert_int_equal(r.len, frames ? 1 : 5);
				assert_memory_equal(r.payload, frames ? "!" : "hello", r.len);
				frames++;
			}
			assert_int_equal(n, 0);
		}
		assert_int_equal(frames, 2);
	}
}

static void test_byte_by_byte(void **state)
{
	static const char stream[] = "\5\0\0\0hello";

	frame_reader_init(&r, 5);
	for (int i = 0; i < 8; i++)
		assert_int_equal(feed(stream + i, 1, NULL), FRAME_MORE);
	assert_int_equal(feed(stream + 8, 1, NULL), FRAME_READY);
}

static void test_zero_length(void **state)
{
	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	assert_int_equal(feed("\0\0\0\0", 4, NULL), FRAME_BAD);
	assert_int_equal(feed("\1\0\0\0a", 5, NULL), FRAME_BAD);
}

static void test_limits(void **state)
{
	static uint8_t big[WIRE_FRAME_HEADER + WIRE_FRAME_MAX];

	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	frame_header(big, WIRE_FRAME_MAX_OPEN);
	assert_int_equal(feed(big, 4 + WIRE_FRAME_MAX_OPEN, NULL), FRAME_READY);
	/* refused by its header alone */
	frame_header(big, WIRE_FRAME_MAX_OPEN + 1);
	assert_int_equal(feed(big, 4, NULL), FRAME_BAD);

	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	r.limit = WIRE_FRAME_MAX;
	frame_header(big, WIRE_FRAME_MAX);
	assert_int_equal(feed(big, sizeof(big), NULL), FRAME_READY);
	frame_header(big, WIRE_FRAME_MAX + 1);
	assert_int_equal(feed(big, 4, NULL), FRAME_BAD);
	frame_reader_init(&r, UINT32_MAX);
	assert_int_equal(feed("\xff\xff\xff\xff", 4, NULL), FRAME_BAD);
}

/* The limit was low when the bytes came, but not when their turn came. */
static void test_limit_is_raised_between_frames(void **state)
{
	static uint8_t two[5 + 4 + 1000];
	const uint8_t *at = two;
	size_t n = sizeof(two);

	frame_reader_init(&r, WIRE_FRAME_MAX_OPEN);
	frame_header(two, 1);
	frame_header(two + 5, 1000);
	assert_int_equal(frame_read(&r, &at, &n), FRAME_READY);
	r.limit = WIRE_FRAME_MAX;
	assert_int_equal(frame_read(&r, &at, &n), FRAME_READY);
	assert_int_equal(r.len, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_trailing_is_the_next),
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_zero_length),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limit_is_raised_between_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

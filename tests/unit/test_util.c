// SPDX-License-Identifier: GPL-2.0-or-later
/* Text, hex and numbers from others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

static void assert_escaped(const char *in, size_t len, size_t size, const char *expected)
{
	/* On the heap, so that a byte too far is seen. */
	autofree char *out = malloc(size);

	memset(out, '#', size);
	text_escape(out, size, in, len);
	assert_string_equal(out, expected);
	assert_true(text_is_printable(out));
}

static void test_escape(void **state)
{
	assert_escaped("plain text", 10, 64, "plain text");
	assert_escaped("", 0, 64, "");
	assert_escaped("a\nb\0c", 5, 64, "a\\x0ab\\x00c");
	assert_escaped("C:\\x0a", 6, 64, "C:\\x5cx0a");
	assert_escaped("\x1b[2J\x7f\x80\xff", 7, 64, "\\x1b[2J\\x7f\\x80\\xff");
	assert_escaped("~ ", 2, 64, "~ ");
}

static void test_escape_cuts(void **state)
{
	assert_escaped("abcdefg", 7, 8, "abcdefg");
	assert_escaped("abcdefgh", 8, 8, "abcd...");
	assert_escaped("abc\n", 4, 8, "abc\\x0a");
	/* Never in the middle of an escape. */
	assert_escaped("abcd\n", 5, 8, "abcd...");
	assert_escaped("\n\n", 2, 8, "\\x0a...");
	assert_escaped("a\n\n", 3, 8, "a...");
	assert_escaped("abcdefgh", 8, 4, "...");
	assert_escaped("abcdefgh", 8, 3, "");
	assert_escaped("abcdefgh", 8, 1, "");
	assert_escaped("", 0, 1, "");
}

static void test_escape_no_room(void **state)
{
	char untouched = '#';

	text_escape(&untouched, 0, "abc", 3);
	text_escape(&untouched, 0, "", 0);
	assert_int_equal(untouched, '#');
}

/* Every length of text into every size: it fits, ends and is printable. */
static void test_escape_all_sizes(void **state)
{
	uint8_t in[40];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = i * 37;
	for (size_t len = 0; len <= sizeof(in); len++)
		for (size_t size = 1; size < 200; size++) {
			autofree char *out = malloc(size);

			memset(out, 0, size);
			text_escape(out, size, in, len);
			assert_true(strlen(out) < size);
			assert_true(text_is_printable(out));
		}
}

static void test_printable(void **state)
{
	assert_true(text_is_printable(""));
	assert_true(text_is_printable(" ~aZ09\\"));
	assert_false(text_is_printable("a\tb"));
	assert_false(text_is_printable("\x7f"));
	assert_false(text_is_printable("\x80"));
	assert_false(text_is_printable("\xff"));
}

static void test_hex(void **state)
{
	uint8_t bytes[4] = { 0x00, 0x7f, 0xa5, 0xff }, back[4];
	char text[9];

	hex_encode(text, bytes, sizeof(bytes));
	assert_string_equal(text, "007fa5ff");
	assert_true(hex_decode(back, text, sizeof(back)));
	assert_memory_equal(bytes, back, sizeof(bytes));
	assert_true(hex_decode(back, "007FA5fF", sizeof(back)));
	assert_memory_equal(bytes, back, sizeof(bytes));
	hex_encode(text, bytes, 0);
	assert_string_equal(text, "");
}

static void test_hex_refused(void **state)
{
	uint8_t out[4];

	assert_false(hex_decode(out, "", 4));
	assert_false(hex_decode(out, "007fa5f", 4));
	assert_false(hex_decode(out, "007fa5ff0", 4));
	assert_false(hex_decode(out, "007fa5ff00", 4));
	assert_false(hex_decode(out, "007fa5fg", 4));
	assert_false(hex_decode(out, "0x7fa5ff", 4));
	assert_false(hex_decode(out, "007fa5f ", 4));
	assert_false(hex_decode(out, "007fa5\xff\xff", 4));
}

static void test_numbers(void **state)
{
	uint64_t n = 0;

	assert_true(parse_u64("0", 10, &n));
	assert_int_equal(n, 0);
	assert_true(parse_u64("10", 10, &n));
	assert_int_equal(n, 10);
	assert_true(parse_u64("010", 10, &n));
	assert_int_equal(n, 10);
	assert_true(parse_u64("18446744073709551615", UINT64_MAX, &n));
	assert_true(n == UINT64_MAX);
}

static void test_numbers_refused(void **state)
{
	static const char *const bad[] = {
		"", " 1", "1 ", "+1", "-1", "11", "1x", "0x1", "1.0", "\n",
		"18446744073709551616", "99999999999999999999999999",
	};
	uint64_t n = 77;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(parse_u64(bad[i], 10, &n));
	assert_false(parse_u64("18446744073709551616", UINT64_MAX, &n));
	assert_int_equal(n, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape), cmocka_unit_test(test_escape_cuts),
		cmocka_unit_test(test_escape_no_room), cmocka_unit_test(test_escape_all_sizes),
		cmocka_unit_test(test_printable), cmocka_unit_test(test_hex),
		cmocka_unit_test(test_hex_refused), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Objects out of a stream, whole, cut anywhere, endless, or none at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lib/util.h"
#include "qmp/stream.h"

static struct stream s;

static int setup(void **state)
{
	return stream_init(&s);
}

static int teardown(void **state)
{
	stream_free(&s);
	return 0;
}

static void feed(const char *text, size_t len)
{
	size_t room;
	char *at = stream_room(&s, &room);

	assert_true(len <= room);
	memcpy(at, text, len);
	stream_added(&s, len);
}

static void expect(int result)
{
	json_t *o = NULL;

	assert_int_equal(stream_next(&s, &o), result);
	json_decref(o);
}

static const char talk[] =
	"{\"QMP\": {\"x\": []}}\r\n{\"event\":\"a}{\\\"\"}\n"
	"{\n    \"return\": {\n        \"b\": [1, {}]\n    }\n}\n";

static void test_whole(void **state)
{
	feed(talk, strlen(talk));
	expect(1);
	expect(1);
	expect(1);
	expect(0);
}

static void test_byte_by_byte(void **state)
{
	unsigned objects = 0;

	for (const char *at = talk; *at; at++) {
		json_t *o = NULL;
		int r;

		feed(at, 1);
		r = stream_next(&s, &o);
		assert_true(r >= 0);
		objects += r;
		json_decref(o);
	}
	assert_int_equal(objects, 3);
}

static void test_what_is_no_object(void **state)
{
	static const char *const evil[] = {
		"hello", "[1]", "\"{}\"", "}", "{]", "{\"a\":1]", "{\"a\":}", "{1:2}",
		"{\"a\":1,\"a\":2}", "{\"\\ud800\":1}", "{\"a\":\"\xff\"}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(evil); i++) {
		json_t *o = NULL;

		stream_free(&s);
		assert_int_equal(stream_init(&s), 0);
		feed(evil[i], strlen(evil[i]));
		if (stream_next(&s, &o) != -EBADMSG)
			fail_msg("%s is taken", evil[i]);
	}
}

static void test_depth(void **state)
{
	feed("{\"a\":", 5);
	for (int i = 0; i < STREAM_MAX_DEPTH - 1; i++)
		feed("[", 1);
	expect(0);
	feed("[", 1);
	expect(-EBADMSG);
}

static void test_endless(void **state)
{
	size_t room;

	feed("{\"a\":\"", 6);
	while (stream_room(&s, &room), room) {
		feed("x", 1);
		if (room % 4096 == 0)
			expect(0);
	}
	expect(0);
	stream_room(&s, &room);
	assert_int_equal(room, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_whole), T(test_byte_by_byte), T(test_what_is_no_object), T(test_depth),
		T(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

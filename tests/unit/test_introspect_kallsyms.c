// SPDX-License-Identifier: GPL-2.0-or-later
/* kallsyms in every layout known, and in some that nobody made honestly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/kallsyms.h"
#include "../kallsyms_image.h"

static struct symbol wanted[3];

static int resolve(const char **why)
{
	struct kallsyms k;

	wanted[0] = (struct symbol){ "init_task", 0 };
	wanted[1] = (struct symbol){ "symbol_number_4000", 0 };
	wanted[2] = (struct symbol){ "not_there", 0 };
	return kallsyms_resolve(image, KALLSYMS_IMAGE, KALLSYMS_BASE, KALLSYMS_TEXT, wanted, 3, &k, why);
}

static void check(const struct shape *s)
{
	const char *why;

	build(s);
	assert_int_equal(resolve(&why), 0);
	assert_int_equal(wanted[0].address, address(700));
	assert_int_equal(wanted[1].address, address(4000));
	assert_int_equal(wanted[2].address, 0);
}

static void test_5_10(void **state) { check(&v5_10); }
static void test_6_1(void **state) { check(&v6_1); }
static void test_6_12(void **state) { check(&v6_12); }
static void test_7_2(void **state) { check(&v7_2); }

static void test_other_text_base_is_refused(void **state)
{
	const char *why;
	struct kallsyms k;

	build(&v6_1);
	wanted[0] = (struct symbol){ "init_task", 0 };
	assert_int_not_equal(kallsyms_resolve(image, KALLSYMS_IMAGE, KALLSYMS_BASE, KALLSYMS_TEXT + 4096, wanted, 1, &k, &why), 0);
	assert_int_equal(wanted[0].address, 0);
	assert_non_null(strstr(why, "formula"));
}

static void test_unsorted_addresses_are_refused(void **state)
{
	const char *why;

	build(&v6_1);
	for (size_t i = 8; i < 4 * NSYMS; i += 8)
		image[offsets_at + i + 2] ^= 0x40;
	assert_int_not_equal(resolve(&why), 0);
}

static void test_digits_alone(void **state)
{
	const char *why;

	memset(image, 0, sizeof(image));
	for (size_t i = 0; i + 20 < KALLSYMS_IMAGE; i += 20)
		memcpy(image + i, "0\0" "1\0" "2\0" "3\0" "4\0" "5\0" "6\0" "7\0" "8\0" "9\0", 20);
	assert_int_not_equal(resolve(&why), 0);
	memset(image, 0, sizeof(image));
	assert_int_not_equal(resolve(&why), 0);
	assert_non_null(strstr(why, "no token table"));
}

static void test_cut_anywhere(void **state)
{
	struct kallsyms k;
	const char *why;

	build(&v6_12);
	for (size_t len = names_at; len < at; len += 997) {
		/* Exactly so long, for the sanitizer to see what lies behind. */
		uint8_t *cut = malloc(len);

		memcpy(cut, image, len);
		kallsyms_resolve(cut, len, KALLSYMS_BASE, KALLSYMS_TEXT, wanted, 3, &k, &why);
		free(cut);
	}
}

static void test_tables_without_names(void **state)
{
	const char *why;

	build(&v6_1);
	memset(image + names_at, 0xff, markers_at - names_at);
	assert_int_not_equal(resolve(&why), 0);
	build(&v6_1);
	memset(image + names_at, 0, markers_at - names_at);
	assert_int_not_equal(resolve(&why), 0);
	build(&v6_1);
	memset(image + markers_at, 0xff, 4 * NMARKERS);
	assert_int_not_equal(resolve(&why), 0);
	assert_non_null(strstr(why, "markers"));
}

/* Names behind the markers that are checked run beyond their table. */
static void test_names_that_overrun(void **state)
{
	const char *why;
	uint32_t marker;

	build(&v6_1);
	memcpy(&marker, image + markers_at + 4 * 6, 4);
	memset(image + names_at + marker, 0xff, 2);
	assert_int_not_equal(resolve(&why), 0);
	assert_non_null(strstr(why, "do not decode"));
}

static void test_noise(void **state)
{
	const char *why;
	uint32_t seed = 1;

	for (int round = 0; round < 60; round++) {
		build(round & 1 ? &v6_1 : &v7_2);
		for (int i = 0; i < 200; i++) {
			seed = seed * 1664525 + 1013904223;
			image[65536 + seed % (at - 65536)] = seed >> 24;
		}
		resolve(&why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_5_10), cmocka_unit_test(test_6_1),
		cmocka_unit_test(test_6_12), cmocka_unit_test(test_7_2),
		cmocka_unit_test(test_other_text_base_is_refused),
		cmocka_unit_test(test_unsorted_addresses_are_refused),
		cmocka_unit_test(test_digits_alone), cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_tables_without_names),
		cmocka_unit_test(test_names_that_overrun), cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

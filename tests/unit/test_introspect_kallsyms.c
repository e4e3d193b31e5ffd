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

#define SIZE (1u << 20)
#define BASE 0xffffffff82000000ull
#define TEXT 0xffffffff81000000ull
#define NSYMS (256 * 20 + 17)
#define NMARKERS 21

enum order { BEFORE, BEHIND };
enum formula { NEGATIVE, PLACE };

struct shape {
	enum order order;
	enum formula formula;
	unsigned align;
	bool seqs, relative_base;
};

static const struct shape v5_10 = { BEFORE, NEGATIVE, 8, false, true };
static const struct shape v6_1 = { BEFORE, NEGATIVE, 8, true, true };
static const struct shape v6_12 = { BEHIND, NEGATIVE, 8, true, true };
static const struct shape v7_2 = { BEHIND, PLACE, 4, true, false };

static uint8_t image[SIZE];
static size_t at, offsets_at, names_at, markers_at, index_at, table_at;

static void align(unsigned a)
{
	at = (at + a - 1) / a * a;
}

static void put32(uint32_t v)
{
	memcpy(image + at, &v, 4);
	at += 4;
}

static uint64_t address(uint32_t i)
{
	return TEXT + i * 16ull;
}

static void symbol_name(uint32_t i, char *out, size_t size)
{
	if (i == 0)
		snprintf(out, size, "T_text");
	else if (i == 700)
		snprintf(out, size, "Dinit_task");
	else if (i == 701)
		snprintf(out, size, "dinit_task");	/* the second of its name */
	else
		snprintf(out, size, "tsymbol_number_%u", i);
}

static void put_offsets(const struct shape *s)
{
	align(8);
	offsets_at = at;
	for (uint32_t i = 0; i < NSYMS; i++) {
		uint64_t a = address(i);

		if (s->formula == NEGATIVE)
			put32(TEXT - 1 - a);
		else
			put32(a - (BASE + at));
	}
	align(8);
	if (s->relative_base) {
		uint64_t base = TEXT;

		memcpy(image + at, &base, 8);
		at += 8;
	}
}

/* One token for each character, and a few longer ones for bytes never used. */
static void put_tokens(const struct shape *s)
{
	uint16_t index[256];

	align(s->align);
	table_at = at;
	for (unsigned t = 0; t < 256; t++) {
		index[t] = at - table_at;
		if (t > 32 && t < 127)
			image[at++] = t;
		else
			at += sprintf((char *)image + at, "tok%u", t);
		image[at++] = 0;
	}
	align(s->align);
	index_at = at;
	memcpy(image + at, index, sizeof(index));
	at += sizeof(index);
}

static void put_names(const struct shape *s)
{
	uint32_t markers[NMARKERS];

	align(8);
	if (s->align == 4)
		at += 4;
	put32(NSYMS);
	if (s->align == 8)
		at += 4;
	names_at = at;
	for (uint32_t i = 0; i < NSYMS; i++) {
		char name[64];
		size_t len;

		if (i % 256 == 0)
			markers[i / 256] = at - names_at;
		symbol_name(i, name, sizeof(name));
		len = strlen(name);
		if (i == 5) {
			/* A long name takes two bytes of length. */
			image[at++] = 0x80 | (200 & 0x7f);
			image[at++] = 200 >> 7;
			memset(image + at, 'x', 200);
			at += 200;
			continue;
		}
		image[at++] = len;
		memcpy(image + at, name, len);
		at += len;
	}
	align(s->align);
	markers_at = at;
	memcpy(image + at, markers, sizeof(markers));
	at += sizeof(markers);
}

static void build(const struct shape *s)
{
	memset(image, 0, sizeof(image));
	at = 65536;
	memset(image, 0xa5, at);
	if (s->order == BEFORE)
		put_offsets(s);
	put_names(s);
	if (s->seqs) {
		align(s->align);
		memset(image + at, 0x5a, 3 * NSYMS);
		at += 3 * NSYMS;
	}
	put_tokens(s);
	if (s->order == BEHIND) {
		align(s->align);
		put_offsets(s);
	}
	assert_true(at < SIZE - 65536);
	memset(image + at, 0xa5, SIZE - at);
}

static struct symbol wanted[3];

static int resolve(const char **why)
{
	struct kallsyms k;

	wanted[0] = (struct symbol){ "init_task", 0 };
	wanted[1] = (struct symbol){ "symbol_number_4000", 0 };
	wanted[2] = (struct symbol){ "not_there", 0 };
	return kallsyms_resolve(image, SIZE, BASE, TEXT, wanted, 3, &k, why);
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
	assert_int_not_equal(kallsyms_resolve(image, SIZE, BASE, TEXT + 4096, wanted, 1, &k, &why), 0);
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
	for (size_t i = 0; i + 20 < SIZE; i += 20)
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
		kallsyms_resolve(cut, len, BASE, TEXT, wanted, 3, &k, &why);
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

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the verdict cache tells apart, forgets and refuses to remember. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "scan/verdicts.h"

static struct verdict_key key(uint8_t content)
{
	struct verdict_key k = { .profile = SCAN_FILE, .epoch = "e1", .engine = "libclamav 1" };

	memset(k.hash, content, sizeof(k.hash));
	return k;
}

static void add(struct verdicts *v, struct verdict_key k, uint32_t verdict, const char *name)
{
	struct m_verdict m = { .verdict = verdict };

	snprintf(m.name, sizeof(m.name), "%s", name);
	verdicts_add(v, &k, &m);
}

static bool has(struct verdicts *v, struct verdict_key k)
{
	struct m_verdict m = { 0 };

	return verdicts_find(v, &k, &m);
}

static void test_remembers(void **state)
{
	struct verdicts *v = verdicts_new(8);
	struct verdict_key clean = key(1), bad = key(2);
	struct m_verdict m = { 0 };

	assert_false(has(v, clean));
	add(v, clean, VERDICT_CLEAN, "");
	add(v, bad, VERDICT_INFECTED, "Some.Virus");
	assert_true(verdicts_find(v, &clean, &m));
	assert_int_equal(m.verdict, VERDICT_CLEAN);
	assert_string_equal(m.name, "");
	assert_true(verdicts_find(v, &bad, &m));
	assert_int_equal(m.verdict, VERDICT_INFECTED);
	assert_string_equal(m.name, "Some.Virus");
	verdicts_free(v);
}

static void test_every_part_of_the_key_counts(void **state)
{
	struct verdicts *v = verdicts_new(8);
	struct verdict_key k = key(1);

	add(v, k, VERDICT_CLEAN, "");
	k.profile = SCAN_MEMORY;
	assert_false(has(v, k));
	k = key(1);
	k.epoch = "e2";
	assert_false(has(v, k));
	k = key(1);
	k.engine = "libclamav 2";
	assert_false(has(v, k));
	k = key(1);
	k.hash[HASH_BYTES - 1] ^= 1;
	assert_false(has(v, k));
	/* The same letters, split elsewhere. */
	k = key(1);
	k.epoch = "e1l";
	k.engine = "ibclamav 1";
	assert_false(has(v, k));
	verdicts_free(v);
}

static void test_not_scanned_is_not_remembered(void **state)
{
	struct verdicts *v = verdicts_new(8);

	add(v, key(1), VERDICT_NOT_SCANNED, "time limit");
	add(v, key(2), 0, "");
	add(v, key(3), 77, "");
	assert_int_equal(verdicts_count(v), 0);
	assert_false(has(v, key(1)));
	verdicts_free(v);
}

static void test_least_recently_found_goes(void **state)
{
	struct verdicts *v = verdicts_new(3);

	add(v, key(1), VERDICT_INFECTED, "A");
	add(v, key(2), VERDICT_CLEAN, "");
	add(v, key(3), VERDICT_INFECTED, "C");
	assert_true(has(v, key(1)));
	add(v, key(4), VERDICT_CLEAN, "");
	assert_false(has(v, key(2)));
	assert_true(has(v, key(1)) && has(v, key(3)) && has(v, key(4)));
	assert_int_equal(verdicts_count(v), 3);
	verdicts_free(v);
}

static void test_added_twice_is_one(void **state)
{
	struct verdicts *v = verdicts_new(3);

	add(v, key(1), VERDICT_CLEAN, "");
	add(v, key(1), VERDICT_CLEAN, "");
	assert_int_equal(verdicts_count(v), 1);
	verdicts_free(v);
}

static struct verdict_key numbered(uint32_t n)
{
	struct verdict_key k = key(0);

	memcpy(k.hash, &n, sizeof(n));
	return k;
}

/* Far more than fit: the newest are all there, the older all gone. */
static void test_churn(void **state)
{
	enum { ROOM = 1000, ADDED = 20000 };
	struct verdicts *v = verdicts_new(ROOM);

	for (uint32_t i = 0; i < ADDED; i++)
		add(v, numbered(i), i % 3 ? VERDICT_CLEAN : VERDICT_INFECTED, "X");
	assert_int_equal(verdicts_count(v), ROOM);
	for (uint32_t i = 0; i < ADDED; i++)
		assert_int_equal(has(v, numbered(i)), i >= ADDED - ROOM);
	verdicts_free(v);
}

static void test_room_for_one(void **state)
{
	struct verdicts *v = verdicts_new(1);

	for (uint8_t i = 0; i < 5; i++) {
		add(v, key(i), VERDICT_INFECTED, "X");
		assert_true(has(v, key(i)));
		assert_false(i && has(v, key(i - 1)));
	}
	verdicts_free(v);
	verdicts_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembers),
		cmocka_unit_test(test_every_part_of_the_key_counts),
		cmocka_unit_test(test_not_scanned_is_not_remembered),
		cmocka_unit_test(test_least_recently_found_goes),
		cmocka_unit_test(test_added_twice_is_one),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_room_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

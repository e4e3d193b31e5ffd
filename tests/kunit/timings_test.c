// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "timings.h"

/* A kind of its own for each test: sums are never reset. */

static struct kw_timing_sum sum_of(enum kw_timing which)
{
	struct kw_timing_sum sum;

	kw_timing_get(which, &sum);
	return sum;
}

static void begins_with_nothing(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < KW_TIMINGS; i++) {
		struct kw_timing_sum sum = sum_of(i);

		KUNIT_EXPECT_EQ(test, sum.count + sum.total_ns + sum.worst_ns, 0ULL);
	}
}

static void number_sum_and_worst(struct kunit *test)
{
	struct kw_timing_sum sum;

	kw_timing_add(KW_TIMING_READ, 7);
	kw_timing_add(KW_TIMING_READ, 100);
	kw_timing_add(KW_TIMING_READ, 3);
	sum = sum_of(KW_TIMING_READ);
	KUNIT_EXPECT_EQ(test, sum.count, 3ULL);
	KUNIT_EXPECT_EQ(test, sum.total_ns, 110ULL);
	KUNIT_EXPECT_EQ(test, sum.worst_ns, 100ULL);
}

static void one_kind_leaves_the_others_alone(struct kunit *test)
{
	u64 before = sum_of(KW_TIMING_REGS).count;

	kw_timing_add(KW_TIMING_REGS_FRESH, 5);
	KUNIT_EXPECT_EQ(test, sum_of(KW_TIMING_REGS_FRESH).count, 1ULL);
	KUNIT_EXPECT_EQ(test, sum_of(KW_TIMING_REGS).count, before);
	KUNIT_EXPECT_EQ(test, sum_of(KW_TIMING_FREEZE).count, 0ULL);
}

static void no_time_counts_as_well(struct kunit *test)
{
	struct kw_timing_sum sum;

	kw_timing_add(KW_TIMING_WATCH, 0);
	sum = sum_of(KW_TIMING_WATCH);
	KUNIT_EXPECT_EQ(test, sum.count, 1ULL);
	KUNIT_EXPECT_EQ(test, sum.worst_ns, 0ULL);
}

static void each_has_a_name_of_its_own(struct kunit *test)
{
	unsigned int i, k;

	for (i = 0; i < KW_TIMINGS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, kw_timing_name(i));
		for (k = 0; k < i; k++)
			KUNIT_EXPECT_STRNEQ(test, kw_timing_name(i), kw_timing_name(k));
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(begins_with_nothing),
	KUNIT_CASE(number_sum_and_worst),
	KUNIT_CASE(one_kind_leaves_the_others_alone),
	KUNIT_CASE(no_time_counts_as_well),
	KUNIT_CASE(each_has_a_name_of_its_own),
	{}
};

static struct kunit_suite suite = { .name = "kw_timings", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/time64.h>
#include <uapi/linux/kvm_warden.h>

#include "faults.h"

#define SECOND NSEC_PER_SEC
#define PER_SECOND KVM_WARDEN_FAULT_PAGES

static void a_second_at_once(struct kunit *test)
{
	struct kw_faults f;
	int i;

	kw_faults_init(&f, 5 * SECOND);
	for (i = 0; i < PER_SECOND; i++)
		KUNIT_ASSERT_TRUE(test, kw_faults_take(&f, 5 * SECOND));
	KUNIT_EXPECT_FALSE(test, kw_faults_take(&f, 5 * SECOND));
}

static void fills_with_time(struct kunit *test)
{
	struct kw_faults f;
	u64 t = SECOND;
	int n;

	kw_faults_init(&f, t);
	kw_faults_charge(&f, PER_SECOND);
	/* Asked more often than a page takes, it loses none. */
	for (n = 0; t < 3 * SECOND; t += 1000)
		n += kw_faults_take(&f, t);
	KUNIT_EXPECT_GE(test, n, 2 * PER_SECOND - 1);
	KUNIT_EXPECT_LE(test, n, 2 * PER_SECOND + 1);
}

static void saves_no_more_than_a_second(struct kunit *test)
{
	struct kw_faults f;

	kw_faults_init(&f, 0);
	KUNIT_EXPECT_TRUE(test, kw_faults_take(&f, ~0ULL / 2));
	kw_faults_charge(&f, PER_SECOND - 1);
	KUNIT_EXPECT_FALSE(test, kw_faults_take(&f, ~0ULL / 2));
}

static void a_huge_page_overdraws(struct kunit *test)
{
	struct kw_faults f;

	kw_faults_init(&f, 0);
	kw_faults_charge(&f, 512 * 512);
	KUNIT_EXPECT_FALSE(test, kw_faults_take(&f, 62 * SECOND));
	KUNIT_EXPECT_TRUE(test, kw_faults_take(&f, 64 * SECOND));
}

static void a_clock_that_goes_back(struct kunit *test)
{
	struct kw_faults f;

	kw_faults_init(&f, 9 * SECOND);
	kw_faults_charge(&f, PER_SECOND);
	KUNIT_EXPECT_FALSE(test, kw_faults_take(&f, 8 * SECOND));
	KUNIT_EXPECT_TRUE(test, kw_faults_take(&f, 10 * SECOND));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_second_at_once),
	KUNIT_CASE(fills_with_time),
	KUNIT_CASE(saves_no_more_than_a_second),
	KUNIT_CASE(a_huge_page_overdraws),
	KUNIT_CASE(a_clock_that_goes_back),
	{}
};

static struct kunit_suite suite = { .name = "kw_faults", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

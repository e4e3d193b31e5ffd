// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/time64.h>
#include <uapi/linux/kvm_warden.h>

#include "stop.h"

#define MS NSEC_PER_MSEC
#define T0 (1000ULL * MS)

static const char me, other;

static struct kw_stop fresh(void)
{
	struct kw_stop stop;

	kw_stop_init(&stop, T0);
	return stop;
}

static int freeze(struct kw_stop *stop, u64 now, u32 ms)
{
	u64 wait;

	return kw_stop_freeze(stop, &me, now, ms, &wait);
}

static void contains_until_released(struct kunit *test)
{
	struct kw_stop stop = fresh();

	KUNIT_EXPECT_EQ(test, stop.why, 0u);
	KUNIT_EXPECT_FALSE(test, kw_stop_release(&stop));
	kw_stop_contain(&stop, T0, 0);
	KUNIT_EXPECT_EQ(test, stop.why, KW_STOP_CONTAINED);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), KW_NEVER);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, KW_NEVER - 1), 0u);
	KUNIT_EXPECT_TRUE(test, kw_stop_release(&stop));
	KUNIT_EXPECT_EQ(test, stop.why, 0u);
	KUNIT_EXPECT_FALSE(test, kw_stop_release(&stop));
}

static void containment_expires(struct kunit *test)
{
	struct kw_stop stop = fresh();

	kw_stop_contain(&stop, T0, 5000);
	kw_stop_contain(&stop, T0 + 10 * MS, 20);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), T0 + 30 * MS);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 30 * MS - 1), 0u);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 30 * MS), KW_STOP_CONTAINED);
	KUNIT_EXPECT_EQ(test, stop.why, 0u);
}

static void an_expiry_beyond_the_clock_is_never(struct kunit *test)
{
	u64 most = (KW_NEVER - 1 - T0) / MS;
	struct kw_stop stop = fresh();

	kw_stop_contain(&stop, T0, most);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), T0 + most * MS);
	kw_stop_contain(&stop, T0, most + 1);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), KW_NEVER);
	kw_stop_contain(&stop, T0, ~0ULL);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), KW_NEVER);
}

static void one_freeze_at_a_time(struct kunit *test)
{
	struct kw_stop stop = fresh();
	u64 wait = 7;

	KUNIT_EXPECT_EQ(test, freeze(&stop, T0, 100), 0);
	KUNIT_EXPECT_EQ(test, stop.why, KW_STOP_FROZEN);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0, 1), -EALREADY);
	KUNIT_EXPECT_EQ(test, kw_stop_freeze(&stop, &other, T0, 1, &wait), -EALREADY);
	KUNIT_EXPECT_EQ(test, wait, 7ULL);
	KUNIT_EXPECT_FALSE(test, kw_stop_thaw(&stop, &other, T0));
	KUNIT_EXPECT_TRUE(test, kw_stop_thaw(&stop, &me, T0));
	KUNIT_EXPECT_FALSE(test, kw_stop_thaw(&stop, &me, T0));
	KUNIT_EXPECT_FALSE(test, kw_stop_thaw(&stop, NULL, T0));
}

static void freeze_expires(struct kunit *test)
{
	struct kw_stop stop = fresh();

	freeze(&stop, T0, 100);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 100 * MS - 1), 0u);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 100 * MS), KW_STOP_FROZEN);
	KUNIT_EXPECT_FALSE(test, kw_stop_thaw(&stop, &me, T0 + 100 * MS));
}

static void both_hold_at_once(struct kunit *test)
{
	struct kw_stop stop = fresh();

	kw_stop_contain(&stop, T0, 300);
	freeze(&stop, T0, 100);
	KUNIT_EXPECT_EQ(test, stop.why, KW_STOP_CONTAINED | KW_STOP_FROZEN);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), T0 + 100 * MS);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 100 * MS), KW_STOP_FROZEN);
	KUNIT_EXPECT_EQ(test, stop.why, KW_STOP_CONTAINED);
	KUNIT_EXPECT_EQ(test, kw_stop_deadline(&stop), T0 + 300 * MS);
	freeze(&stop, T0 + 250 * MS, 100);
	KUNIT_EXPECT_EQ(test, kw_stop_expire(&stop, T0 + 500 * MS), KW_STOP_CONTAINED | KW_STOP_FROZEN);
	freeze(&stop, T0 + 600 * MS, 100);
	kw_stop_contain(&stop, T0 + 600 * MS, 0);
	kw_stop_release(&stop);
	KUNIT_EXPECT_EQ(test, stop.why, KW_STOP_FROZEN);
}

static void the_budget_is_a_second_at_first(struct kunit *test)
{
	struct kw_stop stop = fresh();

	KUNIT_EXPECT_EQ(test, freeze(&stop, T0, KVM_WARDEN_FREEZE_MAX_MS), 0);
	kw_stop_expire(&stop, T0 + 1000 * MS);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0 + 1000 * MS, 1), -EBUSY);
}

static void the_budget_says_when(struct kunit *test)
{
	struct kw_stop stop = fresh();
	u64 now = T0 + 1000 * MS, wait = 0;

	freeze(&stop, T0, KVM_WARDEN_FREEZE_MAX_MS);
	kw_stop_expire(&stop, now);
	KUNIT_EXPECT_EQ(test, kw_stop_freeze(&stop, &me, now, 50, &wait), -EBUSY);
	KUNIT_EXPECT_EQ(test, wait, 50ULL * MS * KVM_WARDEN_FREEZE_SHARE);
	KUNIT_EXPECT_EQ(test, freeze(&stop, now + wait - KVM_WARDEN_FREEZE_SHARE, 50), -EBUSY);
	KUNIT_EXPECT_EQ(test, freeze(&stop, now + wait, 50), 0);
}

static void the_budget_never_exceeds_its_start(struct kunit *test)
{
	struct kw_stop stop = fresh();
	u64 later = T0 + 1000000ULL * MS;

	freeze(&stop, later, KVM_WARDEN_FREEZE_MAX_MS);
	kw_stop_expire(&stop, later + 1000 * MS);
	KUNIT_EXPECT_EQ(test, freeze(&stop, later + 1000 * MS, 1), -EBUSY);
}

static void what_was_not_used_comes_back(struct kunit *test)
{
	struct kw_stop stop = fresh();
	int i;

	/* Each takes all, uses 1 ms or is charged that: 0 at its end would be free. */
	for (i = 0; i < 10; i++) {
		KUNIT_ASSERT_EQ(test, freeze(&stop, T0, 1000 - i), 0);
		KUNIT_ASSERT_TRUE(test, kw_stop_thaw(&stop, &me, T0));
	}
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0, 991), -EBUSY);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0, 990), 0);
}

static void what_ended_late_is_charged(struct kunit *test)
{
	struct kw_stop stop = fresh();

	freeze(&stop, T0, 100);
	kw_stop_expire(&stop, T0 + 400 * MS);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0 + 400 * MS, 601), -EBUSY);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0 + 400 * MS, 600), 0);
	kw_stop_expire(&stop, T0 + 9000 * MS);
	KUNIT_EXPECT_EQ(test, freeze(&stop, T0 + 9000 * MS, 1), -EBUSY);
}

static void a_tenth_at_most_in_the_long_run(struct kunit *test)
{
	struct kw_stop stop = fresh();
	u64 now, held = 0;

	for (now = T0; now < T0 + 60000 * MS; now += MS) {
		kw_stop_expire(&stop, now);
		held += stop.why ? MS : 0;
		if (!stop.why && !freeze(&stop, now, 37))
			held += MS;
	}
	/* The first second, and a tenth of the minute. */
	KUNIT_EXPECT_LE(test, held, 7000ULL * MS);
	KUNIT_EXPECT_GE(test, held, 5000ULL * MS);
}

static void a_clock_that_steps_back_does_no_harm(struct kunit *test)
{
	struct kw_stop stop = fresh();

	KUNIT_EXPECT_EQ(test, freeze(&stop, T0 - 500 * MS, 100), 0);
	KUNIT_EXPECT_TRUE(test, kw_stop_thaw(&stop, &me, T0 - 900 * MS));
	KUNIT_EXPECT_LE(test, stop.budget, (u64)KVM_WARDEN_FREEZE_MAX_MS * MS);
	KUNIT_EXPECT_GE(test, stop.budget, 990ULL * MS);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(contains_until_released),
	KUNIT_CASE(containment_expires),
	KUNIT_CASE(an_expiry_beyond_the_clock_is_never),
	KUNIT_CASE(one_freeze_at_a_time),
	KUNIT_CASE(freeze_expires),
	KUNIT_CASE(both_hold_at_once),
	KUNIT_CASE(the_budget_is_a_second_at_first),
	KUNIT_CASE(the_budget_says_when),
	KUNIT_CASE(the_budget_never_exceeds_its_start),
	KUNIT_CASE(what_was_not_used_comes_back),
	KUNIT_CASE(what_ended_late_is_charged),
	KUNIT_CASE(a_tenth_at_most_in_the_long_run),
	KUNIT_CASE(a_clock_that_steps_back_does_no_harm),
	{}
};

static struct kunit_suite suite = { .name = "kw_stop", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

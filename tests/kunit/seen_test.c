// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "seen.h"
#include "svm_reason.h"

static void changes_are_told_apart(struct kunit *test)
{
	struct kw_seen seen = { 0 };

	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 0, 0, 0), 0u);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 1, 0, 0), KW_CHANGED_CR3);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 1, 0, 0), 0u);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 1, 2, 0), KW_CHANGED_LSTAR);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 1, 2, 3), KW_CHANGED_IDTR);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 4, 5, 6),
			KW_CHANGED_CR3 | KW_CHANGED_LSTAR | KW_CHANGED_IDTR);
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 4, 5, 6), 0u);
	/* One high bit is a change: PCID and KPTI bits are part of CR3. */
	KUNIT_EXPECT_EQ(test, kw_seen_update(&seen, 4 | 1ULL << 63, 5, 6), KW_CHANGED_CR3);
}

static struct kw_recent recent[1 << KW_RECENT_BITS];

static void announced_once_a_second(struct kunit *test)
{
	unsigned long now;
	int news = 0;

	memset(recent, 0, sizeof(recent));
	for (now = 1000; now < 1000 + 10 * HZ; now++)
		news += kw_recent_is_new(recent, 0x5000, now);
	KUNIT_EXPECT_EQ(test, news, 10);
}

static void two_take_turns(struct kunit *test)
{
	memset(recent, 0, sizeof(recent));
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, 0x5000, 1));
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, 0x6000, 1));
	KUNIT_EXPECT_FALSE(test, kw_recent_is_new(recent, 0x5000, 2));
	KUNIT_EXPECT_FALSE(test, kw_recent_is_new(recent, 0x6000, 2));
}

/* Those that lie in the same places as the first, and that one. */
static u64 next_alike(u64 cr3)
{
	const u32 mask = ~(KW_RECENT_PLACES - 1);

	do {
		cr3 += 0x1000;
	} while ((hash_64(cr3, KW_RECENT_BITS) & mask) != (hash_64(0x1000, KW_RECENT_BITS) & mask));
	return cr3;
}

static void alike_ones_share_places(struct kunit *test)
{
	u64 cr3 = 0x1000;
	int i;

	memset(recent, 0, sizeof(recent));
	for (i = 0; i < KW_RECENT_PLACES; i++, cr3 = next_alike(cr3))
		KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, cr3, 1 + i));
	for (i = 0, cr3 = 0x1000; i < KW_RECENT_PLACES; i++, cr3 = next_alike(cr3))
		KUNIT_EXPECT_FALSE(test, kw_recent_is_new(recent, cr3, 1 + KW_RECENT_PLACES));
	/* One more takes the place of the first, which is announced again. */
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, cr3, 1 + KW_RECENT_PLACES));
	KUNIT_EXPECT_FALSE(test, kw_recent_is_new(recent, next_alike(0x1000), 1 + KW_RECENT_PLACES));
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, 0x1000, 1 + KW_RECENT_PLACES));
}

/* As many as a busy guest has: nearly all have a place. */
static void many_are_announced_once(struct kunit *test)
{
	u64 state = 1, cr3[100];
	int i, round, news = 0;

	memset(recent, 0, sizeof(recent));
	for (i = 0; i < ARRAY_SIZE(cr3); i++) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		cr3[i] = (state >> 30) << 12;
	}
	for (round = 0; round < 50; round++)
		for (i = 0; i < ARRAY_SIZE(cr3); i++)
			news += kw_recent_is_new(recent, cr3[i], 1);
	KUNIT_EXPECT_GE(test, news, 100);
	KUNIT_EXPECT_LE(test, news, 1000);	/* with a place each it is about 1900 */
}

static void jiffies_wrap(struct kunit *test)
{
	unsigned long now = -1UL;

	memset(recent, 0, sizeof(recent));
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, 0x7000, now));
	KUNIT_EXPECT_FALSE(test, kw_recent_is_new(recent, 0x7000, now + HZ / 2));
	KUNIT_EXPECT_TRUE(test, kw_recent_is_new(recent, 0x7000, now + HZ));
}

static unsigned long roots[BITS_TO_LONGS(1 << KW_ROOT_BITS)];

static unsigned int count_roots(unsigned int n)
{
	unsigned int i, found = 0;

	memset(roots, 0, sizeof(roots));
	for (i = 0; i < n; i++)
		found += kw_root_is_new(roots, 0x1000000ULL + i * 0x1000ULL);
	return found;
}

static void roots_are_counted_once(struct kunit *test)
{
	memset(roots, 0, sizeof(roots));
	KUNIT_EXPECT_TRUE(test, kw_root_is_new(roots, 0x5000));
	KUNIT_EXPECT_FALSE(test, kw_root_is_new(roots, 0x5000));
	KUNIT_EXPECT_FALSE(test, kw_root_is_new(roots, 0x5123));	/* another PCID */
	KUNIT_EXPECT_TRUE(test, kw_root_is_new(roots, 0x6000));
	KUNIT_EXPECT_GE(test, count_roots(1000), 950u);
	KUNIT_EXPECT_LE(test, count_roots(100000), 1u << KW_ROOT_BITS);
}

static u32 kinds[1 << KW_KIND_BITS];

static void kinds_of_msr_writes(struct kunit *test)
{
	memset(kinds, 0, sizeof(kinds));
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(0x10, 1, false)));
	KUNIT_EXPECT_FALSE(test, kw_kind_is_new(kinds, kw_msr_kind(0x10, 2, false)));
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(0x11, 1, false)));
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(0x10, 1, true)));
	/* What EFER switches on; what KVM refuses of it may be anything. */
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(KW_MSR_EFER, 0x501, false)));
	KUNIT_EXPECT_FALSE(test, kw_kind_is_new(kinds, kw_msr_kind(KW_MSR_EFER, 0x501, false)));
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(KW_MSR_EFER, 0x1501, false)));
	KUNIT_EXPECT_TRUE(test, kw_kind_is_new(kinds, kw_msr_kind(KW_MSR_EFER, ~0ULL, true)));
	KUNIT_EXPECT_FALSE(test, kw_kind_is_new(kinds, kw_msr_kind(KW_MSR_EFER, 0, true)));
}

/* More than an operating system makes are told once each, however often they come. */
static void a_hundred_kinds_have_room(struct kunit *test)
{
	unsigned int round, i, news = 0;

	memset(kinds, 0, sizeof(kinds));
	for (round = 0; round < 10; round++) {
		for (i = 0; i < 50; i++) {
			news += kw_kind_is_new(kinds, kw_msr_kind(0x800 + i, 0, false));
			news += kw_kind_is_new(kinds, kw_msr_kind(0xc0010000 + i, 0, false));
			news += kw_kind_is_new(kinds, kw_msr_kind(0x4b564d00 + i, 0, false));
		}
	}
	KUNIT_EXPECT_EQ(test, news, 150u);
}

/* Who fills the table does not hide behind it. */
static void a_full_table_is_not_blind(struct kunit *test)
{
	unsigned int i, news = 0;

	memset(kinds, 0, sizeof(kinds));
	for (i = 0; i < 100000; i++)
		kw_kind_is_new(kinds, kw_msr_kind(i, 0, true));
	for (i = 0; i < 1000; i++)
		news += kw_kind_is_new(kinds, kw_msr_kind(0x40000000 + i, 0, false));
	KUNIT_EXPECT_EQ(test, news, 1000u);
}

static void each_known_exit_has_its_slot(struct kunit *test)
{
	static const u32 known[] = { 0, 0x60, 0x72, 0x7b, 0xa5, 0x400, 0x403, ~0u };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		unsigned int slot = svm_reason_slot(known[i]);

		KUNIT_ASSERT_LT(test, slot, (unsigned int)KW_REASONS);
		KUNIT_EXPECT_EQ(test, svm_slot_reason(slot), known[i]);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, slot, svm_reason_slot(known[j]));
	}
}

/* The guest's own hypervisor, or a new CPU, may show any code. */
static void any_exit_stays_in_the_histogram(struct kunit *test)
{
	u32 reason;

	for (reason = 0; reason < 0x2000; reason++)
		KUNIT_ASSERT_LT(test, svm_reason_slot(reason), (unsigned int)KW_REASONS);
	for (reason = ~0u; reason > ~0u - 0x2000; reason--)
		KUNIT_ASSERT_EQ(test, svm_reason_slot(reason), KW_REASONS - 1u);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(changes_are_told_apart),
	KUNIT_CASE(announced_once_a_second),
	KUNIT_CASE(two_take_turns),
	KUNIT_CASE(alike_ones_share_places), KUNIT_CASE(many_are_announced_once),
	KUNIT_CASE(jiffies_wrap),
	KUNIT_CASE(roots_are_counted_once),
	KUNIT_CASE(kinds_of_msr_writes),
	KUNIT_CASE(a_hundred_kinds_have_room),
	KUNIT_CASE(a_full_table_is_not_blind),
	KUNIT_CASE(each_known_exit_has_its_slot),
	KUNIT_CASE(any_exit_stays_in_the_histogram),
	{}
};

static struct kunit_suite suite = { .name = "kw_seen", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

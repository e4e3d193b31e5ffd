// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "ranges.h"
#include "ring.h"

/* ---- ranges ---- */

static struct kw_range ranges[KVM_WARDEN_WATCH_PAGES];

static struct kw_range *add(u64 gpa, u64 len)
{
	struct kw_range *r = kw_range_free(ranges, kw_range_pages(gpa, len));

	if (r)
		*r = (struct kw_range){ .gpa = gpa, .len = len };
	return r;
}

static void pages_of_a_range(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kw_range_pages(0x1000, 1), 1ULL);
	KUNIT_EXPECT_EQ(test, kw_range_pages(0x1000, 4096), 1ULL);
	KUNIT_EXPECT_EQ(test, kw_range_pages(0x1000, 4097), 2ULL);
	KUNIT_EXPECT_EQ(test, kw_range_pages(0x1fff, 2), 2ULL);
	KUNIT_EXPECT_EQ(test, kw_range_pages(~0ULL, 1), 1ULL);
	KUNIT_EXPECT_GT(test, kw_range_pages(0, ~0ULL), (u64)KVM_WARDEN_WATCH_PAGES);
}

static void room_is_counted_in_pages(struct kunit *test)
{
	memset(ranges, 0, sizeof(ranges));
	KUNIT_EXPECT_NOT_NULL(test, add(0x10000, 15 * 4096));
	KUNIT_EXPECT_NULL(test, add(0x8fff, 2));
	KUNIT_EXPECT_NOT_NULL(test, add(0x8ff0, 16));
	KUNIT_EXPECT_NULL(test, add(0x9000, 1));
	KUNIT_EXPECT_PTR_EQ(test, kw_range_find(ranges, 0x8ff0, 15), (struct kw_range *)NULL);
	KUNIT_ASSERT_NOT_NULL(test, kw_range_find(ranges, 0x8ff0, 16));
	kw_range_find(ranges, 0x8ff0, 16)->len = 0;
	KUNIT_EXPECT_NOT_NULL(test, add(0x9000, 1));
}

static void a_write_that_touches_hits(struct kunit *test)
{
	struct kw_range *r;

	memset(ranges, 0, sizeof(ranges));
	r = add(0x1100, 8);
	KUNIT_EXPECT_PTR_EQ(test, kw_range_hit(ranges, 0x1100, 1), r);
	KUNIT_EXPECT_PTR_EQ(test, kw_range_hit(ranges, 0x10f9, 8), r);
	KUNIT_EXPECT_PTR_EQ(test, kw_range_hit(ranges, 0x1107, 8), r);
	KUNIT_EXPECT_PTR_EQ(test, kw_range_hit(ranges, 0x1000, 4096), r);
	KUNIT_EXPECT_NULL(test, kw_range_hit(ranges, 0x10f8, 8));
	KUNIT_EXPECT_NULL(test, kw_range_hit(ranges, 0x1108, 1));
	/* At the end of the address space. */
	r = add(~0ULL - 3, 4);
	KUNIT_EXPECT_PTR_EQ(test, kw_range_hit(ranges, ~0ULL, 1), r);
	KUNIT_EXPECT_NULL(test, kw_range_hit(ranges, 0, 8));
}

static void a_page_is_tracked_by_its_bit(struct kunit *test)
{
	struct kw_range *r;

	memset(ranges, 0, sizeof(ranges));
	r = add(0x1ff0, 0x1020);
	KUNIT_EXPECT_FALSE(test, kw_range_tracks(r, 1));
	r->pages = BIT(0) | BIT(2);
	KUNIT_EXPECT_TRUE(test, kw_range_tracks(r, 1));
	KUNIT_EXPECT_FALSE(test, kw_range_tracks(r, 2));
	KUNIT_EXPECT_TRUE(test, kw_range_tracks(r, 3));
	KUNIT_EXPECT_FALSE(test, kw_range_tracks(r, 0));
	KUNIT_EXPECT_FALSE(test, kw_range_tracks(r, 1 + (1ULL << 32)));
	r->len = 0;
	KUNIT_EXPECT_FALSE(test, kw_range_tracks(r, 1));
}

/* ---- the ring ---- */

static struct kw_ring ring;

static void put(u64 seq, u32 flags)
{
	struct kvm_warden_write record = { .seq = seq, .flags = flags };

	kw_ring_put(&ring, &record);
}

static void records_come_in_order(struct kunit *test)
{
	struct kvm_warden_write record;
	u64 in = 0, out = 0;
	int i;

	memset(&ring, 0, sizeof(ring));
	KUNIT_EXPECT_FALSE(test, kw_ring_peek(&ring, &record));
	for (i = 0; i < 1000; i++) {	/* round and round */
		put(++in, 0);
		put(++in, 0);
		KUNIT_ASSERT_TRUE(test, kw_ring_peek(&ring, &record));
		KUNIT_ASSERT_EQ(test, record.seq, ++out);
		kw_ring_drop(&ring);
		if (ring.count > 100)
			for (; ring.count; kw_ring_drop(&ring))
				out++;
	}
	KUNIT_EXPECT_EQ(test, ring.lost, 0ULL);
}

static void what_ends_has_room_in_a_flood(struct kunit *test)
{
	struct kvm_warden_write record;
	u64 i;

	memset(&ring, 0, sizeof(ring));
	for (i = 1; i <= 1000; i++)
		put(i, 0);
	KUNIT_EXPECT_EQ(test, ring.count, (u32)(KW_RING_SIZE - KW_RING_RESERVE));
	KUNIT_EXPECT_EQ(test, ring.lost, 1000ULL - ring.count);
	for (i = 0; i < KW_RING_RESERVE; i++)
		put(0, KVM_WARDEN_WRITE_ENDED);
	KUNIT_EXPECT_EQ(test, ring.count, (u32)KW_RING_SIZE);
	put(0, KVM_WARDEN_WRITE_ENDED);
	KUNIT_EXPECT_EQ(test, ring.count, (u32)KW_RING_SIZE);
	/* Each says what was lost before it. */
	KUNIT_ASSERT_TRUE(test, kw_ring_peek(&ring, &record));
	KUNIT_EXPECT_EQ(test, record.lost, 0ULL);
	while (ring.count > 1)
		kw_ring_drop(&ring);
	KUNIT_ASSERT_TRUE(test, kw_ring_peek(&ring, &record));
	KUNIT_EXPECT_EQ(test, record.flags, KVM_WARDEN_WRITE_ENDED);
	KUNIT_EXPECT_EQ(test, record.lost, 1000ULL - (KW_RING_SIZE - KW_RING_RESERVE));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(pages_of_a_range),
	KUNIT_CASE(room_is_counted_in_pages),
	KUNIT_CASE(a_write_that_touches_hits),
	KUNIT_CASE(a_page_is_tracked_by_its_bit),
	KUNIT_CASE(records_come_in_order),
	KUNIT_CASE(what_ends_has_room_in_a_flood),
	{}
};

static struct kunit_suite suite = { .name = "kw_watch", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

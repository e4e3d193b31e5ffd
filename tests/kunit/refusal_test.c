// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "refusal.h"

static const u8 mine[KW_BUILD_ID] = { 0x01, 0xab, [KW_BUILD_ID - 1] = 0xff };

static void the_same_build_is_known(struct kunit *test)
{
	char why[160] = "untouched";

	KUNIT_EXPECT_TRUE(test, kw_build_is_known("kvm", mine, mine, why, sizeof(why)));
	KUNIT_EXPECT_STREQ(test, why, "untouched");
}

static void another_build_is_refused_by_name(struct kunit *test)
{
	u8 other[KW_BUILD_ID];
	char why[200];

	memcpy(other, mine, sizeof(other));
	other[KW_BUILD_ID - 1] ^= 1;
	KUNIT_EXPECT_FALSE(test, kw_build_is_known("kvm_amd", other, mine, why, sizeof(why)));
	KUNIT_EXPECT_STREQ(test, why,
		"refused: kvm_amd has build-id 01ab0000000000000000000000000000000000fe, "
		"this module was built for 01ab0000000000000000000000000000000000ff: "
		"rebuild it for the running kernel");
}

static void no_build_id_is_refused(struct kunit *test)
{
	char why[160];

	KUNIT_EXPECT_FALSE(test, kw_build_is_known("kvm", NULL, mine, why, sizeof(why)));
	KUNIT_EXPECT_STREQ(test, why,
		"refused: kvm carries no build-id: it cannot be told apart from another build");
}

static void little_room_cuts_the_reason(struct kunit *test)
{
	char why[24];

	memset(why, 'x', sizeof(why));
	KUNIT_EXPECT_FALSE(test, kw_build_is_known("kvm", NULL, mine, why, 16));
	KUNIT_EXPECT_STREQ(test, why, "refused: kvm ca");
	KUNIT_EXPECT_EQ(test, why[16], 'x');
}

static struct kunit_case cases[] = {
	KUNIT_CASE(the_same_build_is_known),
	KUNIT_CASE(another_build_is_refused_by_name),
	KUNIT_CASE(no_build_id_is_refused),
	KUNIT_CASE(little_room_cuts_the_reason),
	{}
};

static struct kunit_suite suite = { .name = "kw_refusal", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

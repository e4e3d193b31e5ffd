// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "svm_reason.h"
#include "vmx_reason.h"

/* What is counted in a slot is told by the reason that it was. */
static void each_reason_of_amd_has_its_slot(struct kunit *test)
{
	static const u32 reasons[] = { 0, 0x40, 0x60, 0x72, 0x7b, 0xa5, 0x400, 0x403 };
	int i;

	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		KUNIT_EXPECT_LT(test, svm_reason_slot(reasons[i]), KW_REASONS - 1);
		KUNIT_EXPECT_EQ(test, svm_slot_reason(svm_reason_slot(reasons[i])), reasons[i]);
	}
}

static void each_reason_of_intel_has_its_slot(struct kunit *test)
{
	u32 reason;

	for (reason = 0; reason <= 85; reason++) {
		KUNIT_EXPECT_EQ(test, vmx_reason_slot(reason), reason);
		KUNIT_EXPECT_EQ(test, vmx_slot_reason(vmx_reason_slot(reason)), reason);
	}
}

/* A failed entry (bit 31) and an enclave (bit 27) are flags beside the reason. */
static void flags_of_intel_are_no_reason(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, vmx_reason_slot(0x80000021), 0x21);
	KUNIT_EXPECT_EQ(test, vmx_reason_slot(0x08000001), 1);
}

/* The last slot is for what is no reason: all ones is "not read". */
static void the_rest_is_other(struct kunit *test)
{
	static const u32 strange[] = { ~0u, 0xff, 0x100, 0xffff, 0x7fff };
	int i;

	for (i = 0; i < ARRAY_SIZE(strange); i++) {
		KUNIT_EXPECT_EQ(test, svm_reason_slot(strange[i]), KW_REASONS - 1);
		KUNIT_EXPECT_EQ(test, vmx_reason_slot(strange[i]), KW_REASONS - 1);
	}
	KUNIT_EXPECT_EQ(test, svm_slot_reason(KW_REASONS - 1), ~0u);
	KUNIT_EXPECT_EQ(test, vmx_slot_reason(KW_REASONS - 1), ~0u);
}

/* A guest may cause any exit: no slot is outside the histogram. */
static void no_reason_is_outside(struct kunit *test)
{
	u32 reason;

	for (reason = 0; reason <= 0x1ffff; reason++) {
		if (svm_reason_slot(reason) < KW_REASONS && vmx_reason_slot(reason) < KW_REASONS)
			continue;
		KUNIT_FAIL(test, "reason %#x", reason);
		return;
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(each_reason_of_amd_has_its_slot),
	KUNIT_CASE(each_reason_of_intel_has_its_slot),
	KUNIT_CASE(flags_of_intel_are_no_reason),
	KUNIT_CASE(the_rest_is_other),
	KUNIT_CASE(no_reason_is_outside),
	{}
};

static struct kunit_suite suite = { .name = "kw_reason", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

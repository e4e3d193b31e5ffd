// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <uapi/linux/kvm_warden.h>

#include "level.h"

static const u32 levels[] = {
	KVM_WARDEN_LEVEL_OFF, KVM_WARDEN_LEVEL_METADATA, KVM_WARDEN_LEVEL_CONTENT,
};

static void each_name_is_its_level(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(levels); i++)
		KUNIT_EXPECT_EQ(test, kw_level_parse(kw_level_name(levels[i])), (int)levels[i]);
	KUNIT_EXPECT_STREQ(test, kw_level_name(KVM_WARDEN_LEVEL_OFF), "off");
	KUNIT_EXPECT_STREQ(test, kw_level_name(KVM_WARDEN_LEVEL_METADATA), "metadata");
	KUNIT_EXPECT_STREQ(test, kw_level_name(KVM_WARDEN_LEVEL_CONTENT), "content");
}

static void one_newline_may_follow(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kw_level_parse("off\n"), KVM_WARDEN_LEVEL_OFF);
	KUNIT_EXPECT_EQ(test, kw_level_parse("content\n"), KVM_WARDEN_LEVEL_CONTENT);
	KUNIT_EXPECT_EQ(test, kw_level_parse("off\n\n"), -EINVAL);
	KUNIT_EXPECT_EQ(test, kw_level_parse("\noff"), -EINVAL);
}

static void anything_else_is_refused(struct kunit *test)
{
	static const char *const names[] = {
		"", "\n", " ", "of", "offf", "OFF", "Content", " off", "off ", "off\t", "contents",
		"0", "1", "2", "-1", "metadata content", "\xff",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		KUNIT_EXPECT_EQ_MSG(test, kw_level_parse(names[i]), -EINVAL, "\"%s\"", names[i]);
}

static void the_default_is_content_until_set(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kw_level_default(), KVM_WARDEN_LEVEL_CONTENT);
	kw_level_set_default(KVM_WARDEN_LEVEL_OFF);
	KUNIT_EXPECT_EQ(test, kw_level_default(), KVM_WARDEN_LEVEL_OFF);
	kw_level_set_default(KVM_WARDEN_LEVEL_CONTENT);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(each_name_is_its_level),
	KUNIT_CASE(one_newline_may_follow),
	KUNIT_CASE(anything_else_is_refused),
	KUNIT_CASE(the_default_is_content_until_set),
	{}
};

static struct kunit_suite suite = { .name = "kw_level", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

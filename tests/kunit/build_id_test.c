// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>

#include "compat/build_id.h"

static struct kw_build_id_note good(void)
{
	struct kw_build_id_note note = {
		.name_size = 4, .id_size = KW_BUILD_ID, .type = 3, .name = "GNU",
		.id = { 0x01, 0xab, [KW_BUILD_ID - 1] = 0xff },
	};

	return note;
}

static const u8 *found_in(const char *name, void *note, size_t size)
{
	struct bin_attribute a = { .attr = { .name = name }, .size = size, .private = note };

	return kw_note_build_id(&a);
}

static const u8 *found(struct kw_build_id_note *note)
{
	return found_in(".note.gnu.build-id", note, sizeof(*note));
}

static void a_build_id_is_found(struct kunit *test)
{
	struct kw_build_id_note note = good();

	KUNIT_EXPECT_PTR_EQ(test, found(&note), (const u8 *)note.id);
}

static void another_note_is_none(struct kunit *test)
{
	struct kw_build_id_note note = good();

	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.property", &note, sizeof(note)));
	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id2", &note, sizeof(note)));
	KUNIT_EXPECT_NULL(test, found_in("", &note, sizeof(note)));
}

/* What is behind the end of a short one is never looked at: a sanitizer would tell. */
static void a_short_note_is_none(struct kunit *test)
{
	struct kw_build_id_note note = good();
	size_t size;
	u8 *copy;

	for (size = 0; size < sizeof(note); size++) {
		copy = kunit_kzalloc(test, size ?: 1, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, copy);
		memcpy(copy, &note, size);
		KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id", copy, size));
	}
	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id", NULL, sizeof(note)));
}

static void a_long_note_is_none(struct kunit *test)
{
	struct kw_build_id_note two[2] = { good(), good() };

	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id", two, sizeof(two[0]) + 1));
	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id", two, sizeof(two)));
	KUNIT_EXPECT_NULL(test, found_in(".note.gnu.build-id", two, SIZE_MAX));
}

/* Its own sizes are compared, and lead nowhere. */
static void sizes_that_lie_are_none(struct kunit *test)
{
	static const u32 lies[] = { 0, 3, 5, 16, 19, 21, 0x80000000, U32_MAX - 3, U32_MAX };
	struct kw_build_id_note note;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		note = good();
		note.name_size = lies[i];
		KUNIT_EXPECT_NULL(test, found(&note));
		note = good();
		note.id_size = lies[i];
		KUNIT_EXPECT_NULL(test, found(&note));
	}
}

static void another_owner_or_type_is_none(struct kunit *test)
{
	struct kw_build_id_note note = good();

	note.type = 1;
	KUNIT_EXPECT_NULL(test, found(&note));
	note = good();
	note.name[3] = 'X';
	KUNIT_EXPECT_NULL(test, found(&note));
	memcpy(note.name, "Xen", 4);
	KUNIT_EXPECT_NULL(test, found(&note));
}

static void an_unaligned_note_is_read(struct kunit *test)
{
	struct kw_build_id_note note = good();
	u8 room[sizeof(note) + 8];
	unsigned int i;

	for (i = 1; i < 8; i++) {
		memcpy(room + i, &note, sizeof(note));
		KUNIT_EXPECT_PTR_EQ(test, found((void *)(room + i)), (const u8 *)room + i + 16);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(a_build_id_is_found),
	KUNIT_CASE(another_note_is_none),
	KUNIT_CASE(a_short_note_is_none),
	KUNIT_CASE(a_long_note_is_none),
	KUNIT_CASE(sizes_that_lie_are_none),
	KUNIT_CASE(another_owner_or_type_is_none),
	KUNIT_CASE(an_unaligned_note_is_read),
	{}
};

static struct kunit_suite suite = { .name = "kw_build_id", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
#include <kunit/test.h>
#include <linux/mm.h>
#include <uapi/linux/kvm_warden.h>

#include "check.h"

#define GOOD(call) KUNIT_EXPECT_EQ(test, call, 0)
#define BAD(call) KUNIT_EXPECT_EQ(test, call, -EINVAL)

static void next_guest(struct kunit *test)
{
	GOOD(kw_check_next_guest(&(struct kvm_warden_guest_info){ .guest = ~0ULL }));
	BAD(kw_check_next_guest(&(struct kvm_warden_guest_info){ .reserved = 1ULL << 63 }));
	/* The last answer is the next question. */
	GOOD(kw_check_next_guest(&(struct kvm_warden_guest_info){ .level = 2, .address_spaces = 9 }));
}

static void open_guest(struct kunit *test)
{
	GOOD(kw_check_open(&(struct kvm_warden_open){ .guest = ~0ULL }));
	BAD(kw_check_open(&(struct kvm_warden_open){ .flags = 1 }));
	BAD(kw_check_open(&(struct kvm_warden_open){ .reserved = 1u << 31 }));
}

static void contain(struct kunit *test)
{
	GOOD(kw_check_contain(&(struct kvm_warden_contain){ .guest = 1, .expiry_ms = ~0ULL }));
	BAD(kw_check_contain(&(struct kvm_warden_contain){ .flags = 1 }));
	BAD(kw_check_contain(&(struct kvm_warden_contain){ .reserved = 1 }));
}

static void counts(struct kunit *test)
{
	GOOD(kw_check_counts(&(struct kvm_warden_counts){ .guest = 1, .delivered = ~0ULL, .missed = 2 }));
	BAD(kw_check_counts(&(struct kvm_warden_counts){ .reserved[2] = 1 }));
}

static void registers(struct kunit *test)
{
	GOOD(kw_check_regs(&(struct kvm_warden_regs){ .vcpu = ~0u }));
	BAD(kw_check_regs(&(struct kvm_warden_regs){ .reserved0 = 1 }));
	GOOD(kw_check_regs(&(struct kvm_warden_regs){ .flags = KVM_WARDEN_REGS_FRESH }));
	GOOD(kw_check_regs(&(struct kvm_warden_regs){ .flags = 0xf }));	/* an answer */
	BAD(kw_check_regs(&(struct kvm_warden_regs){ .flags = 0x10 }));
	BAD(kw_check_regs(&(struct kvm_warden_regs){ .reserved = { 0, 0, 0, 1 } }));
}

static void memslots(struct kunit *test)
{
	GOOD(kw_check_memslots(&(struct kvm_warden_memslots){ .count = 0 }));
	GOOD(kw_check_memslots(&(struct kvm_warden_memslots){ .count = KVM_WARDEN_MAX_SLOTS }));
	BAD(kw_check_memslots(&(struct kvm_warden_memslots){ .count = KVM_WARDEN_MAX_SLOTS + 1 }));
	BAD(kw_check_memslots(&(struct kvm_warden_memslots){ .reserved = 1 }));
}

static void reads(struct kunit *test)
{
	GOOD(kw_check_read(&(struct kvm_warden_read){ .count = KVM_WARDEN_MAX_SEGMENTS }));
	BAD(kw_check_read(&(struct kvm_warden_read){ .count = KVM_WARDEN_MAX_SEGMENTS + 1 }));
	GOOD(kw_check_read(&(struct kvm_warden_read){ .flags = KVM_WARDEN_READ_FAULT }));
	BAD(kw_check_read(&(struct kvm_warden_read){ .flags = KVM_WARDEN_READ_FAULT << 1 }));
	BAD(kw_check_read(&(struct kvm_warden_read){ .flags = ~0u }));
}

static void segments(struct kunit *test)
{
	GOOD(kw_check_segment(&(struct kvm_warden_segment){ .len = KVM_WARDEN_MAX_SEGMENT }));
	BAD(kw_check_segment(&(struct kvm_warden_segment){ .len = KVM_WARDEN_MAX_SEGMENT + 1 }));
	BAD(kw_check_segment(&(struct kvm_warden_segment){ .reserved = 1 }));
	GOOD(kw_check_segment(&(struct kvm_warden_segment){ .gpa = ~0ULL - 8, .len = 8 }));
	BAD(kw_check_segment(&(struct kvm_warden_segment){ .gpa = ~0ULL - 8, .len = 10 }));
}

static void maps(struct kunit *test)
{
	GOOD(kw_check_map(&(struct kvm_warden_map){ .size = PAGE_SIZE }));
	GOOD(kw_check_map(&(struct kvm_warden_map){ .gpa = 0x100000000ULL, .size = 1ULL << 40 }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .size = 0 }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .gpa = 1, .size = PAGE_SIZE }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .size = PAGE_SIZE + 1 }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .gpa = ~0ULL << PAGE_SHIFT, .size = 2 * PAGE_SIZE }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .gpa = PAGE_SIZE, .size = ~0ULL << PAGE_SHIFT }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .size = PAGE_SIZE, .flags = 1 }));
	BAD(kw_check_map(&(struct kvm_warden_map){ .size = PAGE_SIZE, .reserved = 1 }));
}

static void freezes(struct kunit *test)
{
	struct kvm_warden_freeze f = { .timeout_ms = 0, .vcpus = 7, .parked = 7, .outside = 7,
				       .took_ns = 7, .wait_ns = 7 };

	GOOD(kw_check_freeze(&f));
	KUNIT_EXPECT_EQ(test, f.timeout_ms, (u32)KVM_WARDEN_FREEZE_DEFAULT_MS);
	KUNIT_EXPECT_EQ(test, f.vcpus + f.parked + f.outside, 0u);
	KUNIT_EXPECT_EQ(test, f.took_ns + f.wait_ns, 0ULL);
	f = (struct kvm_warden_freeze){ .timeout_ms = KVM_WARDEN_FREEZE_MAX_MS };
	GOOD(kw_check_freeze(&f));
	KUNIT_EXPECT_EQ(test, f.timeout_ms, (u32)KVM_WARDEN_FREEZE_MAX_MS);
	BAD(kw_check_freeze(&(struct kvm_warden_freeze){ .timeout_ms = KVM_WARDEN_FREEZE_MAX_MS + 1 }));
	BAD(kw_check_freeze(&(struct kvm_warden_freeze){ .timeout_ms = ~0u }));
	BAD(kw_check_freeze(&(struct kvm_warden_freeze){ .flags = 1 }));
	BAD(kw_check_freeze(&(struct kvm_warden_freeze){ .reserved0 = 1 }));
	BAD(kw_check_freeze(&(struct kvm_warden_freeze){ .reserved = { 0, 1 } }));
}

static void watches(struct kunit *test)
{
	GOOD(kw_check_watch(&(struct kvm_warden_watch){ .gpa = 1, .len = 1 }));
	GOOD(kw_check_watch(&(struct kvm_warden_watch){ .gpa = ~0ULL, .len = 1 }));
	BAD(kw_check_watch(&(struct kvm_warden_watch){ .gpa = 1 }));
	BAD(kw_check_watch(&(struct kvm_warden_watch){ .gpa = ~0ULL, .len = 2 }));
	BAD(kw_check_watch(&(struct kvm_warden_watch){ .len = 1, .flags = 1 }));
	BAD(kw_check_watch(&(struct kvm_warden_watch){ .len = 1, .reserved = 1 }));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(next_guest),
	KUNIT_CASE(open_guest),
	KUNIT_CASE(contain),
	KUNIT_CASE(counts),
	KUNIT_CASE(registers),
	KUNIT_CASE(memslots),
	KUNIT_CASE(reads),
	KUNIT_CASE(segments),
	KUNIT_CASE(maps),
	KUNIT_CASE(freezes),
	KUNIT_CASE(watches),
	{}
};

static struct kunit_suite suite = { .name = "kw_check", .test_cases = cases };

kunit_test_suite(suite);
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-or-later
/* Whether the kernel that was found is the one that the vCPUs run. */
#include "test_introspect_guest.h"

#include "introspect/inuse.h"

#define OURS 0x80000u			/* page tables */
#define THEIRS 0x90000u
#define NOTHING 0xa0000u
#define BANNER 0xffffffff81200100ull

static struct kvm_warden_regs regs[2], fresh[2];
static uint32_t nvcpus;

static int give_registers(struct guest_memory *m, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	if (vcpu >= nvcpus)
		return -ENXIO;
	*ret = ret->flags & KVM_WARDEN_REGS_FRESH ? fresh[vcpu] : regs[vcpu];
	return 0;
}

static const struct guest_memory_ops ops = { ram_read, give_registers, NULL };

/* 6 MiB of an image from 0xffffffff81000000 on. */
static void map_image(uint64_t root, uint64_t pa)
{
	put64(root + 511 * 8, (root + 0x2000) | PRESENT_RW);
	put64(root + 0x2000 + 510 * 8, (root + 0x3000) | PRESENT_RW);
	for (uint64_t i = 0; i < 3; i++)
		put64(root + 0x3000 + (8 + i) * 8, (pa + (i << 21)) | PTE_PRESENT | PTE_LARGE);
}

static void both(uint32_t vcpu, uint64_t cr3)
{
	const struct kvm_warden_regs r = { .cr0 = 1ull << 31, .efer = 1ull << 10, .cr3 = cr3 };

	regs[vcpu] = fresh[vcpu] = r;
}

static int setup(void **state)
{
	guest_setup(state);
	mem.ops = &ops;
	map_image(OURS, 2 << 21);
	map_image(THEIRS, 4 << 21);
	k.as.root = OURS;
	k.symbol[SYM_LINUX_BANNER].address = BANNER;
	nvcpus = 1;
	both(0, OURS);
	both(1, OURS);
	return 0;
}

static void test_the_same(void **state)
{
	assert_int_equal(kernel_in_use(&k), 0);
	/* A process of its own tables, and KPTI's user half of it. */
	map_image(0xb0000, 2 << 21);
	both(0, 0xb0000);
	assert_int_equal(kernel_in_use(&k), 0);
	both(0, 0xb1000);
	assert_int_equal(kernel_in_use(&k), 0);
}

/* kexec: the old one lies there as it was. */
static void test_another(void **state)
{
	both(0, THEIRS);
	assert_int_equal(kernel_in_use(&k), -ESTALE);
	both(0, THEIRS | 0x1000);
	assert_int_equal(kernel_in_use(&k), -ESTALE);
	/* A vCPU that it left halted in the old one does not count, nor firmware's. */
	nvcpus = 2;
	both(0, THEIRS);
	assert_int_equal(kernel_in_use(&k), -ESTALE);
	both(0, NOTHING);
	assert_int_equal(kernel_in_use(&k), 0);
}

static void test_no_kernel(void **state)
{
	both(0, NOTHING);
	assert_int_equal(kernel_in_use(&k), -ESTALE);
	nvcpus = 0;
	assert_int_equal(kernel_in_use(&k), 0);
	/* A guest's guest: nobody knows. */
	nvcpus = 1;
	regs[0].flags = fresh[0].flags = KVM_WARDEN_REGS_GUEST_MODE;
	assert_int_equal(kernel_in_use(&k), 0);
}

/* Its process has ended since, and its tables are another's memory. */
static void test_old_registers(void **state)
{
	regs[0].cr3 = NOTHING;
	assert_int_equal(kernel_in_use(&k), 0);
	regs[0].cr3 = OURS;
	fresh[0].cr3 = NOTHING;
	assert_int_equal(kernel_in_use(&k), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_same), T(test_another), T(test_no_kernel), T(test_old_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

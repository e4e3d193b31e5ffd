// SPDX-License-Identifier: GPL-2.0-or-later
/* From registers to a kernel: what is said when there is none. */
#include "test_introspect_guest.h"

#include <sodium.h>

#include "introspect/image.h"
#include "introspect/look.h"

#define PML4 0x80000u
#define IMAGE 0xffffffff81000000ull

static struct kvm_warden_regs regs[2];
static int regs_error;
static uint32_t nvcpus;
static char why[WHY_SIZE];
static struct image_map map;

static int give_registers(struct guest_memory *m, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	if (regs_error)
		return regs_error;
	if (vcpu >= nvcpus)
		return -ENXIO;
	*ret = regs[vcpu];
	return 0;
}

static const struct guest_memory_ops ops = { ram_read, give_registers, NULL };

static int setup(void **state)
{
	guest_setup(state);
	mem.ops = &ops;
	regs_error = 0;
	nvcpus = 1;
	memset(regs, 0, sizeof(regs));
	for (int i = 0; i < 2; i++) {
		regs[i].cr0 = 1ull << 31;
		regs[i].efer = 1ull << 10;
		regs[i].cr3 = PML4;
		regs[i].lstar = 0xffffffff81a00000ull;
	}
	put64(PML4 + 511 * 8, (PML4 + 0x2000) | PRESENT_RW);
	put64(PML4 + 0x2000 + 510 * 8, (PML4 + 0x3000) | PRESENT_RW);
	return 0;
}

static int teardown(void **state)
{
	image_map_free(&map);
	return guest_teardown(state);
}

/* 2 MiB of the image, i-th from IMAGE on. */
static void map_image(unsigned i, uint64_t pa, uint64_t flags)
{
	put64(PML4 + 0x3000 + (8 + i) * 8, pa | flags | PTE_PRESENT | PTE_LARGE);
}

static enum discovery discover(void)
{
	return kernel_discover(&mem, &k, why);
}

static void assert_why(const char *part)
{
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void test_no_registers(void **state)
{
	nvcpus = 0;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("no registers");
}

static void test_gone_and_encrypted(void **state)
{
	regs_error = -ENODEV;
	assert_int_equal(discover(), DISCOVERY_GONE);
	regs_error = -EPERM;
	assert_int_equal(discover(), DISCOVERY_NEVER);
	assert_why("encrypted");
}

static void test_real_mode(void **state)
{
	regs[0].cr0 = 0;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("boot loader");
	regs[0].cr0 = 1ull << 31;
	regs[0].efer = 0;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	regs[0].flags = KVM_WARDEN_REGS_GUEST_MODE;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("guest of its own");
}

/* A reboot: the old kernel lies in memory, and firmware runs. */
static void test_kernel_that_no_longer_runs(void **state)
{
	nvcpus = 2;
	assert_true(kernel_runs(&mem));
	regs[0].cr0 = 0;
	assert_true(kernel_runs(&mem));
	regs[1].efer = 0;
	assert_false(kernel_runs(&mem));
	regs_error = -ENXIO;
	assert_true(kernel_runs(&mem));
}

static void test_windows(void **state)
{
	regs[0].lstar = 0xfffff80312345678ull;
	assert_int_equal(discover(), DISCOVERY_NEVER);
	assert_why("not Linux");
}

static void test_nothing_mapped(void **state)
{
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("no Linux kernel");
	regs[0].cr3 = 0x000ffffffffff000ull;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
}

static void map_empty_kernel(void)
{
	for (unsigned i = 0; i < 3; i++)
		map_image(i, i << 21, 0);
	map_image(3, 3 << 21, PTE_NX);
	map_image(4, 4 << 21, PTE_NX | PTE_WRITE);
}

static void test_image_without_btf(void **state)
{
	map_empty_kernel();
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("no BTF");
}

/* KPTI: CR3 of the user half has bit 12 set and maps next to nothing. */
static void test_user_half(void **state)
{
	map_empty_kernel();
	regs[0].cr3 = PML4 | 0x1000;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_int_equal(k.as.root, PML4);
	assert_why("no BTF");
}

static void test_second_vcpu(void **state)
{
	map_empty_kernel();
	nvcpus = 2;
	regs[0].cr0 = 0;
	assert_int_equal(discover(), DISCOVERY_NOT_YET);
	assert_why("no BTF");
}

static struct address_space space(void)
{
	return (struct address_space){ &mem, NULL, PML4, 4 };
}

static void test_runs(void **state)
{
	struct address_space as = space();
	uint64_t missing = 0;
	uint8_t *bytes;
	int r;

	map_empty_kernel();
	ram[(3u << 21) + 5] = 0x42;
	assert_int_equal(image_map_read(&as, &map), 0);
	assert_int_equal(map.runs, 3);
	assert_int_equal(map.mapped, 5u << 21);
	assert_int_equal(map.run[0].end - map.run[0].start, 3u << 21);
	assert_true(map.run[1].nx && !map.run[1].write && map.run[2].write);
	bytes = image_read(&mem, &map, &map.run[1], &missing, &r);
	assert_non_null(bytes);
	assert_int_equal(bytes[5], 0x42);
	free(bytes);
	image_merge(&map);
	assert_int_equal(map.runs, 1);
	assert_int_equal(map.run[0].pieces, 5);
}

static void put_gate(uint64_t idt_pa, unsigned i, uint64_t to, bool present)
{
	put32(idt_pa + 16 * i, (to & 0xffff) | 0x100000);
	put32(idt_pa + 16 * i + 4, (to & 0xffff0000) | (present ? 0x8e00 : 0));
	put32(idt_pa + 16 * i + 8, to >> 32);
}

static void test_text_by_gates(void **state)
{
	struct address_space as = space();

	/* A larger executable run, of modules, behind a small one of the kernel. */
	map_image(0, 0, 0);
	map_image(4, 1 << 21, 0);
	map_image(5, 2 << 21, 0);
	map_image(6, 3 << 21, PTE_NX);
	for (unsigned i = 0; i < 20; i++)
		put_gate(3 << 21, i, IMAGE + 0x100 * i, true);
	for (unsigned i = 20; i < 200; i++)
		put_gate(3 << 21, i, IMAGE + (4ull << 21), false);
	assert_int_equal(image_map_read(&as, &map), 0);
	assert_int_equal(image_text(&as, &map, IMAGE + (6ull << 21)), IMAGE);
	/* No gates: the largest run. */
	assert_int_equal(image_text(&as, &map, 0), IMAGE + (4ull << 21));
	assert_int_equal(image_text(&as, &map, 0x1234), IMAGE + (4ull << 21));
}

static void test_endless_tables(void **state)
{
	struct address_space as = space();

	for (unsigned i = 0; i < 512; i++) {
		put64(PML4 + i * 8, PML4 | PRESENT_RW);
	}
	assert_int_equal(image_map_read(&as, &map), 0);
	assert_true(map.pieces <= MAX_PIECES);
}

static void test_state_of_the_introspector(void **state)
{
	static struct introspector in;
	bool changed;

	assert_int_equal(introspector_init(&in, &mem), 0);
	nvcpus = 0;
	assert_false(introspector_ready(&in, &changed));
	assert_true(changed);
	assert_int_equal(in.state.state, KERNEL_LOOKING);
	/* Asked again at once: nothing new is tried or said. */
	regs_error = -EPERM;
	assert_false(introspector_ready(&in, &changed));
	assert_false(changed);
	in.retry_ns = 0;
	assert_false(introspector_ready(&in, &changed));
	assert_true(changed);
	assert_int_equal(in.state.state, KERNEL_UNOBSERVABLE);
	assert_string_not_equal(in.state.why, "");
	regs_error = -ENODEV;
	in.retry_ns = 0;
	assert_false(introspector_ready(&in, &changed));
	assert_true(in.gone);
	introspector_free(&in);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_no_registers), T(test_gone_and_encrypted), T(test_real_mode),
		T(test_windows), T(test_kernel_that_no_longer_runs),
		T(test_nothing_mapped), T(test_image_without_btf),
		T(test_user_half), T(test_second_vcpu), T(test_runs), T(test_text_by_gates),
		T(test_endless_tables), T(test_state_of_the_introspector),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

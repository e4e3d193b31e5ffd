// SPDX-License-Identifier: GPL-2.0-or-later
/* What a kernel says of itself, and its list of modules, honest and broken. */
#include "test_introspect_guest.h"

#include "introspect/facts.h"
#include "introspect/kerneltell.h"

#define PGD 0x80000u

static struct kernel_facts facts;
static char names[256];
static uint64_t sizes;

static int take(void *ctx, const struct kernel_module *m)
{
	strcat(names, m->name);
	strcat(names, " ");
	sizes += m->size;
	assert_true(m->base >= 0xffffffffc0000000ull);
	return 0;
}

static int count(void *ctx, const struct kernel_module *m)
{
	++*(uint32_t *)ctx;
	return 0;
}

static int walk(void)
{
	names[0] = '\0';
	sizes = 0;
	return modules_walk(&k, take, NULL);
}

static void test_facts(void **state)
{
	make_facts();
	make_task(0, 0);
	kernel_read_facts(&k, &facts);
	assert_string_equal(facts.command_line, "console=ttyS0 \x01quiet");
	assert_int_equal(facts.build_id_size, 20);
	assert_int_equal(facts.build_id[4], 2);
	assert_int_equal(facts.boot_ns, 1700000000000000000ull);
	assert_int_equal(facts.uptime_ns, 60000000000ull);
	assert_int_equal(facts.kpti, -1);
}

static void test_nothing_known(void **state)
{
	make_task(0, 0);
	kernel_read_facts(&k, &facts);
	assert_int_equal(facts.build_id_size, 0);
	assert_int_equal(facts.boot_ns, 0);
	assert_string_equal(facts.command_line, "");
}

/* A clock that runs before its own boot, notes that end in the middle, a wild pointer. */
static void test_lies(void **state)
{
	make_facts();
	make_task(0, 0);
	put64(k.symbol[SYM_TK_CORE].address - DIRECT + 24, 1000);
	put32(k.symbol[SYM_START_NOTES].address - DIRECT + 4, UINT32_MAX);
	put64(k.symbol[SYM_SAVED_COMMAND_LINE].address - DIRECT, 0x1234);
	kernel_read_facts(&k, &facts);
	assert_int_equal(facts.build_id_size, 0);
	assert_int_equal(facts.boot_ns, 0);
	assert_string_equal(facts.command_line, "");
}

static void test_kpti(void **state)
{
	uint64_t mm = make(64), init = make_task(0, 0), task = make_task(1, init);

	set(mm, k.at.mm_struct_pgd, DIRECT + PGD);
	set(task, k.at.task_struct_mm, mm);
	put64(PGD + 8, 0x5000 | PRESENT_RW | PTE_USER | PTE_NX);
	kernel_read_facts(&k, &facts);
	assert_int_equal(facts.kpti, 1);
	put64(PGD + 16, 0x6000 | PRESENT_RW | PTE_USER);
	memory_refresh(&mem);
	kernel_read_facts(&k, &facts);
	assert_int_equal(facts.kpti, 0);
}

static void test_modules(void **state)
{
	assert_int_equal(walk(), -ENOENT);
	make_module("ext4", 0xffffffffc0000000ull);
	make_module("loop", 0xffffffffc0100000ull);
	assert_int_equal(walk(), 0);
	assert_string_equal(names, "ext4 loop ");
	assert_int_equal(sizes, 2 * (8192 + 4096));
}

static void test_module_that_is_not_formed(void **state)
{
	uint64_t m = make_module("ext4", 0xffffffffc0000000ull);

	put32(m - DIRECT, 3);
	assert_int_equal(walk(), 0);
	assert_string_equal(names, "");
}

static void test_broken_lists(void **state)
{
	uint64_t m = make_module("ext4", 0xffffffffc0000000ull);
	uint32_t met = 0;

	/* One that points at itself, and one that leads nowhere. */
	put64(m - DIRECT + k.at.module_list.at, m + k.at.module_list.at);
	assert_int_equal(modules_walk(&k, count, &met), -ELOOP);
	assert_int_equal(met, MAX_MODULES);
	memory_refresh(&mem);
	put64(m - DIRECT + k.at.module_list.at, 0x1000);
	assert_int_equal(walk(), -ELOOP);
}

/* ---- all of it, told ---- */

static struct m_kernel_facts told_facts;
static struct m_module told_modules[8];
static unsigned nfacts, nmodules;

static int on_facts(void *ctx, const struct m_kernel_facts *f)
{
	assert_int_equal(nmodules, 0);
	told_facts = *f;
	nfacts++;
	return 0;
}

static int on_module(void *ctx, const struct m_module *m)
{
	if (nmodules < 8)
		told_modules[nmodules] = *m;
	nmodules++;
	return 0;
}

static struct m_done tell(struct introspector *in)
{
	static const struct kernel_sink sink = { on_facts, on_module, NULL };
	struct m_done done;

	nfacts = nmodules = 0;
	assert_int_equal(introspector_init(in, &mem), 0);
	in->kernel = k;
	strcpy(in->state.release, "6.1.0-test");
	assert_int_equal(kernel_tell(in, &sink, &done), 0);
	assert_int_equal(nfacts, 1);
	introspector_free(in);
	return done;
}

static void test_told(void **state)
{
	static struct introspector in;

	make_facts();
	make_task(0, 0);
	make_module("ext4\x1b[2J", 0xffffffffc0000000ull);
	k.as.levels = 4;
	assert_int_equal(tell(&in).status, DONE_COMPLETE);
	assert_string_equal(told_facts.release, "6.1.0-test");
	assert_string_equal(told_facts.command_line, "console=ttyS0 \\x01quiet");
	assert_int_equal(strlen(told_facts.build_id), 40);
	assert_int_equal(told_facts.uptime_ns, 60000000000ull);
	assert_int_equal(told_facts.paging_levels, 4);
	assert_int_equal(told_facts.kpti, KPTI_UNKNOWN);
	assert_int_equal(nmodules, 1);
	assert_string_equal(told_modules[0].name, "ext4\\x1b[2J");
	assert_int_equal(told_modules[0].size, 8192 + 4096);
}

/* What can be told is, and that it is not all. */
static void test_told_in_part(void **state)
{
	static struct introspector in;
	struct m_done done;
	uint64_t m;

	make_facts();
	make_task(0, 0);
	done = tell(&in);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_non_null(strstr(done.why, "no list of modules that is known"));
	m = make_module("ext4", 0xffffffffc0000000ull);
	put64(m - DIRECT + k.at.module_list.at, m + k.at.module_list.at);
	done = tell(&in);
	assert_int_equal(done.status, DONE_INCOMPLETE);
	assert_int_equal(nmodules, MAX_MODULES);
	assert_non_null(strstr(done.why, "does not hold together"));
}

/* A running guest: its list is whole again just after it was read. */
static uint64_t torn_at, torn_next;

static int read_then_mend(struct guest_memory *m, struct kvm_warden_segment *s, uint32_t n)
{
	int r = ram_read(m, s, n);

	for (uint32_t i = 0; i < n; i++)
		if (s[i].gpa <= torn_at && torn_at < s[i].gpa + s[i].len)
			put64(torn_at, torn_next);
	return r;
}

static void test_torn_list_is_read_again(void **state)
{
	static const struct guest_memory_ops ops = { .read = read_then_mend };
	static struct introspector in;
	uint64_t m;

	make_facts();
	make_task(0, 0);
	m = make_module("ext4", 0xffffffffc0000000ull);
	make_module("loop", 0xffffffffc0100000ull);
	torn_at = m - DIRECT + k.at.module_list.at;
	memcpy(&torn_next, ram + torn_at, 8);
	put64(torn_at, 0x1000);
	mem.ops = &ops;
	assert_int_equal(tell(&in).status, DONE_COMPLETE);
	assert_int_equal(nmodules, 2);
	assert_string_equal(told_modules[1].name, "loop");
}

#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_facts), T(test_nothing_known), T(test_lies), T(test_kpti), T(test_modules),
		T(test_module_that_is_not_formed), T(test_broken_lists), T(test_told), T(test_told_in_part),
		T(test_torn_list_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

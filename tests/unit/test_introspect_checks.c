// SPDX-License-Identifier: GPL-2.0-or-later
/* Views compared, and the guest's kernel against what it was: by a guest made by hand. */
#include "test_introspect_kernel.h"

#include <unistd.h>

#include "introspect/kernelfiles.h"

static struct introspector in;

static struct {
	unsigned n;
	struct m_sign last;
} seen;

static int on_sign(void *ctx, const struct m_sign *m)
{
	seen.n++;
	seen.last = *m;
	return 0;
}

static const struct check_sink sink = { on_sign, NULL };

static int setup(void **state)
{
	make_checked_guest();
	assert_int_equal(introspector_init(&in, &mem), 0);
	in.kernel = k;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static int teardown(void **state)
{
	introspector_free(&in);
	return guest_teardown(state);
}

static struct m_checked check(int (*fn)(struct introspector *in, const struct check_sink *sink,
					struct m_checked *m))
{
	struct m_checked m;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(fn(&in, &sink, &m), 0);
	return m;
}

static void assert_clean(struct m_checked m)
{
	if (m.status != CHECK_CLEAN || seen.n)
		fail_msg("%s: %s %s", check_status_name(m.status), m.why, seen.last.detail);
}

static void assert_incomplete(struct m_checked m, const char *why)
{
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_string_equal(m.why, why);
}

static void assert_sign(struct m_checked m, const char *name, const char *part)
{
	assert_int_equal(m.status, CHECK_DIFFERS);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.last.name, name);
	if (!strstr(seen.last.detail, part))
		fail_msg("%s", seen.last.detail);
}

static void a_clean_guest_is_clean(void **state)
{
	struct m_checked m = check(check_processes);

	assert_clean(m);
	assert_string_equal(m.counts, "task list 4, pid table 3, process tree 3, cgroups 3,"
			    " task_struct slab 3, run queues 1");
	assert_clean(check(check_modules));
	assert_clean(check(check_kernel));
	assert_clean(check(check_kernel));
}

/* Nobody shall think that it was held to a file. */
static void a_kernel_without_its_file_is_told(void **state)
{
	static struct kernel_files files;
	struct m_checked m = check(check_kernel);

	assert_clean(m);
	assert_non_null(strstr(m.counts, "not held to its package's file: there is none"));
	kernel_seen_free(in.kernel_seen);
	in.kernel_seen = NULL;
	assert_int_equal(kernel_files_open(&files, "/proc/self/exe"), 0);
	in.kernel_files = &files;
	assert_incomplete(check(check_kernel), "not held to its package's file: none of 1 has its"
			  " BUILD-ID (it has none)");
	close(files.file[0].fd);
}

static void a_process_out_of_any_list_is_found(void **state)
{
	list_cut(checked_task[1] + k.at.task_struct_tasks.at);
	assert_sign(check(check_processes), "Hidden.Process", "not in: task list;");
	list_cut(checked_task[1] + k.at.task_struct_sibling.at);
	assert_sign(check(check_processes), "Hidden.Process", "not in: task list, process tree;");
	list_cut(checked_task[1] + k.at.task_struct_cg_list.at);
	assert_sign(check(check_processes), "Hidden.Process", "it is in: pid table, task_struct slab");
}

/* To call itself dead is not enough for what has memory, or runs. */
static void who_plays_dead_is_found(void **state)
{
	list_cut(checked_task[2] + k.at.task_struct_tasks.at);
	set(checked_task[2], k.at.task_struct_exit_state, 16);
	set(checked_task[2], k.at.task_struct_flags, 4);
	assert_sign(check(check_processes), "Hidden.Process", "task list");
	set(checked_task[2], k.at.task_struct_state, 0x80);
	assert_clean(check(check_processes));
}

/* A guest that stands still in the middle of a fork shows it for as long. */
static void a_fork_under_way_is_nobody(void **state)
{
	uint64_t t = DIRECT + SLAB_PA + 3 * TASK_SIZE;

	/* Its parent's copy, threads and all. */
	memcpy(ram + SLAB_PA + 3 * TASK_SIZE, ram + SLAB_PA, TASK_SIZE);
	assert_clean(check(check_processes));
	/* With a signal_struct of its own, which its parent is not among, it is new. */
	set(t, k.at.task_struct_signal, get64(checked_task[1] + k.at.task_struct_signal.at));
	set(t, k.at.task_struct_state, 0x800);
	assert_clean(check(check_processes));
	set(t, k.at.task_struct_state, 0);
	assert_sign(check(check_processes), "Hidden.Process", "it is in: task_struct slab");
}

static void a_list_with_a_loop_is_incomplete(void **state)
{
	uint64_t node = checked_task[0] + k.at.task_struct_cg_list.at;
	struct m_checked m;

	put64(node - DIRECT, node);
	m = check(check_processes);
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_non_null(strstr(m.why, "cgroups: it kept changing, or does not hold together"));
}

static void a_view_that_is_not_there_is_said(void **state)
{
	struct m_checked m;

	in.kernel.symbol[SYM_CSS_SET_TABLE].address = 0;
	m = check(check_processes);
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_non_null(strstr(m.why, "cgroups: this kernel has none that is known"));
}

static void a_module_out_of_any_list_is_found(void **state)
{
	list_cut(checked_module[0] + k.at.module_link.at);
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: module list;");
	list_cut(checked_module[0] + k.at.module_mkobj.at + k.at.kobject_entry.at);
	assert_sign(check(check_modules), "Hidden.Module", "it is in: module address tree");
}

/* Its directory is made late and goes early: one that stays without it is hidden. */
static void a_module_half_loaded_passes(void **state)
{
	set(checked_module[0], k.at.module_status, 3);
	list_cut(checked_module[0] + k.at.module_mkobj.at + k.at.kobject_entry.at);
	assert_incomplete(check(check_modules), "1 modules or trampolines come or go");
	in.passing.since_ns[0] -= (PASSING_SECONDS + 1) * 1000000000ull;
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: /sys/module;");
	set(checked_module[0], k.at.module_status, 0);
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: /sys/module;");
	/* Out of the list as well it is no module that is being loaded. */
	set(checked_module[0], k.at.module_status, 3);
	list_cut(checked_module[0] + k.at.module_link.at);
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: module list");
}

static void passing_forgets_what_passed(void **state)
{
	struct passing p = { 0 };

	passing_begin(&p);
	assert_false(passing_stays(&p, 1, 5));
	passing_end(&p);
	passing_begin(&p);
	passing_end(&p);
	assert_false(passing_stays(&p, 1, PASSING_SECONDS * 2000000000ull));
	passing_begin(&p);
	for (uint64_t va = 1; va <= PASSING_MAX; va++)
		assert_false(passing_stays(&p, va, PASSING_SECONDS * 2000000000ull));
	/* Whoever has more than that pass at once is not waited for. */
	assert_true(passing_stays(&p, PASSING_MAX + 1, PASSING_SECONDS * 2000000000ull));
}

static void call(uint32_t at, uint8_t opcode, uint64_t to)
{
	int32_t offset = to - (IMAGE + at + 5);

	image_put(at, &opcode, 1);
	image_put(at + 1, &offset, 4);
}

/* Code of a tracer's, whose ops lie there, in no list. */
static void make_trampoline(uint64_t ops, uint64_t func)
{
	const uint64_t pt = 0xa000, pa = (7u << 20) + 0x8000, page = IMAGE + 0x20000;

	put64(pt + 0x20 * 8, pa | PTE_PRESENT);
	put64(pt + 0x21 * 8, (pa + 4096) | PTE_PRESENT | PTE_NX);
	memset(ram + pa, 0x90, 73);
	memcpy(ram + pa, (uint8_t[]){ 0x48, 0x81, 0xec, 0xa8 }, 4);	/* as ftrace_caller, nearly */
	put64(pa + 73, ops);
	ops = ops == page + 4096 ? DIRECT + pa + 4096 : ops;
	set(ops, k.at.ftrace_ops_func, func);
	set(ops, k.at.ftrace_ops_trampoline, page);
	set(ops, k.at.ftrace_ops_trampoline_size, 81);
	put64(k.symbol[SYM_FTRACE_OPS].address - DIRECT, k.symbol[SYM_FTRACE_END].address);
}

static void the_kernels_tracers_keep_their_trampolines(void **state)
{
	assert_clean(check(check_kernel));
	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	call(0x600, 0xe8, IMAGE + 0x20000);
	assert_clean(check(check_modules));
	assert_clean(check(check_kernel));
	/* Not so one that leads elsewhere. */
	make_trampoline(IMAGE + 0x21000, MODULE_TEXT + 0x10);
	assert_int_equal(check(check_modules).status, CHECK_INCOMPLETE);
}

static void a_trampoline_that_stays_is_found(void **state)
{
	assert_clean(check(check_kernel));
	make_trampoline(make(64), IMAGE + 0x100);
	call(0x600, 0xe8, IMAGE + 0x20000);
	assert_incomplete(check(check_kernel), "1 lines of code are being patched");
	assert_incomplete(check(check_modules), "1 modules or trampolines come or go");
	in.passing.since_ns[0] -= (PASSING_SECONDS + 1) * 1000000000ull;
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

static void code_of_nobodys_is_found(void **state)
{
	make_trampoline(make(64), IMAGE + 0x100);
	put64((7u << 20) + 0x8000 + 73, 0);
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

/* Whatever it says of itself: other code is not the kernel's, nor is what is too short. */
static void forged_trampolines_are_not_clean(void **state)
{
	const uint64_t pa = (7u << 20) + 0x8000;

	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	memset(ram + pa, 0x91, 73);
	assert_int_equal(check(check_modules).status, CHECK_INCOMPLETE);
	in.passing.since_ns[0] -= (PASSING_SECONDS + 1) * 1000000000ull;
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	put64(pa, IMAGE + 0x21000);
	put64(pa + 73, 0);
	set(DIRECT + pa + 4096, k.at.ftrace_ops_trampoline_size, 8);
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

/* An address so high that its end wraps is in no image. */
static void a_site_at_the_end_of_the_world_is_none(void **state)
{
	const uint64_t page = get64(k.symbol[SYM_FTRACE_PAGES].address);

	assert_clean(check(check_kernel));
	put64(get64(page + k.at.ftrace_page_records.at) - DIRECT, UINT64_MAX - 2);
	assert_int_not_equal(check(check_kernel).status, CHECK_CLEAN);
}

/* Nor what lies in a module that is listed. */
static void a_modules_trampoline_is_none(void **state)
{
	assert_clean(check(check_kernel));
	make_trampoline(make(64), IMAGE + 0x100);
	set(checked_module[0], k.at.module_core_at, IMAGE + 0x20000);
	call(0x600, 0xe8, IMAGE + 0x20000);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000600");
}

/* Its clock does not go: what is under way and what stays look the same. */
static void of_a_guest_that_stands_still_nothing_is_said(void **state)
{
	k.symbol[SYM_JIFFIES].address = in.kernel.symbol[SYM_JIFFIES].address = make(8);
	list_cut(checked_task[1] + k.at.task_struct_tasks.at);
	list_cut(checked_module[0] + k.at.module_link.at);
	assert_incomplete(check(check_processes), "the guest stood still: 1 differences may be under way");
	assert_incomplete(check(check_modules), "the guest stood still: 1 differences may be under way");
	/* A dump never runs: that is known. */
	mem.still = true;
	assert_sign(check(check_processes), "Hidden.Process", "task list");
	assert_sign(check(check_modules), "Hidden.Module", "module list");
}

static void hooked_tables_are_found(void **state)
{
	assert_clean(check(check_kernel));
	put64(IMAGE_PA + TEXT_SIZE + 0x1000 + 8 * 59, MODULE_TEXT + 0x10);
	check(check_kernel);
	/* And the table lies in what must not change. */
	assert_int_equal(seen.n, 2);
	put64(IMAGE_PA + TEXT_SIZE + 0x1000 + 8 * 59, IMAGE + 16 * 59);
	assert_clean(check(check_kernel));
	put64(k.symbol[SYM_IDT_TABLE].address - DIRECT + 14 * 16, 0x8e00ull << 32 | 0x10);
	assert_sign(check(check_kernel), "Kernel.IDT", "interrupt vector 14");
}

static void the_kernels_own_patches_are_none(void **state)
{
	const uint8_t lock = 0x3e, breakpoint = 0xcc;

	assert_clean(check(check_kernel));
	call(0x200, 0xe9, IMAGE + 0x280);		/* a static key on */
	call(0x300, 0xe8, IMAGE + 0x1234);		/* a static call elsewhere */
	image_put(0x400, &lock, 1);			/* one CPU */
	call(0x500, 0xe8, IMAGE + 0x7000);		/* ftrace */
	call(0x600, 0xe8, IMAGE + 0x20000);	/* and its trampoline */
	image_put(0x700, &breakpoint, 1);		/* a kprobe */
	assert_clean(check(check_kernel));
}

static void a_patch_of_nobodys_is_found(void **state)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0, 0 };
	const uint8_t breakpoint = 0xcc, other = 0x91;

	assert_clean(check(check_kernel));
	image_put(0x1000, &other, 1);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81001000");
	image_put(0x1000, &(uint8_t){ 0x90 }, 1);
	call(0x500, 0xe8, MODULE_TEXT + 0x10);		/* an ftrace site that calls a module */
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000500");
	image_put(0x500, nop5, 5);
	call(0x200, 0xe9, IMAGE + 0x288);		/* a static key that leads elsewhere */
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000200");
	image_put(0x200, nop5, 5);
	image_put(0x701, &breakpoint, 1);		/* no probe is there */
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000700");
	image_put(0x701, &(uint8_t){ 0x90 }, 1);
	image_put(TEXT_SIZE + 0x5000, &other, 1);
	assert_sign(check(check_kernel), "Kernel.Rodata", "ffffffff8100d000");
}

/* A hook of before the first look: the site is no legal one. */
static void a_hook_at_first_sight_is_found(void **state)
{
	call(0x500, 0xe8, MODULE_TEXT + 0x10);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000500");
}

static void a_patch_under_way_is_incomplete(void **state)
{
	const uint8_t breakpoint = 0xcc;
	struct m_checked m;

	assert_clean(check(check_kernel));
	image_put(0x500, &breakpoint, 1);
	m = check(check_kernel);
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_int_equal(seen.n, 0);
	assert_non_null(strstr(m.why, "1 lines of code are being patched"));
}

/* ftrace's own call, and those of static calls: a breakpoint there is no measure. */
static void a_trampoline_patched_at_first_sight_is_no_measure(void **state)
{
	const uint8_t breakpoint = 0xcc, padding[] = { 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };

	k.symbol[SYM_TRAMPS_START].address = in.kernel.symbol[SYM_TRAMPS_START].address = IMAGE + 0x800;
	k.symbol[SYM_TRAMPS_STOP].address = in.kernel.symbol[SYM_TRAMPS_STOP].address = IMAGE + 0x810;
	call(0x800, 0xe9, IMAGE + 0x900);
	image_put(0x800, &breakpoint, 1);
	image_put(0x808, padding, 5);
	assert_incomplete(check(check_kernel), "1 lines of code are being patched");
	call(0x800, 0xe9, IMAGE + 0x900);
	assert_clean(check(check_kernel));
	call(0x800, 0xe9, IMAGE + 0xa00);
	assert_clean(check(check_kernel));
	call(0x800, 0xe9, MODULE_TEXT + 0x123456);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000800");
}

static void a_modules_ftrace_hook_is_found(void **state)
{
	uint64_t ops = get64(k.symbol[SYM_FTRACE_OPS].address);

	set(ops, k.at.ftrace_ops_func, MODULE_TEXT + 0x1010);
	assert_sign(check(check_kernel), "Kernel.Ftrace", "module second");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_clean_guest_is_clean), T(a_kernel_without_its_file_is_told),
		T(a_process_out_of_any_list_is_found),
		T(who_plays_dead_is_found), T(a_fork_under_way_is_nobody),
		T(a_list_with_a_loop_is_incomplete),
		T(a_view_that_is_not_there_is_said), T(a_module_out_of_any_list_is_found),
		T(a_module_half_loaded_passes), T(passing_forgets_what_passed),
		T(the_kernels_tracers_keep_their_trampolines), T(a_trampoline_that_stays_is_found),
		T(code_of_nobodys_is_found),
		T(forged_trampolines_are_not_clean), T(a_site_at_the_end_of_the_world_is_none),
		T(a_modules_trampoline_is_none),
		T(of_a_guest_that_stands_still_nothing_is_said),
		T(hooked_tables_are_found), T(the_kernels_own_patches_are_none),
		T(a_patch_of_nobodys_is_found), T(a_hook_at_first_sight_is_found),
		T(a_patch_under_way_is_incomplete),
		T(a_trampoline_patched_at_first_sight_is_no_measure), T(a_modules_ftrace_hook_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

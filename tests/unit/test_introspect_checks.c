// SPDX-License-Identifier: GPL-2.0-or-later
/* Views compared, and the guest's kernel against what it was: by a guest made by hand. */
#include "test_introspect_checks.h"

#include <unistd.h>

#include "introspect/kernelfiles.h"

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
	set(checked_task[2], k.at.task_struct_mm, DIRECT);
	assert_sign(check(check_processes), "Hidden.Process", "task list");
	set(checked_task[2], k.at.task_struct_mm, 0);
	set(checked_task[2], k.at.task_struct_state, 0x80);
	assert_clean(check(check_processes));
}

/* A starved guest stays for seconds in the middle of an end, or of a fork. */
static void who_comes_or_goes_for_ever_is_found(void **state)
{
	list_cut(checked_task[2] + k.at.task_struct_tasks.at);
	set(checked_task[2], k.at.task_struct_exit_state, 16);
	set(checked_task[2], k.at.task_struct_flags, 4);
	assert_incomplete(check(check_processes), "1 tasks come or go");
	/* It was only slow: what it is next is another thing. */
	set(checked_task[2], k.at.task_struct_state, 0x80);
	assert_clean(check(check_processes));
	set(checked_task[2], k.at.task_struct_exit_state, 0);
	set(checked_task[2], k.at.task_struct_flags, 0);
	set(checked_task[2], k.at.task_struct_state, 0x800);
	assert_incomplete(check(check_processes), "1 tasks come or go");
	in.passing_tasks.thing[0].since_ns -= (PASSING_SECONDS + 1) * 1000000000ull;
	assert_incomplete(check(check_processes), "1 tasks come or go");
	assert_sign(check(check_processes), "Hidden.Process", "task list");
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
	assert_incomplete(check(check_modules), "1 modules and 0 pages come or go");
	let_time_pass();
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: /sys/module;");
	assert_non_null(strstr(seen.last.detail, "it says it is not formed yet"));
	set(checked_module[0], k.at.module_status, 0);
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: /sys/module;");
	/* Out of the list as well it is no module that is being loaded. */
	set(checked_module[0], k.at.module_status, 3);
	list_cut(checked_module[0] + k.at.module_link.at);
	assert_sign(check(check_modules), "Hidden.Module", "module first is not in: module list");
}

static void what_stays_is_seen_in_check_after_check(void **state)
{
	const uint64_t late = PASSING_SECONDS * 2000000000ull;
	struct passing p = { 0 };

	for (unsigned i = 0; i < PASSING_CHECKS; i++) {
		passing_begin(&p);
		/* Another's at the same place is another thing. */
		assert_false(passing_stays(&p, 1, 10 + i, i * late));
		assert_int_equal(passing_stays(&p, 2, 9, i * late), i + 1 == PASSING_CHECKS);
		passing_end(&p);
	}
	/* Time alone is not enough, nor are checks. */
	passing_begin(&p);
	assert_false(passing_stays(&p, 3, 1, 5));
	passing_end(&p);
	passing_begin(&p);
	assert_false(passing_stays(&p, 3, 1, 5 + late));
	passing_end(&p);
	passing_begin(&p);
	assert_true(passing_stays(&p, 3, 1, 5 + late));
	passing_end(&p);
	/* What was not seen once has passed. */
	passing_begin(&p);
	passing_end(&p);
	passing_begin(&p);
	assert_false(passing_stays(&p, 3, 1, 5 + 2 * late));
	passing_end(&p);
}

static void who_has_no_room_to_pass_is_waited_for(void **state)
{
	const uint64_t late = PASSING_SECONDS * 2000000000ull;
	struct passing p = { 0 };

	for (unsigned i = 0; i < PASSING_CHECKS; i++) {
		passing_begin(&p);
		for (uint64_t va = 1; va <= PASSING_MAX; va++)
			assert_int_equal(passing_stays(&p, va, 1, i * late), i + 1 == PASSING_CHECKS);
		assert_false(passing_stays(&p, PASSING_MAX + 1, 1, i * late));
		passing_end(&p);
	}
}

/* Out of the list. */
static void make_trampoline(uint64_t ops, uint64_t func)
{
	make_trampoline_of(PIECE, ops, func);
	put64(k.symbol[SYM_FTRACE_OPS].address - DIRECT, k.symbol[SYM_FTRACE_END].address);
}

static void the_kernels_tracers_keep_their_trampolines(void **state)
{
	assert_clean(check(check_kernel));
	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	image_branch(0x600, 0xe8, IMAGE + 0x20000);
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
	image_branch(0x600, 0xe8, IMAGE + 0x20000);
	assert_incomplete(check(check_kernel), "1 lines of text are being patched, 0 were something else for a moment");
	assert_incomplete(check(check_modules), "0 modules and 1 pages come or go");
	let_time_pass();
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

/* Every other page, so that each is one of its own. */
static void more_than_can_be_told_is_cut(void **state)
{
	struct m_checked m;

	mem.still = true;		/* one look is all */
	make_trampoline(make(64), IMAGE + 0x100);
	put64(TRAMPOLINE_PA + TRAMPOLINE_SIZE - 8, 0);
	for (unsigned i = 0x22; i < 512; i += 2)
		put64(0xa000 + i * 8, TRAMPOLINE_PA | PTE_PRESENT);
	m = check(check_modules);
	assert_int_equal(m.status, CHECK_DIFFERS);
	assert_int_equal(seen.n, 128);
	assert_string_equal(m.why, "more differs than the limit");
}

static void code_of_nobodys_is_found(void **state)
{
	make_trampoline(make(64), IMAGE + 0x100);
	put64(TRAMPOLINE_PA + TRAMPOLINE_SIZE - 8, 0);
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

/* Whatever it says of itself: one other byte, and it is not what the kernel makes. */
static void forged_trampolines_are_not_clean(void **state)
{
	static const uint32_t at[] = { 0, PIECE_LOAD, PIECE_LOAD + 3, PIECE_OTHER, PIECE_OTHER + 1,
				       0x30, PIECE_SIZE - 1, PIECE_SIZE };
	static const uint32_t pieces[] = { PIECE, REGS_PIECE };

	/* A return of the kernel's may be a jump to its thunk, which may lie behind its text. */
	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	set_symbol(SYM_RETURN_THUNK, IMAGE + 0x40000);
	mem.still = true;		/* one look is all */
	put64(TRAMPOLINE_PA + PIECE_SIZE + 5, IMAGE + 0x21000);
	ram[TRAMPOLINE_PA + PIECE_LOAD + 3] += 4;
	trampoline_calls_to(PIECE_SIZE, 0xe9, IMAGE + 0x40000);
	set(DIRECT + TRAMPOLINE_PA + 4096, k.at.ftrace_ops_trampoline_size, PIECE_SIZE + 5 + 8);
	assert_clean(check(check_modules));
	trampoline_calls_to(PIECE_SIZE, 0xe9, IMAGE + 0x40001);
	assert_int_equal(check(check_modules).status, CHECK_INCOMPLETE);
	passing_begin(&in.passing);
	passing_end(&in.passing);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(at); i++) {
		make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
		make_trampoline_of(pieces[i & 1], IMAGE + 0x21000, IMAGE + 0x100);
		assert_clean(check(check_modules));
		ram[TRAMPOLINE_PA + at[i / 2]]++;
		assert_int_equal(check(check_modules).status, CHECK_INCOMPLETE);
	}
	let_time_pass();
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
	make_trampoline(IMAGE + 0x21000, IMAGE + 0x100);
	put64(TRAMPOLINE_PA, IMAGE + 0x21000);
	put64(TRAMPOLINE_PA + TRAMPOLINE_SIZE - 8, 0);
	set(DIRECT + TRAMPOLINE_PA + 4096, k.at.ftrace_ops_trampoline_size, 8);
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
	image_branch(0x600, 0xe8, IMAGE + 0x20000);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000600");
}

/* ---- what changes between looks ---- */

static uint8_t other_ram[RAM_SIZE];

static void flip(unsigned n)
{
	for (size_t i = 0; i < RAM_SIZE; i += 4096) {
		uint8_t page[4096];

		memcpy(page, ram + i, sizeof(page));
		memcpy(ram + i, other_ram + i, sizeof(page));
		memcpy(other_ram + i, page, sizeof(page));
	}
}

static void flip_once(unsigned n)
{
	if (n == 1)
		flip(n);
}

static void flip_back_once(unsigned n)
{
	if (n == 5 || n == 6)
		flip(n);
}

static void flip_at_last(unsigned n)
{
	if (n == 8)
		flip(n);
}

/* A page at another address at each look. */
static void move(unsigned n)
{
	for (unsigned i = 0; i < 3; i++)
		map_in(ROOT, 0xffffc90000000000 + i * 0x10000, n % 3 == i ? CODE_PA | PTE_PRESENT : 0, 0);
}

static void code_that_moves_is_not_clean(void **state)
{
	put_code();
	move(0);
	in_pause = move;
	assert_incomplete(check(check_modules), "3 modules or pages were hidden in some looks only");
}

/* It passes in those looks that see it; and is as old as when it was first seen. */
static void hide_trampoline_once(unsigned n)
{
	put64(0xa000 + 0x20 * 8, n == 5 ? 0 : TRAMPOLINE_PA | PTE_PRESENT);
}

static void what_passes_and_flickers_is_not_forgotten(void **state)
{
	make_trampoline(make(64), IMAGE + 0x100);
	assert_incomplete(check(check_modules), "0 modules and 1 pages come or go");
	in_pause = hide_trampoline_once;
	assert_incomplete(check(check_modules), "0 modules and 1 pages come or go");
	assert_int_equal(in.passing.thing[0].checks, 2);
	let_time_pass();
	assert_incomplete(check(check_modules), "1 modules or pages were hidden in some looks only");
	in_pause = NULL;
	assert_sign(check(check_modules), "Hidden.Code", "ffffffff81020000");
}

/* Code of a module that went lies about until all CPUs have passed by. */
static void set_period(uint64_t seq)
{
	set(k.symbol[SYM_RCU_STATE].address, k.at.rcu_node_gp_seq, seq);
}

static void periods_go_by(unsigned n)
{
	set_period(n > 6 ? 4 * 9 + 1 : 4 * 7 + 1);
}

static void what_waits_for_all_cpus_passes(void **state)
{
	put_code();
	map_in(ROOT, 0xffffc90000000000, CODE_PA | PTE_PRESENT, 0);
	set_period(4 * 7 + 1);
	assert_incomplete(check(check_modules), "0 modules and 1 pages come or go");
	in_pause = periods_go_by;
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
	in_pause = NULL;
	set_period(4 * 7 + 1);
	assert_incomplete(check(check_modules), "0 modules and 1 pages come or go");
	let_time_pass();
	assert_sign(check(check_modules), "Hidden.Code", "1 pages");
}

/* Text that is another at each second look. */
static void text_that_flickers_is_not_clean(void **state)
{
	struct m_checked m;

	assert_clean(check(check_kernel));
	memcpy(other_ram, ram, RAM_SIZE);
	ram[IMAGE_PA + 0x2000] ^= 1;
	in_pause = flip;
	m = check(check_kernel);
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_non_null(strstr(m.why, "were something else for a moment"));
	assert_null(strstr(m.why, " 0 were"));
}

static void a_hook_that_goes_is_not_clean(void **state)
{
	const uint64_t ops = get64(k.symbol[SYM_FTRACE_OPS].address);

	memcpy(other_ram, ram, RAM_SIZE);
	set(ops, k.at.ftrace_ops_func, MODULE_TEXT + 0x1010);
	in_pause = flip_once;
	assert_incomplete(check(check_kernel), "ftrace: it kept changing, or does not hold together");
}

/* Its clock moves once more, and then it is paused in the midst of something. */
static void tick_once(unsigned n)
{
	if (n == 1)
		ram[k.symbol[SYM_JIFFIES].address - DIRECT]++;
}

static void a_guest_that_is_stopped_is_told_nothing_of(void **state)
{
	set_symbol(SYM_JIFFIES, make(8));
	list_cut(checked_task[1] + k.at.task_struct_tasks.at);
	list_cut(checked_module[0] + k.at.module_link.at);
	set(get64(k.symbol[SYM_FTRACE_OPS].address), k.at.ftrace_ops_func, MODULE_TEXT + 0x1010);
	in_pause = tick_once;
	assert_incomplete(check(check_processes), "the guest stood still: 1 differences may be under way");
	assert_incomplete(check(check_modules), "the guest stood still: 1 differences may be under way");
	assert_int_equal(check(check_kernel).status, CHECK_INCOMPLETE);
	assert_int_equal(seen.n, 0);
}

/* Cut out of the list for half of the time: neither clean, nor sure. */
static void a_module_that_flickers_is_not_clean(void **state)
{
	memcpy(other_ram, ram, RAM_SIZE);
	list_cut(checked_module[0] + k.at.module_link.at);
	in_pause = flip;
	assert_incomplete(check(check_modules), "1 modules or pages were hidden in some looks only");
	flip(0);
	in_pause = flip_back_once;
	assert_incomplete(check(check_modules), "1 modules or pages were hidden in some looks only");
	/* It is being unloaded. */
	in_pause = flip_once;
	assert_clean(check(check_modules));
	assert_int_equal(pauses, 3);
}

static void time_runs_out(unsigned n)
{
	mem.expired = n == 6;
}

static void what_was_sure_before_time_was_up_is_found(void **state)
{
	struct m_checked m;

	list_cut(checked_module[0] + k.at.module_link.at);
	in_pause = time_runs_out;
	mem.expired = false;
	m = check(check_modules);
	assert_sign(m, "Hidden.Module", "module list");
	assert_string_equal(m.why, "time was up");
}

static void break_list(unsigned n)
{
	const uint64_t at = checked_module[1] + k.at.module_link.at - DIRECT;
	static uint64_t next;

	if (n == 3) {
		next = get64(at + DIRECT);
		put64(at, 1);
	} else if (n == 6) {
		put64(at, next);
	}
}

static void a_look_that_fails_hides_nothing(void **state)
{
	list_cut(checked_module[0] + k.at.module_link.at);
	in_pause = break_list;
	assert_sign(check(check_modules), "Hidden.Module", "module list");
}

/* Paused, and running again only at the last: what it was in the midst of is over then. */
static void a_guest_that_goes_on_is_looked_at_again(void **state)
{
	const uint64_t jiffies = make(8);

	k.symbol[SYM_JIFFIES].address = in.kernel.symbol[SYM_JIFFIES].address = jiffies;
	memcpy(other_ram, ram, RAM_SIZE);
	other_ram[jiffies - DIRECT] = 1;
	list_cut(checked_task[1] + k.at.task_struct_tasks.at);
	in_pause = flip_at_last;
	assert_clean(check(check_processes));
}

/* A line that is being written at first sight is no measure of what it will be. */
static void what_changes_at_first_sight_is_no_measure(void **state)
{
	memcpy(other_ram, ram, RAM_SIZE);
	other_ram[IMAGE_PA + 0x2000] = 0x91;
	in_pause = flip;
	assert_incomplete(check(check_kernel), "1 lines of text are being patched, 0 were something else for a moment");
	in_pause = NULL;
	assert_clean(check(check_kernel));
	ram[IMAGE_PA + 0x2000] ^= 1;
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81002000");
}

static void what_was_not_there_is_no_measure(void **state)
{
	const uint64_t pte = get64(DIRECT + 0xa000 + 2 * 8);

	put64(0xa000 + 2 * 8, 0);
	assert_incomplete(check(check_kernel), "1 pages of text are not resident");
	put64(0xa000 + 2 * 8, pte);
	assert_clean(check(check_kernel));
	ram[IMAGE_PA + 0x2000] ^= 1;
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81002000");
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
	image_branch(0x200, 0xe9, IMAGE + 0x280);		/* a static key on */
	image_branch(0x300, 0xe8, IMAGE + 0x1234);		/* a static call elsewhere */
	image_put(0x400, &lock, 1);			/* one CPU */
	image_branch(0x500, 0xe8, IMAGE + 0x7000);		/* ftrace */
	image_branch(0x600, 0xe8, IMAGE + 0x20000);	/* and its trampoline */
	image_put(0x700, &breakpoint, 1);		/* a kprobe */
	assert_clean(check(check_kernel));
}

/* clang makes some of them jumps on a condition, of 6 bytes. */
static void a_static_call_may_be_conditional(void **state)
{
	image_put(0x300, (uint8_t[]){ 0x0f }, 1);
	image_branch(0x301, 0x84, IMAGE + 0x1234);
	assert_clean(check(check_kernel));
	image_branch(0x301, 0x84, IMAGE + 0x4321);
	assert_clean(check(check_kernel));
	image_put(0x300, (uint8_t[]){ 0xcc }, 1);	/* while it is patched */
	assert_incomplete(check(check_kernel),
			  "1 lines of text are being patched, 0 were something else for a moment");
	image_put(0x300, (uint8_t[]){ 0x0f }, 1);
	image_branch(0x301, 0x84, MODULE_TEXT + 0x123456);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000300");
}

static void a_patch_of_nobodys_is_found(void **state)
{
	static const uint8_t nop5[] = { 0x0f, 0x1f, 0x44, 0, 0 };
	const uint8_t breakpoint = 0xcc, other = 0x91;

	assert_clean(check(check_kernel));
	image_put(0x1000, &other, 1);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81001000");
	image_put(0x1000, &(uint8_t){ 0x90 }, 1);
	image_branch(0x500, 0xe8, MODULE_TEXT + 0x10);		/* an ftrace site that calls a module */
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000500");
	image_put(0x500, nop5, 5);
	image_branch(0x200, 0xe9, IMAGE + 0x288);		/* a static key that leads elsewhere */
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
	image_branch(0x500, 0xe8, MODULE_TEXT + 0x10);
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
	assert_non_null(strstr(m.why, "1 lines of text are being patched, 0 were something else for a moment"));
}

/* ftrace's own call, and those of static calls: a breakpoint there is no measure. */
static void a_trampoline_patched_at_first_sight_is_no_measure(void **state)
{
	const uint8_t breakpoint = 0xcc, padding[] = { 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };

	k.symbol[SYM_TRAMPS_START].address = in.kernel.symbol[SYM_TRAMPS_START].address = IMAGE + 0x800;
	k.symbol[SYM_TRAMPS_STOP].address = in.kernel.symbol[SYM_TRAMPS_STOP].address = IMAGE + 0x810;
	image_branch(0x800, 0xe9, IMAGE + 0x900);
	image_put(0x800, &breakpoint, 1);
	image_put(0x808, padding, 5);
	assert_incomplete(check(check_kernel), "1 lines of text are being patched, 0 were something else for a moment");
	image_branch(0x800, 0xe9, IMAGE + 0x900);
	assert_clean(check(check_kernel));
	image_branch(0x800, 0xe9, IMAGE + 0xa00);
	assert_clean(check(check_kernel));
	image_branch(0x800, 0xe9, MODULE_TEXT + 0x123456);
	assert_sign(check(check_kernel), "Kernel.Text", "ffffffff81000800");
}

static void a_modules_ftrace_hook_is_found(void **state)
{
	uint64_t ops = get64(k.symbol[SYM_FTRACE_OPS].address);

	set(ops, k.at.ftrace_ops_func, MODULE_TEXT + 0x1010);
	assert_sign(check(check_kernel), "Kernel.Ftrace", "module second");
}

/* Its tracer may say another function since. */
static void whom_a_trampoline_calls_is_found(void **state)
{
	const uint64_t ops = make(64);
	struct m_checked m;

	make_trampoline(ops, IMAGE + 0x100);
	set(ops, k.at.ftrace_ops_next, k.symbol[SYM_FTRACE_END].address);
	put64(k.symbol[SYM_FTRACE_OPS].address - DIRECT, ops);
	trampoline_calls_to(PIECE_CALL, 0xe8, IMAGE + 0x200);
	assert_clean(check(check_kernel));
	trampoline_calls_to(PIECE_CALL, 0xe8, IMAGE + 0x41010);
	assert_sign(check(check_kernel), "Kernel.Ftrace", "ffffffff81041010, memory of no module");
	trampoline_calls_to(PIECE_CALL, 0xcc, IMAGE + 0x200);
	m = check(check_kernel);
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_string_equal(m.why, "ftrace: it kept changing, or does not hold together");
	/* Code that is no copy of ftrace's is none of it. */
	trampoline_calls_to(PIECE_CALL, 0xe8, IMAGE + 0x200);
	ram[TRAMPOLINE_PA]++;
	assert_sign(check(check_kernel), "Kernel.Ftrace", "ffffffff81020000");
}

/* Who is traced by one tracer alone may be called without a trampoline. */
static void whom_ftrace_itself_calls_is_found(void **state)
{
	set(get64(k.symbol[SYM_FTRACE_OPS].address), k.at.ftrace_ops_trampoline, 0);
	assert_clean(check(check_kernel));
	/* A BPF program's or a module's code is no change of the text there. */
	image_branch(PIECE + PIECE_CALL, 0xe8, IMAGE + 0x20000);
	set(checked_module[0], k.at.module_core_at, IMAGE + 0x20000);
	assert_sign(check(check_kernel), "Kernel.Ftrace", "module first");
}

/* A fprobe's tracer is the kernel's; whom that calls is not. */
static void a_modules_fprobe_is_found(void **state)
{
	const uint64_t fprobe = get64(k.symbol[SYM_FTRACE_OPS].address);

	set(fprobe, k.at.ftrace_ops_func, k.symbol[SYM_FPROBE_HANDLER].address);
	set(fprobe, k.at.fprobe_entry_handler, IMAGE + 0x200);
	assert_clean(check(check_kernel));
	set(fprobe, k.at.fprobe_exit_handler, MODULE_TEXT + 0x1010);
	assert_sign(check(check_kernel), "Kernel.Ftrace", "module second");
}

static void a_modules_probe_is_found(void **state)
{
	set(checked_probe, k.at.kprobe_post_handler, MODULE_TEXT + 0x1010);
	assert_sign(check(check_kernel), "Kernel.Probe", "memory of module second");
	set(checked_probe, k.at.kprobe_post_handler, 0);
	assert_clean(check(check_kernel));
	set(checked_probe, k.at.kprobe_pre_handler, MODULE_TEXT + 0x123456);
	assert_sign(check(check_kernel), "Kernel.Probe", "memory of no module");
}

/* Behind the one that calls each of several at a place; a return's handler is elsewhere. */
static void a_modules_probe_among_others_is_found(void **state)
{
	const uint64_t head = checked_probe + k.at.kprobe_list.at, of_return = make(96);
	struct m_checked m;

	list_init(head);
	list_append(head, make(96) + k.at.kprobe_list.at);
	list_append(head, of_return + k.at.kprobe_list.at);
	set(checked_probe, k.at.kprobe_pre_handler, k.symbol[SYM_AGGR_PRE_HANDLER].address);
	set(of_return, k.at.kprobe_pre_handler, k.symbol[SYM_PRE_HANDLER_KRETPROBE].address);
	set(of_return, k.at.kretprobe_handler, IMAGE + 0x200);
	assert_clean(check(check_kernel));
	set(of_return, k.at.kretprobe_entry_handler, MODULE_TEXT + 0x1010);
	assert_sign(check(check_kernel), "Kernel.Probe", "memory of module second");
	set(of_return, k.at.kretprobe_entry_handler, 0);
	put64(of_return + k.at.kprobe_list.at - DIRECT, of_return + k.at.kprobe_list.at);
	m = check(check_kernel);
	assert_incomplete(m, "kprobes: it kept changing, or does not hold together");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_clean_guest_is_clean), T(a_kernel_without_its_file_is_told),
		T(a_process_out_of_any_list_is_found),
		T(who_plays_dead_is_found), T(who_comes_or_goes_for_ever_is_found), T(a_fork_under_way_is_nobody),
		T(a_list_with_a_loop_is_incomplete),
		T(a_view_that_is_not_there_is_said), T(a_module_out_of_any_list_is_found),
		T(a_module_half_loaded_passes), T(what_stays_is_seen_in_check_after_check),
		T(who_has_no_room_to_pass_is_waited_for),
		T(the_kernels_tracers_keep_their_trampolines), T(a_trampoline_that_stays_is_found),
		T(code_of_nobodys_is_found),
		T(code_that_moves_is_not_clean), T(what_passes_and_flickers_is_not_forgotten),
		T(what_waits_for_all_cpus_passes), T(text_that_flickers_is_not_clean),
		T(a_hook_that_goes_is_not_clean), T(a_guest_that_is_stopped_is_told_nothing_of),
		T(more_than_can_be_told_is_cut),
		T(forged_trampolines_are_not_clean), T(a_site_at_the_end_of_the_world_is_none),
		T(a_modules_trampoline_is_none),
		T(a_module_that_flickers_is_not_clean), T(what_was_sure_before_time_was_up_is_found),
		T(a_look_that_fails_hides_nothing), T(a_guest_that_goes_on_is_looked_at_again),
		T(what_changes_at_first_sight_is_no_measure), T(what_was_not_there_is_no_measure),
		T(of_a_guest_that_stands_still_nothing_is_said),
		T(hooked_tables_are_found), T(the_kernels_own_patches_are_none), T(a_static_call_may_be_conditional),
		T(a_patch_of_nobodys_is_found), T(a_hook_at_first_sight_is_found),
		T(a_patch_under_way_is_incomplete),
		T(a_trampoline_patched_at_first_sight_is_no_measure), T(a_modules_ftrace_hook_is_found),
		T(a_modules_fprobe_is_found), T(a_modules_probe_is_found),
		T(a_modules_probe_among_others_is_found), T(whom_a_trampoline_calls_is_found), T(whom_ftrace_itself_calls_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The task list, whole, torn, looped and lying. */
#include "test_introspect_guest.h"

#include "introspect/tasks.h"

static struct task_list list;

static int teardown(void **state)
{
	task_list_free(&list);
	return guest_teardown(state);
}

static void link_next(uint64_t task, uint64_t next)
{
	put64(task - DIRECT, next);
}

static void test_list(void **state)
{
	uint64_t init = make_task(0, 0), a = make_task(1, init), b = make_task(2, a);
	struct task t;

	assert_int_equal(task_list_read(&k, &list), 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.va[0], init);
	assert_int_equal(list.va[2], b);
	assert_int_equal(task_read(&k, b, &t), 0);
	assert_int_equal(t.pid, 2);
	assert_int_equal(t.ppid, 1);
	assert_int_equal(t.start_ns, 2000);
	assert_false(t.kthread || t.dying || t.mm);
}

static void test_loop_that_misses_its_head(void **state)
{
	uint64_t init = make_task(0, 0), a = make_task(1, init), b = make_task(2, a);

	link_next(b, a);
	assert_int_equal(task_list_read(&k, &list), -ELOOP);
	assert_true(list.n <= 3);
	task_list_free(&list);
	/* With back links forged to fit, the loop never ends: the limit ends it. */
	link_next(a, a);
	put64(a - DIRECT + 8, a);
	memory_refresh(&mem);
	assert_int_not_equal(task_list_read(&k, &list), 0);
	assert_true(list.n <= MAX_TASKS);
}

static void test_bad_pointers(void **state)
{
	static const uint64_t evil[] = {
		0, 8, 0x7fffffffe000, DIRECT + RAM_SIZE, DIRECT + RAM_SIZE - 4, UINT64_MAX - 7,
		0x8000000000000000ull,
	};
	uint64_t init = make_task(0, 0), a = make_task(1, init);

	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		link_next(a, evil[i]);
		memory_refresh(&mem);
		assert_int_not_equal(task_list_read(&k, &list), 0);
		assert_int_equal(list.n, 2);
		task_list_free(&list);
	}
}

static void test_bad_back_link(void **state)
{
	uint64_t init = make_task(0, 0), a = make_task(1, init);

	make_task(2, a);
	put64(a - DIRECT + 8, a);
	assert_int_equal(task_list_read(&k, &list), -ELOOP);
}

static void test_impossible_tasks(void **state)
{
	uint64_t init = make_task(0, 0), a = make_task(1, init);
	struct task t;

	set(a, k.at.task_struct_pid, 0xffffffff);
	set(a, k.at.task_struct_tgid, 0xffffffff);
	assert_int_equal(task_read(&k, a, &t), -EPROTO);
	set(a, k.at.task_struct_pid, 5);
	memory_refresh(&mem);
	assert_int_equal(task_read(&k, a, &t), -EPROTO);
	set(a, k.at.task_struct_tgid, 5);
	set(a, k.at.task_struct_cred, 0x1000);
	memory_refresh(&mem);
	assert_int_not_equal(task_read(&k, a, &t), 0);
	assert_int_not_equal(task_read(&k, 0, &t), 0);
}

static void test_comm_without_end(void **state)
{
	uint64_t a = make_task(1, make_task(0, 0));
	struct task t;

	memset(ram + (a - DIRECT) + k.at.task_struct_comm.at, 'x', 16);
	set(a, k.at.task_struct_mm, 0);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_int_equal(strlen(t.comm), 16);
}

static uint64_t make_mm(uint64_t task, uint64_t pgd)
{
	uint64_t mm = make(64);

	set(mm, k.at.mm_struct_pgd, DIRECT + pgd);
	set(task, k.at.task_struct_mm, mm);
	return mm;
}

static void test_cr3(void **state)
{
	uint64_t a = make_task(1, make_task(0, 0));
	struct task t;

	make_mm(a, 0x1000);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_int_equal(t.pgd, 0x1000);
	assert_true(task_has_cr3(&t, 0x8000000000001003ull, false));
	assert_false(task_has_cr3(&t, 0x1000, true));
	assert_false(task_has_cr3(&t, 0x2000, false));
	t.pgd = 0x2000;
	assert_true(task_has_cr3(&t, 0x3801, true));
	t.pgd = 0;
	assert_false(task_has_cr3(&t, 0, false));
}

static void test_kernel_thread_has_no_mm(void **state)
{
	uint64_t a = make_task(1, make_task(0, 0));
	struct task t;

	make_mm(a, 0x1000);
	set(a, k.at.task_struct_flags, 0x00200000);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_true(t.kthread);
	assert_int_equal(t.mm, 0);
}

static uint64_t make_thread(uint64_t signal, uint64_t task)
{
	uint64_t head = signal + k.at.signal_struct_thread_head.at, next;
	uint64_t node = task + k.at.task_struct_thread_node.at;

	memcpy(&next, ram + (head - DIRECT), 8);
	put64(node - DIRECT, next ? next : head);
	put64(head - DIRECT, node);
	set(task, k.at.task_struct_signal, signal);
	return node;
}

/* The first thread has ended, another runs on: no process to overlook. */
static void test_first_thread_ended(void **state)
{
	uint64_t a = make_task(1, make_task(0, 0)), b = make(128), signal = make(64), node;
	struct task t;

	node = make_thread(signal, b);
	make_thread(signal, a);
	make_mm(b, 0x1000);
	set(a, k.at.task_struct_exit_state, 32);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_int_equal(t.pgd, 0x1000);
	assert_int_equal(t.thread, b);
	assert_false(t.dying);
	/* Both have ended. */
	set(b, k.at.task_struct_mm, 0);
	memory_refresh(&mem);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_true(t.dying && !t.mm);
	/* A ring that misses its head ends too; who is in it is not known to be dead. */
	put64(node - DIRECT, node);
	memory_refresh(&mem);
	assert_int_equal(task_read(&k, a, &t), -EPROTO);
}

static void test_argv(void **state)
{
	uint64_t a = make_task(1, make_task(0, 0)), mm = make_mm(a, 0x1000);
	uint64_t text = make(64);
	char out[16];
	struct task t;

	memcpy(ram + (text - DIRECT), "prog\0-a\0\0\0", 10);
	set(mm, k.at.mm_struct_arg_start, text);
	set(mm, k.at.mm_struct_arg_end, text + 10);
	assert_int_equal(task_read(&k, a, &t), 0);
	assert_int_equal(task_argv(&k, &t, out, sizeof(out)), 7);
	assert_memory_equal(out, "prog -a", 7);
	/* Longer than the buffer, backwards, and nowhere. */
	set(mm, k.at.mm_struct_arg_end, UINT64_MAX);
	memory_refresh(&mem);
	assert_true(task_argv(&k, &t, out, sizeof(out)) <= sizeof(out));
	set(mm, k.at.mm_struct_arg_end, text - 1);
	memory_refresh(&mem);
	assert_int_equal(task_argv(&k, &t, out, sizeof(out)), 0);
	set(mm, k.at.mm_struct_arg_start, UINT64_MAX - 5);
	set(mm, k.at.mm_struct_arg_end, UINT64_MAX);
	memory_refresh(&mem);
	assert_int_equal(task_argv(&k, &t, out, sizeof(out)), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, guest_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list), T(test_loop_that_misses_its_head), T(test_bad_pointers),
		T(test_bad_back_link), T(test_impossible_tasks), T(test_comm_without_end),
		T(test_cr3), T(test_kernel_thread_has_no_mm), T(test_first_thread_ended),
		T(test_argv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

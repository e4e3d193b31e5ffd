// SPDX-License-Identifier: GPL-2.0-or-later
/* An introspector that was taken over by its guest: what it says of the kernel is refused, or cut. */
#include "test_engine_openapi.h"

static void say_facts(const struct m_kernel_facts *f)
{
	send_to(w.introspect, &msg_kernel_facts, in.id, f, -1);
}

static void two_facts(void)
{
	say_facts(&facts);
	say_facts(&facts);
}

static void facts_behind_a_module(void)
{
	say_facts(&facts);
	send_to(w.introspect, &msg_module, in.id, &module, -1);
	say_facts(&facts);
}

static void module_before_facts(void)
{
	send_to(w.introspect, &msg_module, in.id, &module, -1);
}

static void no_facts(void)
{
	end_kernel(DONE_COMPLETE);
}

static void no_such_process(void)
{
	end_kernel(DONE_NOT_FOUND);
}

static void facts_of_what_is_not_seen(void)
{
	say_facts(&facts);
	end_kernel(DONE_UNOBSERVABLE);
}

static void three_levels(void)
{
	struct m_kernel_facts f = facts;

	f.paging_levels = 3;
	say_facts(&f);
}

static void negative_time(void)
{
	struct m_kernel_facts f = facts;

	f.boot_ns = UINT64_MAX;
	say_facts(&f);
}

static void id_that_is_none(void)
{
	struct m_kernel_facts f = facts;

	strcpy(f.build_id, "0011<b>");
	say_facts(&f);
}

static void negative_size(void)
{
	struct m_module m = module;

	say_facts(&facts);
	m.size = UINT64_MAX;
	send_to(w.introspect, &msg_module, in.id, &m, -1);
}

static void process_instead(void)
{
	const struct m_fact fact = { FACT_PROCESS, 0, "Uid", "0 0 0 0" };

	send_to(w.introspect, &msg_fact, in.id, &fact, -1);
}

static void task_instead(void)
{
	show_task(in.id);
}

/* Its socket is closed, who asked is told so, and a new one is asked again. */
static void expect_refused(int fd, const char *url)
{
	const struct m_done done = { .status = DONE_COMPLETE };
	struct pollfd p = { w.introspect, POLLIN, 0 };

	json_decref(end(fd, "GET", url, 503));
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	introspector_again();
	await_question(M_SWEEP);
	send_to(w.introspect, &msg_done, in.id, &done, -1);
}

static void lies_about_the_kernel_are_refused(void **state)
{
	void (*const lies[])(void) = {
		two_facts, facts_behind_a_module, module_before_facts, no_facts, no_such_process,
		facts_of_what_is_not_seen, three_levels, negative_time, id_that_is_none,
		negative_size, process_instead, task_instead,
	};
	int fd;

	NEEDS_PROGRAMS();
	nseen = 0;
	all_up();
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		fd = ask_kernel();
		lies[i]();
		expect_refused(fd, KERNEL);
	}
	fd = api_send("GET", "/v1/guests/7/tasks/5", "");
	await_question(M_PROCESS);
	say_facts(&facts);
	expect_refused(fd, "/v1/guests/7/tasks/5");
	fd = api_send("GET", "/v1/guests/7/tasks/5/maps", "");
	await_question(M_MAPS);
	module_before_facts();
	expect_refused(fd, "/v1/guests/7/tasks/5/maps");
	kernel();
}

static void modules_without_end_are_cut(void **state)
{
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	nseen = 0;
	all_up();
	fd = ask_kernel();
	say_facts(&facts);
	for (int i = 0; i < 20000; i++)
		send_to(w.introspect, &msg_module, in.id, &module, -1);
	end_kernel(DONE_COMPLETE);
	answer = end(fd, "GET", KERNEL, 200);
	assert_int_equal(json_array_size(json_object_get(answer, "modules")), 8191);
	assert_true(json_is_false(json_object_get(answer, "complete")));
	assert_non_null(strstr(text(answer, "why"), "more than 8192"));
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lies_about_the_kernel_are_refused), T(modules_without_end_are_cut),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

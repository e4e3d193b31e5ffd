// SPDX-License-Identifier: GPL-2.0-or-later
/* What programs have used so far, over days: what is held against it is found, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "engine/signs.h"
#include "engine/usage.h"
#include "lib/util.h"

#define MIB (1ull << 20)
#define MINUTE (60 * NS_PER_S)
#define TASKS 16

static struct engine e;
static struct guest g;
static struct task tasks[TASKS];
static uint64_t cpu_ns[TASKS];
static uint64_t now;
static unsigned cpu_found[TASKS], memory_found[TASKS];

void __wrap_signs_found(struct guest *guest, const struct m_sign *m)
{
	assert_ptr_equal(guest, &g);
	assert_int_equal(m->kind, SIGN_USAGE);
	assert_true(m->pid < TASKS);
	cpu_found[m->pid] += !strcmp(m->name, "Usage.CPU");
	memory_found[m->pid] += !strcmp(m->name, "Usage.Memory");
}

static void sweep_after(uint64_t ns)
{
	now += ns;
	g.counts.sweeps++;
	g.sweep_began = now;
}

static void minute(void) { sweep_after(MINUTE); }

/* In the sweep of this minute: pid is an index. */
static void show(unsigned pid, char *exe, unsigned cpu_percent, unsigned mib)
{
	struct m_task m = { .pid = pid, .rss_bytes = mib * MIB };

	tasks[pid].pid = pid;
	tasks[pid].exe = exe;
	cpu_ns[pid] += MINUTE / 100 * cpu_percent;
	m.cpu_ns = cpu_ns[pid];
	usage_sample(&g, &tasks[pid], &m, now);
}

static int setup(void **state)
{
	memset(&e, 0, sizeof(e));
	memset(&g, 0, sizeof(g));
	memset(tasks, 0, sizeof(tasks));
	memset(cpu_ns, 0, sizeof(cpu_ns));
	memset(cpu_found, 0, sizeof(cpu_found));
	memset(memory_found, 0, sizeof(memory_found));
	now = 1000 * NS_PER_S;
	e.policy.usage[0] = (struct usage_rule){ .name = "miners", .cpu_percent = 90, .seconds = 600,
						 .baseline_s = 24 * 3600 };
	e.policy.usage[1] = (struct usage_rule){ .name = "hoarders", .memory_mib = 100, .seconds = 600,
						 .baseline_s = 3600 };
	e.policy.nusage = 2;
	g.introspector.engine = &e;
	return 0;
}

/* The process that is shown first keeps to itself, and is not the measure. */
static void sessions_of_a_large_program_are_usual(void **state)
{
	for (unsigned i = 0; i < 120; i++) {
		minute();
		show(1, "/bin/db", 0, 5);
		show(2, "/bin/db", 5, 300);
		show(3, "/bin/cache", 5, 4000);
		if (i > 30)
			show(4, "/bin/db", 5, 320);
		/* Somewhat more is usual too. */
		if (i > 30)
			show(5, "/bin/cache", 5, 6000);
	}
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(memory_found[i] + cpu_found[i], 0);
}

static void growth_and_a_large_newcomer_are_told(void **state)
{
	for (unsigned i = 0; i < 40; i++) {
		minute();
		show(1, "/bin/leak", 0, i < 5 ? 60 : 300);
		if (i > 0)
			show(2, "/bin/new", 0, 300);
		/* Not for long enough. */
		show(3, "/bin/batch", 0, i % 12 < 9 ? 300 : 10);
		if (i > 0)
			show(4, "/bin/small", 0, 99);
		if (i == 14)
			assert_int_equal(memory_found[1], 0);
	}
	assert_int_equal(memory_found[1], 1);
	assert_int_equal(memory_found[2], 1);
	assert_int_equal(memory_found[3] + memory_found[4], 0);
}

/* Each rule has its own baseline: an hour for memory is not a day. */
static void what_lasts_becomes_usual(void **state)
{
	for (unsigned i = 0; i < 6 * 60; i++) {
		minute();
		show(9, "/bin/other", 0, 1);
		if (i > 0)
			show(1, "/bin/service", 95, 300);
		if (i > 5 * 60)
			show(2, "/bin/service", 95, 300);
	}
	assert_int_equal(memory_found[1], 1);
	assert_int_equal(memory_found[2], 0);
	/* Of CPU it is a day. */
	assert_int_equal(cpu_found[1], 1);
	assert_int_equal(cpu_found[2], 1);
}

/* However many sweeps a day has. */
static void sweeps_may_be_short(void **state)
{
	e.policy.usage[1].baseline_s = 24 * 3600;
	for (unsigned i = 0; i < 3 * 24 * 3600 / 5; i++) {
		sweep_after(5 * NS_PER_S);
		show(9, "/bin/other", 0, 1);
		if (i > 0)
			show(1, "/bin/service", 0, 300);
		if (i > 2 * 24 * 3600 / 5)
			show(2, "/bin/service", 0, 300);
	}
	assert_int_equal(memory_found[1], 1);
	assert_int_equal(memory_found[2], 0);
}

/* A program that ran for a moment yesterday has not been as busy as it is now. */
static void absence_teaches_nothing(void **state)
{
	for (unsigned i = 0; i < 3 * 24 * 60; i++) {
		minute();
		if (i < 3)
			show(1, "/bin/cron", 1, 10);
	}
	for (unsigned i = 0; i < 15; i++) {
		minute();
		show(2, "/bin/cron", 99, 300);
	}
	assert_int_equal(cpu_found[2], 1);
	assert_int_equal(memory_found[2], 1);
}

/* Processes that are as busy, one after the other: none is so for long. */
static void a_compiler_is_not_told(void **state)
{
	for (unsigned i = 0; i < 300; i++) {
		unsigned pid = 1 + i / 9 % (TASKS - 1);

		minute();
		if (i % 9 == 0) {
			tasks[pid] = (struct task){ 0 };
			cpu_ns[pid] = 0;
		}
		show(pid, "/bin/cc1", 100, 90);
	}
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(cpu_found[i], 0);
}

#define U(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		U(sessions_of_a_large_program_are_usual), U(growth_and_a_large_newcomer_are_told),
		U(what_lasts_becomes_usual), U(sweeps_may_be_short), U(absence_teaches_nothing), U(a_compiler_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

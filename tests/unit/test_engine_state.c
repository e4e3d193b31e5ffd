// SPDX-License-Identifier: GPL-2.0-or-later
/* The engine's bounded state: looks, inventory and the scan queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/inventory.h"
#include "engine/looks.h"
#include "engine/scans.h"

#define HORIZON (30 * NS_PER_S)
#define T0 (1000 * NS_PER_S)

static struct looks looks;
static struct inventory inv;

/* ---- looks ---- */

static void same_space_is_asked_once(void **state)
{
	struct look l;

	memset(&looks, 0, sizeof(looks));
	looks_event(&looks, 0x1000, T0, T0);
	looks_event(&looks, 0x1005, T0, T0);	/* another PCID */
	looks_event(&looks, 0x8000000000001000, T0, T0);
	looks_event(&looks, 0x2000, T0, T0);
	assert_int_equal(looks.npending, 2);
	assert_int_equal(looks.coalesced, 2);
	assert_true(looks_take(&looks, T0, &l));
	assert_int_equal(l.cr3, 0x1000);
	looks_event(&looks, 0x1000, T0, T0 + 999 * NS_PER_MS);
	assert_int_equal(looks.npending, 1);
	looks_event(&looks, 0x1000, T0, T0 + NS_PER_S);
	assert_int_equal(looks.npending, 2);
}

static void not_found_is_asked_again_once(void **state)
{
	struct look l;

	memset(&looks, 0, sizeof(looks));
	looks_event(&looks, 0x1000, T0 - 5, T0);
	assert_true(looks_take(&looks, T0, &l));
	looks_done(&looks, &l, DONE_NOT_FOUND, false, HORIZON, T0);
	assert_int_equal(looks_due(&looks), T0 + LOOKS_RETRY_NS);
	assert_false(looks_take(&looks, T0 + LOOKS_RETRY_NS - 1, &l));
	assert_true(looks_take(&looks, T0 + LOOKS_RETRY_NS, &l));
	assert_int_equal(l.t_event, T0 - 5);
	looks_done(&looks, &l, DONE_NOT_FOUND, false, HORIZON, T0 + LOOKS_RETRY_NS);
	assert_int_equal(looks_due(&looks), NEVER);
	/* And an event is no longer held back. */
	looks_event(&looks, 0x1000, T0, T0 + LOOKS_RETRY_NS + 1);
	assert_int_equal(looks.npending, 1);
}

static void new_process_is_looked_at_again(void **state)
{
	uint64_t now = T0, delay = LOOKS_AGAIN_NS;
	struct look l;
	int n = 0;

	memset(&looks, 0, sizeof(looks));
	looks_event(&looks, 0x1000, T0, now);
	assert_true(looks_take(&looks, now, &l));
	looks_done(&looks, &l, DONE_COMPLETE, true, HORIZON, now);
	while (looks_due(&looks) != NEVER) {
		assert_int_equal(looks_due(&looks), now + delay);
		now += delay;
		delay *= 3;
		assert_true(looks_take(&looks, now, &l));
		looks_done(&looks, &l, DONE_COMPLETE, false, HORIZON, now);
		n++;
	}
	assert_int_equal(n, 5);	/* 0.3, 0.9, 2.7, 8.1, 24.3 s; the next would be beyond the sweep */
}

static void known_process_is_not(void **state)
{
	struct look l;

	memset(&looks, 0, sizeof(looks));
	looks_event(&looks, 0x1000, T0, T0);
	looks_take(&looks, T0, &l);
	looks_done(&looks, &l, DONE_COMPLETE, false, HORIZON, T0);
	assert_int_equal(looks_due(&looks), NEVER);
}

static void overflow_becomes_a_sweep(void **state)
{
	struct look l;

	memset(&looks, 0, sizeof(looks));
	/* A look again, which gives way. */
	looks_event(&looks, 0xfff000, T0, T0);
	looks_take(&looks, T0, &l);
	looks_done(&looks, &l, DONE_COMPLETE, true, HORIZON, T0);
	for (uint64_t i = 1; i <= LOOKS_PENDING; i++)
		looks_event(&looks, i << 12, T0, T0);
	assert_int_equal(looks.npending, LOOKS_PENDING);
	assert_false(looks.sweep_due);
	for (unsigned i = 0; i < looks.npending; i++)
		assert_int_equal(looks.pending[i].again, 0);
	looks_event(&looks, 0xabc000, T0, T0);
	assert_true(looks.sweep_due);
	assert_int_equal(looks.overflowed, 1);
	assert_int_equal(looks.npending, LOOKS_PENDING);
}

/* ---- inventory ---- */

static struct task *add_task(uint32_t pid, uint64_t now, bool *ret_new)
{
	struct m_task m = { .pid = pid, .start_ns = pid * 7, .cr3 = pid << 12, .comm = "x" };
	bool is_new;

	return inventory_task(&inv, &m, now, ret_new ? ret_new : &is_new);
}

static struct object *add_object(uint64_t id)
{
	struct m_object m = { .object = id, .kind = OBJECT_FILE, .path = "/bin/x" };

	return inventory_object(&inv, &m);
}

static struct use *add_use(uint32_t pid, uint64_t object)
{
	struct m_uses m = { .pid = pid, .start_ns = pid * 7, .object = object, .gva = 0x400000 };

	return inventory_use(&inv, &m, BY_EVENT, T0, T0);
}

static void tasks_are_bounded(void **state)
{
	inventory_init(&inv);
	for (uint32_t pid = 1; pid <= INVENTORY_TASKS; pid++)
		add_task(pid, T0 + pid, NULL);
	inventory_find_task(&inv, 20, 140)->dead = true;
	add_object(1);
	add_use(1, 1);
	add_task(100000, T0 * 2, NULL);
	assert_int_equal(inv.ntasks, INVENTORY_TASKS);
	assert_null(inventory_find_task(&inv, 20, 140));	/* the dead one went */
	assert_non_null(inventory_find_task(&inv, 1, 7));
	add_task(100001, T0 * 2, NULL);
	assert_null(inventory_find_task(&inv, 1, 7));		/* then the oldest */
	assert_int_equal(inv.nuses, 0);
	inventory_free(&inv);
}

static void objects_and_uses_are_bounded(void **state)
{
	inventory_init(&inv);
	add_task(1, T0, NULL);
	for (uint64_t id = 1; id <= INVENTORY_OBJECTS + 10; id++)
		add_object(id);
	assert_int_equal(inv.nobjects, INVENTORY_OBJECTS);
	for (uint64_t id = 100; id < 100 + INVENTORY_USES_PER_TASK + 10; id++)
		add_use(1, id);
	assert_int_equal(inv.nuses, INVENTORY_USES_PER_TASK);
	assert_int_equal(inv.evicted_uses, 10);
	/* The one that was given up is asked for again. */
	assert_false(inv.resend_due);
	assert_null(add_use(1, 1));
	assert_true(inv.resend_due);
	inventory_free(&inv);
}

static struct object *object_of(uint64_t id) { return inventory_find_object(&inv, id); }

/* Who maps a thousand clean files does not hide the next, nor what was found. */
static void a_new_use_is_never_refused(void **state)
{
	const uint64_t infected = 2 * INVENTORY_USES_PER_TASK;

	inventory_init(&inv);
	add_task(1, T0, NULL);
	for (uint64_t id = 1; id <= INVENTORY_USES_PER_TASK; id++) {
		add_object(id);
		add_use(1, id);
		object_of(id)->state = id == 1 ? OBJECT_INFECTED : OBJECT_CLEAN;
	}
	add_object(infected);
	assert_non_null(add_use(1, infected));
	assert_int_equal(inv.nuses, INVENTORY_USES_PER_TASK);
	assert_false(TAILQ_EMPTY(&object_of(1)->uses));
	assert_true(TAILQ_EMPTY(&object_of(2)->uses));
	inventory_free(&inv);
}

/* Nor do many processes with many: those with the most give them up. */
static void a_full_table_has_room_for_a_new_process(void **state)
{
	const uint32_t tasks = INVENTORY_USES / INVENTORY_USES_PER_TASK;

	inventory_init(&inv);
	for (uint64_t id = 1; id <= INVENTORY_USES_PER_TASK; id++)
		add_object(id);
	for (uint32_t pid = 1; pid <= tasks; pid++) {
		add_task(pid, T0, NULL);
		for (uint64_t id = 1; id <= INVENTORY_USES_PER_TASK; id++)
			add_use(pid, id);
	}
	assert_int_equal(inv.nuses, INVENTORY_USES);
	add_task(1000, T0, NULL);
	for (uint64_t id = 1; id <= 100; id++)
		assert_non_null(add_use(1000, id));
	assert_int_equal(inv.nuses, INVENTORY_USES);
	assert_int_equal(inventory_find_task(&inv, 1000, 7000)->nuses, 100);
	inventory_free(&inv);
}

static void exec_outdates_uses(void **state)
{
	struct m_task m = { .pid = 5, .start_ns = 35, .cr3 = 0x5000, .exe = "/bin/sh" };
	struct use *u;
	bool is_new;

	inventory_init(&inv);
	inventory_task(&inv, &m, T0, &is_new);
	assert_true(is_new);
	add_object(1);
	u = add_use(5, 1);
	inventory_task(&inv, &m, T0, &is_new);
	assert_false(is_new);
	assert_false(u->stale);
	strcpy(m.exe, "/bin/ls");
	inventory_task(&inv, &m, T0, &is_new);
	assert_true(is_new);
	assert_true(u->stale);
	assert_ptr_equal(add_use(5, 1), u);
	assert_false(u->stale);
	inventory_free(&inv);
}

static void hash_outlives_its_pages(void **state)
{
	struct m_task m = { .pid = 5, .start_ns = 35, .cr3 = 0x5000, .exe = "/bin/sh",
			    .exe_hash = { 7 }, .exe_ranges = { 8, { { 0, 3 } } } };
	struct task *t;
	bool is_new;

	inventory_init(&inv);
	t = inventory_task(&inv, &m, T0, &is_new);
	m.exe_ranges.len = 0;
	memset(m.exe_hash, 0, sizeof(m.exe_hash));
	inventory_task(&inv, &m, T0, &is_new);
	assert_int_equal(t->nranges, 1);
	assert_int_equal(t->exe_hash[0], 7);
	/* Of another program it would be wrong. */
	m.cr3 = 0x6000;
	inventory_task(&inv, &m, T0, &is_new);
	assert_int_equal(t->nranges, 0);
	assert_int_equal(t->exe_hash[0], 0);
	inventory_free(&inv);
}

static void sweep_shows_who_is_dead(void **state)
{
	struct task *t;

	inventory_init(&inv);
	t = add_task(1, T0, NULL);
	add_task(2, T0 + 20, NULL);
	inventory_swept(&inv, T0 + 10, T0 + 30);
	assert_true(t->dead);
	assert_false(inventory_find_task(&inv, 2, 14)->dead);
	inventory_swept(&inv, T0 + 10, T0 + 100 * NS_PER_S);
	assert_null(inventory_find_task(&inv, 1, 7));
	inventory_free(&inv);
}

/* ---- scans ---- */

static struct scan_job *new_job(uint64_t bytes)
{
	struct scan_job *job = calloc(1, sizeof(*job));

	job->fd = -1;
	job->bytes = bytes;
	return job;
}

static void guests_take_turns(void **state)
{
	struct scans s;
	struct scan_queue a, b;
	struct scan_job *job;
	int of_b = 0;

	scans_init(&s);
	scan_queue_init(&a, NULL, false);
	scan_queue_init(&b, NULL, false);
	for (int i = 0; i < 100; i++)
		scans_add(&s, &a, new_job(1));
	scans_add(&s, &b, new_job(1));
	scans_add(&s, &b, new_job(1));
	for (uint64_t id = 1; id <= 4; id++) {
		job = scans_next(&s);
		job->id = id;
		of_b += job->queue == &b;
	}
	assert_int_equal(of_b, 2);
	for (uint64_t id = 5; (job = scans_next(&s)); id++)
		job->id = id;
	assert_int_equal(s.nrunning, SCAN_OUTSTANDING);
	job = scans_answered(&s, 3);
	assert_non_null(job);
	assert_null(scans_answered(&s, 3));
	scans_requeue(&s, job);
	assert_int_equal(a.jobs, 100);
	scans_drop(&s, &a);
	scans_drop(&s, &b);
	assert_int_equal(a.jobs, 0);
	/* Those running are answered to nobody. */
	for (uint64_t id = 1; id <= 8; id++) {
		job = scans_answered(&s, id);
		if (job)
			scans_free_job(&s, job);
	}
	assert_int_equal(s.jobs, 0);
	assert_int_equal(s.bytes, 0);
}

static void queue_is_bounded(void **state)
{
	struct scans s;
	struct scan_queue a, b;

	scans_init(&s);
	scan_queue_init(&a, NULL, false);
	scan_queue_init(&b, NULL, false);
	for (int i = 0; i < SCANS_PER_GUEST; i++) {
		assert_null(scans_full(&s, &a, 1));
		scans_add(&s, &a, new_job(1));
	}
	assert_string_equal(scans_full(&s, &a, 1), "queue full");
	assert_null(scans_full(&s, &b, 1));
	scans_add(&s, &b, new_job(SCANS_GUEST_BYTES));
	assert_string_equal(scans_full(&s, &b, 1), "queue full (bytes)");
	scans_drop(&s, &a);
	scans_drop(&s, &b);
	assert_int_equal(s.jobs, 0);
}

/* Two guests fill what there is; the third is scanned all the same. */
static void no_guest_fills_the_queue_of_others(void **state)
{
	struct scan_queue q[3];
	struct scans s;

	scans_init(&s);
	for (int i = 0; i < 3; i++)
		scan_queue_init(&q[i], NULL, false);
	for (int i = 0; i < 8; i++) {
		scans_add(&s, &q[0], new_job(SCANS_GUEST_BYTES / 8));
		scans_add(&s, &q[1], new_job(SCANS_GUEST_BYTES / 8));
	}
	assert_int_equal(s.queues, 2);
	assert_int_equal(s.bytes, SCANS_TOTAL_BYTES);
	for (int i = 0; i < 5; i++) {
		assert_null(scans_full(&s, &q[2], SCANS_GUEST_BYTES / 8));
		scans_add(&s, &q[2], new_job(SCANS_GUEST_BYTES / 8));
	}
	/* Its share, no more. */
	assert_string_equal(scans_full(&s, &q[2], SCANS_GUEST_BYTES / 8), "queue full (bytes)");
	assert_string_equal(scans_full(&s, &q[0], 1), "queue full (bytes)");
	for (int i = 0; i < 3; i++)
		scans_drop(&s, &q[i]);
	assert_int_equal(s.queues, 0);
	assert_int_equal(s.jobs, 0);
}

/* A second after the host's boot a guest has its whole quota all the same. */
static void test_quota_is_full_at_boot(void **state)
{
	struct quota q = { 0 };
	uint64_t now = NS_PER_S;

	for (unsigned i = 0; i < 5; i++)
		assert_true(quota_take(&q, 5, 60 * NS_PER_S, now));
	assert_false(quota_take(&q, 5, 60 * NS_PER_S, now + 59 * NS_PER_S));
	assert_true(quota_take(&q, 5, 60 * NS_PER_S, now + 60 * NS_PER_S));
	assert_false(quota_take(&q, 5, 60 * NS_PER_S, now + 61 * NS_PER_S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quota_is_full_at_boot),
		cmocka_unit_test(same_space_is_asked_once),
		cmocka_unit_test(not_found_is_asked_again_once),
		cmocka_unit_test(new_process_is_looked_at_again),
		cmocka_unit_test(known_process_is_not),
		cmocka_unit_test(overflow_becomes_a_sweep),
		cmocka_unit_test(tasks_are_bounded),
		cmocka_unit_test(objects_and_uses_are_bounded),
		cmocka_unit_test(a_new_use_is_never_refused),
		cmocka_unit_test(a_full_table_has_room_for_a_new_process),
		cmocka_unit_test(exec_outdates_uses),
		cmocka_unit_test(hash_outlives_its_pages),
		cmocka_unit_test(sweep_shows_who_is_dead),
		cmocka_unit_test(guests_take_turns),
		cmocka_unit_test(queue_is_bounded),
		cmocka_unit_test(no_guest_fills_the_queue_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

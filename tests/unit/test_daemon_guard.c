// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guard found, between the ring and an engine that may end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/guard_queue.h"

static struct guard_queue q;
static int engine[2];
static unsigned delivered[4];		/* of guest n */

static int setup(void **state)
{
	memset(delivered, 0, sizeof(delivered));
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, engine);
}

static int teardown(void **state)
{
	guard_queue_free(&q);
	close(engine[0]);
	close(engine[1]);
	return 0;
}

static void count(void *arg, uint64_t guest)
{
	delivered[guest]++;
}

static void add(uint64_t guest, uint32_t pid)
{
	struct warden_guard_event e = { .guest = guest, .pid = pid, .what = GUARD_EXEC };

	assert_true(guard_queue_has_room(&q));
	guard_queue_add(&q, &e);
}

/* The process ids that the engine is sent, one character each; "": nothing comes. */
static void expect_sent(const char *pids)
{
	struct warden_guard_event e;
	struct m_guard_events events;
	struct msg m;
	size_t n = strlen(pids);

	guard_queue_refill(&q);
	assert_int_equal(guard_queue_send(&q, engine[0]), !n);
	if (!n) {
		assert_true(msg_recv(engine[1], &m, MSG_DONTWAIT) < 0);
		return;
	}
	assert_int_equal(msg_recv(engine[1], &m, MSG_DONTWAIT), 1);
	assert_true(msg_decode(&m, &msg_guard_events, &events));
	assert_int_equal(events.events.len, n * sizeof(e));
	for (size_t i = 0; i < n; i++) {
		memcpy(&e, events.events.data + i * sizeof(e), sizeof(e));
		assert_int_equal(e.pid, pids[i]);
	}
}

static bool taken(uint32_t events, uint32_t held)
{
	const struct m_guard_taken m = { .events = events, .held = held };

	return guard_queue_taken(&q, &m, count, NULL);
}

static void what_is_not_taken_goes_to_the_next(void **state)
{
	add(1, 'a');
	add(2, 'b');
	expect_sent("ab");
	assert_false(guard_queue_has_room(&q));
	guard_queue_engine_down(&q);
	expect_sent("ab");
	assert_true(taken(2, 0));
	assert_int_equal(delivered[1], 1);
	assert_int_equal(delivered[2], 1);
	guard_queue_engine_down(&q);
	expect_sent("");
}

static void what_is_held_is_kept_and_holds_nobody_up(void **state)
{
	add(1, 'a');
	add(2, 'b');
	add(1, 'c');
	expect_sent("abc");
	assert_true(taken(3, 1 | 4));
	assert_int_equal(delivered[1], 0);
	assert_int_equal(delivered[2], 1);
	add(2, 'd');
	expect_sent("d");
	assert_true(taken(1, 0));
	assert_true(guard_queue_judged(&q, 1, count, NULL));
	assert_int_equal(delivered[1], 2);
	guard_queue_engine_down(&q);
	expect_sent("");
}

static void what_was_held_goes_to_the_next(void **state)
{
	add(1, 'a');
	add(3, 'b');
	expect_sent("ab");
	assert_true(taken(2, 3));
	add(2, 'c');
	expect_sent("c");
	guard_queue_engine_down(&q);
	expect_sent("cab");
	/* Of one the name is known by now. */
	assert_true(taken(3, 4));
	assert_int_equal(delivered[1], 1);
	assert_int_equal(delivered[3], 0);
	assert_true(guard_queue_judged(&q, 3, count, NULL));
	assert_int_equal(delivered[3], 1);
}

static void more_than_a_batch_is_sent_anew(void **state)
{
	for (uint32_t n = 0; n < 3; n++) {
		for (uint32_t i = 0; i < GUARD_EVENTS_MAX; i++)
			add(1, 'a' + n);
		guard_queue_send(&q, engine[0]);
		assert_true(taken(GUARD_EVENTS_MAX, UINT32_MAX));
	}
	assert_int_equal(q.nkept, 3 * GUARD_EVENTS_MAX);
	guard_queue_engine_down(&q);
	for (uint32_t n = 0; n < 3; n++) {
		guard_queue_refill(&q);
		assert_int_equal(q.nbatch, GUARD_EVENTS_MAX);
		assert_false(guard_queue_has_room(&q));
		guard_queue_send(&q, engine[0]);
		assert_true(taken(GUARD_EVENTS_MAX, 0));
	}
	assert_int_equal(delivered[1], 3 * GUARD_EVENTS_MAX);
	assert_int_equal(q.nkept, 0);
}

static void what_cannot_be_is_refused(void **state)
{
	assert_false(taken(0, 0));
	add(1, 'a');
	assert_false(taken(1, 0));
	expect_sent("a");
	assert_false(taken(2, 0));
	assert_false(taken(1, 2));
	assert_false(guard_queue_judged(&q, 1, count, NULL));
	assert_true(taken(1, 1));
	/* What an engine before held, this one has not judged. */
	guard_queue_engine_down(&q);
	assert_false(guard_queue_judged(&q, 1, count, NULL));
	assert_int_equal(delivered[1], 0);
	expect_sent("a");
}

#define Q(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		Q(what_is_not_taken_goes_to_the_next),
		Q(what_is_held_is_kept_and_holds_nobody_up),
		Q(what_was_held_goes_to_the_next),
		Q(more_than_a_batch_is_sent_anew),
		Q(what_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sums of a guest's events against the truth: a module, BPF and an engine
 * that do one thing at a time, in any order, with losses of every kind, while
 * the daemon looks at any moment between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/account.h"
#include "lib/messages.h"
#include "lib/util.h"

/* What is true, and what each part has counted of it. */
struct world {
	uint64_t emitted;			/* by the module */
	uint64_t between, old;			/* emitted, and BPF has not run yet; of these, since the last look */
	uint64_t never;				/* of these that were emitted: BPF never runs */
	struct warden_guest_counts bpf;
	uint64_t taken;
};

static void run_bpf(struct world *w, unsigned losses)
{
	if (!w->between)
		return;
	w->between--;
	w->old -= w->old > 0;
	if (rand() % 100 < (int)losses)
		w->bpf.dropped++;
	else if (rand() % 100 < (int)losses)
		w->bpf.over_budget++;
	else
		w->bpf.submitted++;
}

static void step(struct world *w, unsigned losses)
{
	switch (rand() % 4) {
	case 0:
		w->emitted++;
		if (rand() % 100 < (int)losses)
			w->never++;
		else
			w->between++;
		break;
	case 1:
	case 2:
		run_bpf(w, losses);
		break;
	default:
		if (w->taken < w->bpf.submitted)
			w->taken++;
	}
}

static void steps(struct world *w, unsigned n, unsigned losses)
{
	while (n--)
		step(w, losses);
}

/* Emitted, and BPF had not run, when the daemon looked. */
static uint64_t most_between;

/* The daemon's look, with the world going on between its parts. */
static void look(struct account *a, struct world *w, unsigned losses, struct m_counters *m)
{
	struct look look;

	while (w->old)		/* no event takes from one look to the next */
		run_bpf(w, losses);
	look.emitted = w->emitted;
	most_between = MAX(most_between, w->between);
	steps(w, rand() % 4, losses);
	look.delivered = w->taken;
	steps(w, rand() % 4, losses);
	look.counts = w->bpf;
	steps(w, rand() % 4, losses);
	look.emitted_after = w->emitted;
	w->old = w->between;
	account_add_up(a, &look, m);
}

/* The world stands still. */
static void look_still(struct account *a, const struct world *w, struct m_counters *m)
{
	const struct look look = { w->emitted, w->taken, w->bpf, w->emitted };

	account_add_up(a, &look, m);
}

/* Nobody emits, and everyone ends what is under way. */
static void come_to_rest(struct world *w)
{
	w->bpf.submitted += w->between;
	w->between = w->old = 0;
	w->taken = w->bpf.submitted;
}

static void check_sum(const struct m_counters *m)
{
	assert_int_equal(m->emitted, m->delivered + m->dropped + m->suppressed + m->missed);
}

static void check_exact(const struct world *w, const struct m_counters *m)
{
	assert_int_equal(m->emitted, w->emitted);
	assert_int_equal(m->delivered, w->taken);
	assert_int_equal(m->dropped, w->bpf.dropped);
	assert_int_equal(m->suppressed, w->bpf.over_budget);
	assert_int_equal(m->missed, w->never);
	check_sum(m);
}

static void one_life(unsigned losses)
{
	struct world w = { 0 };
	struct account a = { 0 };
	struct m_counters m = { 0 }, before;

	most_between = 0;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 30; i++) {
			before = m;
			steps(&w, rand() % 40, losses);
			look(&a, &w, losses, &m);
			assert_true(m.emitted >= m.delivered + m.dropped + m.suppressed + m.missed);
			assert_true(m.emitted <= w.emitted);
			assert_true(m.emitted >= before.emitted);
			assert_true(m.missed <= w.never + most_between);
		}
		come_to_rest(&w);
		look_still(&a, &w, &m);
		look_still(&a, &w, &m);
		check_exact(&w, &m);
	}
}

static void test_exact_once_quiet(void **state)
{
	for (unsigned seed = 1; seed <= 200; seed++) {
		srand(seed);
		one_life(seed % 5 * 10);
	}
}

/* Attached late: what was emitted before is missed, and stays so. */
static void test_emitted_before(void **state)
{
	struct world w = { .emitted = 1000, .never = 1000 };
	struct account a = { 0 };
	struct m_counters m = { 0 };

	look_still(&a, &w, &m);
	look_still(&a, &w, &m);
	check_exact(&w, &m);
	/* Busy at every look: each shows events that BPF counted and emitted does not tell yet. */
	for (int i = 0; i < 100; i++) {
		struct look look = { .emitted = w.emitted, .delivered = w.taken };

		w.emitted += 5;
		w.bpf.submitted += 5;
		look.counts = w.bpf;
		look.emitted_after = w.emitted;
		account_add_up(&a, &look, &m);
		assert_int_equal(m.missed, 1000);
	}
	come_to_rest(&w);
	look_still(&a, &w, &m);
	look_still(&a, &w, &m);
	check_exact(&w, &m);
}

/* One event between module and BPF at each look is no loss. */
static void test_no_false_loss(void **state)
{
	struct world w = { 0 };
	struct account a = { 0 };
	struct m_counters m = { 0 };

	for (int i = 0; i < 100; i++) {
		w.emitted++;
		if (i % 2)
			w.bpf.submitted = w.emitted;
		look_still(&a, &w, &m);
		assert_int_equal(m.missed, 0);
	}
}

static void test_closed(void **state)
{
	struct account a = { 0 };
	struct m_counters m = { 0 };
	struct look look = {
		97, 80, { .submitted = 90, .dropped = 4, .over_budget = 3 }, 97,
	};

	account_add_up(&a, &look, &m);
	assert_int_equal(m.emitted, 97);
	/* Its last event had number 103; of the submitted 2 never arrived. */
	look.counts.submitted = 92;
	look.counts.last = 103;
	look.delivered = 90;
	look.emitted = look.emitted_after = 0;	/* nobody to ask any more */
	account_close(&a, &look, &m);
	assert_int_equal(m.emitted, 103);
	assert_int_equal(m.delivered, 90);
	assert_int_equal(m.missed, 6);
	check_sum(&m);
}

static void test_closed_without_its_last_event(void **state)
{
	struct account a = { 0 };
	struct m_counters m = { 0 };
	struct look look = { 60, 40, { .submitted = 50 }, 60 };

	account_add_up(&a, &look, &m);
	look.counts.submitted = look.delivered = 70;
	account_close(&a, &look, &m);
	assert_int_equal(m.emitted, 70);
	assert_int_equal(m.missed, 0);
	check_sum(&m);
	/* Nothing is attached. */
	a = (struct account){ 0 };
	look = (struct look){ .emitted = 33, .emitted_after = 33 };
	account_add_up(&a, &look, &m);
	account_close(&a, &look, &m);
	assert_int_equal(m.emitted, 33);
	assert_int_equal(m.missed, 33);
	check_sum(&m);
}

/* Guests come twice as many as there were, all full, before the daemon counts anew. */
static void test_shares_fit_the_ring(void **state)
{
	for (uint64_t n = 0; n <= WARDEN_MAX_GUESTS; n++) {
		uint64_t known = n > WARDEN_FEW_GUESTS ? n : WARDEN_FEW_GUESTS;

		assert_true(WARDEN_SHARE(n) > 0);
		assert_true(2 * known * WARDEN_SHARE(n) <= WARDEN_RING_EVENTS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_once_quiet),
		cmocka_unit_test(test_emitted_before),
		cmocka_unit_test(test_no_false_loss),
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_closed_without_its_last_event),
		cmocka_unit_test(test_shares_fit_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

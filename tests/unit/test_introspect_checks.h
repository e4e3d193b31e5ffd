/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of a guest made by hand: what they say, and what the guest does in between. */
#ifndef TEST_INTROSPECT_CHECKS_H
#define TEST_INTROSPECT_CHECKS_H

#include "lib/util.h"
#include "test_introspect_kernel.h"

static struct introspector in;

static struct {
	unsigned n;
	struct m_sign last;
} seen;

static inline int on_sign(void *ctx, const struct m_sign *m)
{
	seen.n++;
	seen.last = *m;
	return 0;
}

static const struct check_sink sink = { on_sign, NULL };

/* Looks follow each other without a pause; what the guest does in it, if anything. */
static void (*in_pause)(unsigned n);
static unsigned pauses;

void __wrap_check_pause(unsigned milliseconds);

void __wrap_check_pause(unsigned milliseconds)
{
	assert_in_range(milliseconds, 1, 2000);
	pauses++;
	if (in_pause)
		in_pause(pauses);
}

static uint64_t tables;			/* where the next one is made */

static inline uint64_t make_table(void)
{
	memset(ram + tables, 0, 4096);
	tables += 4096;
	return tables - 4096;
}

static inline uint64_t entry_at(uint64_t table, uint64_t va, unsigned level)
{
	return table + (va >> (12 + 9 * level) & 511) * 8;
}

/* entry: with its rights; level 0: a page, 2: 1 GiB. */
static inline void map_in(uint64_t root, uint64_t va, uint64_t entry, unsigned level)
{
	uint64_t table = root;

	for (unsigned at = 3; at > level; at--) {
		const uint64_t place = entry_at(table, va, at);
		uint64_t next;

		memcpy(&next, ram + place, 8);
		if (!(next & PTE_PRESENT)) {
			next = make_table() | PRESENT_RW | PTE_USER;
			put64(place, next);
		}
		table = next & PTE_ADDRESS;
	}
	put64(entry_at(table, va, level), entry);
}

#define CODE_PA (14u << 20)
#define ROOT 0x1000u

static inline void put_code(void)
{
	memset(ram + CODE_PA, 0x90, 4096);
	ram[CODE_PA + 7] = 0xc3;
}

static inline int setup(void **state)
{
	make_checked_guest();
	tables = 0x10000;
	frame_gone = false;
	assert_int_equal(introspector_init(&in, &mem), 0);
	in.kernel = k;
	memset(&seen, 0, sizeof(seen));
	in_pause = NULL;
	return 0;
}

static inline int teardown(void **state)
{
	introspector_free(&in);
	return guest_teardown(state);
}

static inline struct m_checked check(int (*fn)(struct introspector *in, const struct check_sink *sink,
					struct m_checked *m))
{
	struct m_checked m;

	memset(&seen, 0, sizeof(seen));
	pauses = 0;
	assert_int_equal(fn(&in, &sink, &m), 0);
	return m;
}

static inline void assert_clean(struct m_checked m)
{
	if (m.status != CHECK_CLEAN || seen.n)
		fail_msg("%s: %s %s", check_status_name(m.status), m.why, seen.last.detail);
}

static inline void assert_incomplete(struct m_checked m, const char *why)
{
	assert_int_equal(m.status, CHECK_INCOMPLETE);
	assert_string_equal(m.why, why);
}

static inline void assert_sign(struct m_checked m, const char *name, const char *part)
{
	assert_int_equal(m.status, CHECK_DIFFERS);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.last.name, name);
	if (!strstr(seen.last.detail, part))
		fail_msg("%s", seen.last.detail);
}

/* As much as what passes has. */
static inline void let_time_pass(void)
{
	assert_true(in.passing.thing[0].va);
	in.passing.thing[0].since_ns -= (PASSING_SECONDS + 1) * 1000000000ull;
	in.passing.thing[0].checks = PASSING_CHECKS - 1;
}

static inline void set_symbol(enum kernel_symbol s, uint64_t va)
{
	k.symbol[s].address = in.kernel.symbol[s].address = va;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

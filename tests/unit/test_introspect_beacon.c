// SPDX-License-Identifier: GPL-2.0-or-later
/* A session's nonce in a process's memory: there, not there, or not known. */
#include "test_introspect_guest.h"

#include <sodium.h>

#include "introspect/beacon.h"
#include "warden/wire.h"

#define PGD 0x80000u
#define VA 0x7f0000000000ull
#define PAGE 0x700000u

static struct introspector in;
static struct m_beacon_seen seen;
static struct m_beacon beacon;
static uint64_t init, agent;

/* One page of the process, at va, in frame pa. */
static void map(uint64_t va, uint64_t pa)
{
	put64(PGD + (va >> 39 & 511) * 8, (PGD + 0x1000) | PRESENT_RW | PTE_USER);
	put64(PGD + 0x1000, (PGD + 0x2000) | PRESENT_RW | PTE_USER);
	put64(PGD + 0x2000, (PGD + 0x3000) | PRESENT_RW | PTE_USER);
	put64(PGD + 0x3000, pa | PRESENT_RW | PTE_USER);
}

static int setup(void **state)
{
	uint64_t mm;

	guest_setup(state);
	assert_int_equal(introspector_init(&in, &mem), 0);
	init = make_task(0, 0);
	agent = make_task(5, init);
	mm = make(64);
	set(mm, k.at.mm_struct_pgd, DIRECT + PGD);
	set(agent, k.at.task_struct_mm, mm);
	map(VA, PAGE);
	beacon = (struct m_beacon){ .pid = 5, .gva = VA };
	randombytes_buf(beacon.nonce, sizeof(beacon.nonce));
	memcpy(ram + PAGE, WIRE_BEACON_MAGIC, 16);
	memcpy(ram + PAGE + 16, beacon.nonce, sizeof(beacon.nonce));
	in.kernel = k;
	return 0;
}

static int teardown(void **state)
{
	introspector_free(&in);
	return guest_teardown(state);
}

static void expect(enum beacon_state state, const char *why)
{
	memset(&seen, 0xff, sizeof(seen));
	memory_refresh(&mem);
	beacon_look(&in, &beacon, &seen);
	assert_int_equal(seen.state, state);
	if (!strstr(seen.why, why) || (!*why && *seen.why))
		fail_msg("\"%s\", not \"%s\"", seen.why, why);
}

static void test_there(void **state)
{
	expect(BEACON_THERE, "");
}

static void test_something_else(void **state)
{
	ram[PAGE + 16 + 31] ^= 1;
	expect(BEACON_ABSENT, "something else");
	ram[PAGE + 16 + 31] ^= 1;
	ram[PAGE + 15] ^= 1;
	expect(BEACON_ABSENT, "something else");
}

/* Another process of the same guest does not speak for this one. */
static void test_other_process(void **state)
{
	beacon.pid = 6;
	expect(BEACON_ABSENT, "no process");
	make_task(6, agent);
	expect(BEACON_UNKNOWN, "no memory");
}

static void test_not_mapped(void **state)
{
	beacon.gva = VA + 4096;
	expect(BEACON_UNKNOWN, "nothing is mapped");
	beacon.gva = 0x400000;
	expect(BEACON_UNKNOWN, "nothing is mapped");
}

static void test_not_resident(void **state)
{
	map(VA, GONE_PA);
	frame_gone = true;
	expect(BEACON_UNKNOWN, "not resident");
	map(VA, RAM_SIZE + 0x5000);
	expect(BEACON_UNKNOWN, "do not lead to memory");
}

/* Where no agent can have its page, nothing is read, and least of all the kernel's. */
static void test_impossible_addresses(void **state)
{
	static const uint64_t evil[] = { 0, VA + 1, VA + 16, DIRECT + PAGE, UINT64_MAX & ~0xfffull,
					 1ull << 56 };

	for (size_t i = 0; i < sizeof(evil) / sizeof(*evil); i++) {
		uint64_t calls = mem.calls;

		beacon.gva = evil[i];
		expect(BEACON_ABSENT, "can have a page");
		assert_int_equal(mem.calls, calls);
	}
}

/* "Not there" is said of a whole list alone. */
static void test_broken_list(void **state)
{
	put64(agent - DIRECT, agent);
	expect(BEACON_THERE, "");
	beacon.pid = 6;
	expect(BEACON_UNKNOWN, "task list");
	put64(agent - DIRECT, init);
	set(agent, k.at.task_struct_cred, 0x4141414141414141);
	expect(BEACON_UNKNOWN, "could not be read");
}

/* Tables that lead in a circle end all the same. */
static void test_circle_of_tables(void **state)
{
	for (unsigned i = 0; i < 512; i++)
		put64(PGD + i * 8, PGD | PRESENT_RW | PTE_USER);
	expect(BEACON_ABSENT, "something else");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_there), T(test_something_else), T(test_other_process), T(test_not_mapped),
		T(test_not_resident), T(test_impossible_addresses), T(test_broken_list),
		T(test_circle_of_tables),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nokernel RAM MONITOR WHY: a running introspector of a guest that runs no Linux looks
 * in ten times a second for some seconds.  Each time it says WHY, that it may find one
 * later, and it does not spend the host's CPU on it.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../tells/guest.h"

#define LOOKS 60
#define PAUSE_MS 100
#define MOST_CPU_MS 1500		/* a fifth of that time, and some for the test itself */

static struct testee t;

static uint64_t cpu_ms(void)
{
	struct timespec at;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	return at.tv_sec * 1000ull + at.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	unsigned found = 0, never = 0, other = 0;
	uint64_t before, spent;
	bool changed;

	if (argc != 4 || sodium_init() < 0)
		return 2;
	testee_connect(&t, argv[2]);
	before = cpu_ms();
	found += testee_attach(&t, argv[1]);
	for (int i = 0; i < LOOKS; i++) {
		found += testee_again(&t, &changed);
		never += t.in.state.state != KERNEL_LOOKING;
		other += !strstr(t.in.state.why, argv[3]);
		check_pause(PAUSE_MS);
	}
	spent = cpu_ms() - before;
	ok(!found, "no kernel is found in %u looks", LOOKS);
	ok(!never, "one may be found later, said all but %u", never);
	ok(!other, "all but %u say: %s", other, t.in.state.why);
	ok(spent < MOST_CPU_MS, "%llu ms of CPU for them all", (unsigned long long)spent);
	testee_detach(&t);
	return ok_done();
}

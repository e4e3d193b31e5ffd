// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * attach RAM MONITOR LOOKS: LOOKS times, at random moments, an introspector that knows
 * nothing finds the kernel of a guest that is busy, and in it the same process.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "introspect/known.h"

#define MOST_PAUSE_MS 150
#define TRIES 20

static struct testee t;

/* What is the same each time, found the first. */
static struct {
	struct m_kernel kernel;
	struct task sleeper;
} truth;

static bool is_right(void)
{
	const struct m_kernel *k = &t.in.state;
	struct task v;

	return !strcmp(k->release, truth.kernel.release) && !strcmp(k->banner, truth.kernel.banner) &&
	       k->text_base == truth.kernel.text_base && testee_find(&t, "sleep", 0, &v) &&
	       v.va == truth.sleeper.va && v.pid == truth.sleeper.pid &&
	       v.start_ns == truth.sleeper.start_ns;
}

/* As the role does: what was read while it changed is read again. */
static unsigned tries_to_attach(const char *ram)
{
	unsigned tries = 1;

	known_forget();
	while (!testee_attach(&t, ram) && tries++ < TRIES) {
		printf("# %s\n", t.in.state.why);
		testee_detach(&t);
		check_pause(50);
	}
	return tries;
}

int main(int argc, char **argv)
{
	unsigned looks, right = 0, at_once = 0;
	uint64_t us = 0;

	if (argc != 4)
		return 2;
	looks = atoi(argv[3]);
	testee_open(&t, argv[1], argv[2]);
	truth.kernel = t.in.state;
	printf("# %s\n", truth.kernel.release);
	if (!testee_find(&t, "sleep", 0, &truth.sleeper)) {
		ok(false, "there is a process that sleeps");
		return ok_done();
	}
	testee_detach(&t);
	for (unsigned i = 0, tries; i < looks; i++) {
		check_pause(randombytes_uniform(MOST_PAUSE_MS));
		tries = tries_to_attach(argv[1]);
		at_once += tries == 1;
		us += t.in.state.discovery_us;
		right += tries <= TRIES && is_right();
		if (tries <= TRIES)
			testee_detach(&t);
	}
	printf("# %u at the first try; %llu us each\n", at_once, (unsigned long long)(us / looks));
	ok(looks && right == looks, "%u of %u attaches are right", right, looks);
	return ok_done();
}

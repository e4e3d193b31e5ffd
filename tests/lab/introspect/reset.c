// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reset RAM MONITOR COMMANDS CONSOLE RELEASE: one introspector, which knows a guest of
 * kernel RELEASE, goes on looking while its machine is reset.  What the former kernel
 * left lies in memory still: until the next one is known each look must tell why it
 * knows none.  That one lies elsewhere (KASLR), and is found by itself.
 */
#include <stdio.h>
#include <string.h>

#include "followed.h"

#define SECONDS 600
#define LOOKS_A_SECOND 10
#define MOST_RESETS 4			/* one may bring the same place again, by chance */

static struct testee t;
static const char *console, *release;
static struct { unsigned before, now, other, none, mute, changes; } told;

static void look(uint64_t before)
{
	bool changed = false;

	if (!testee_again(&t, &changed)) {
		told.none++;
		told.mute += !t.in.state.why[0];
		if (changed)
			printf("# %s\n", t.in.state.why);
	} else if (strcmp(t.in.state.release, release)) {
		told.other++;
	} else if (t.in.state.text_base == before) {
		told.before++;
	} else {
		told.now++;
	}
	told.changes += changed;
}

/* Until its console has told of so many boots. */
static bool look_until(unsigned boots, uint64_t before)
{
	memset(&told, 0, sizeof(told));
	for (int i = 0; i < SECONDS * LOOKS_A_SECOND; i++) {
		bool said = console_says(console, "READY") >= boots;

		look(before);
		if (said)
			return true;
		check_pause(1000 / LOOKS_A_SECOND);
	}
	return false;
}

static void expect_right(void)
{
	ok(t.in.state.state == KERNEL_READY && !strcmp(t.in.state.release, release), "it is %s, at %llx",
	   t.in.state.release, (unsigned long long)t.in.state.text_base);
	ok(processes_named(&t, "pages") == 1 && processes_named(&t, "idle") == 5, "%u process pages, %u idle",
	   processes_named(&t, "pages"), processes_named(&t, "idle"));
}

/* False if the next kernel lies where the former did: nothing tells them apart. */
static bool reset(unsigned boots)
{
	const uint64_t before = t.in.state.text_base;

	testee_reset(&t);
	ok(look_until(boots, before), "the guest says READY %u times", boots);
	if (t.in.state.text_base == before)
		return false;
	ok(!told.before && !told.other, "no look told of the former kernel, nor of another: %u, %u",
	   told.before, told.other);
	ok(told.none && !told.mute, "%u looks told why they know none", told.none - told.mute);
	ok(told.now && told.changes >= 2, "%u looks knew the next one; %u changes", told.now, told.changes);
	return true;
}

int main(int argc, char **argv)
{
	bool done = false;
	int commands;

	if (argc != 6)
		return 2;
	console = argv[4];
	release = argv[5];
	testee_open(&t, argv[1], argv[2]);
	commands = commands_open(argv[3]);
	ok(look_until(1, 0), "the guest says READY");
	expect_right();
	for (unsigned boots = 2; !done && boots < 2 + MOST_RESETS; boots++)
		done = reset(boots);
	ok(done, "the next kernel lies elsewhere");
	expect_right();
	commands_go(commands);
	return ok_done();
}

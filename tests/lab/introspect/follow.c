// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * follow RAM MONITOR COMMANDS CONSOLE FIRST NEXT: one introspector, which looks at a
 * guest of kernel FIRST, goes on looking while that replaces itself by NEXT, and must
 * know NEXT by itself; what it says meanwhile is one of both, or that it knows none.
 */
#include <stdio.h>
#include <string.h>

#include "followed.h"

#define SECONDS 300
#define LOOKS_A_SECOND 5

static struct testee t;
static const char *console, *first, *next;
static struct { unsigned first, next, none, other, changes; } told;

static void look(void)
{
	bool changed = false;

	if (!testee_again(&t, &changed))
		told.none++;
	else if (!strcmp(t.in.state.release, first))
		told.first++;
	else if (!strcmp(t.in.state.release, next))
		told.next++;
	else
		told.other++;
	told.changes += changed;
}

static bool look_until(const char *word)
{
	for (int i = 0; i < SECONDS * LOOKS_A_SECOND; i++) {
		bool said = console_says(console, word);

		look();
		if (said)
			return true;
		check_pause(1000 / LOOKS_A_SECOND);
	}
	return false;
}

static void look_at(const char *release, const char *word)
{
	memset(&told, 0, sizeof(told));
	ok(look_until(word), "the guest says %s", word);
	ok(!told.other, "%u looks said %s, %u %s, %u none, %u another kernel; %u changes", told.first, first,
	   told.next, next, told.none, told.other, told.changes);
	ok(t.in.state.state == KERNEL_READY && !strcmp(t.in.state.release, release), "it is %s",
	   t.in.state.release);
	ok(processes_named(&t, "pages") == 1 && processes_named(&t, "idle") == 5, "%u process pages, %u idle",
	   processes_named(&t, "pages"), processes_named(&t, "idle"));
}

int main(int argc, char **argv)
{
	int commands;

	if (argc != 7)
		return 2;
	console = argv[4];
	first = argv[5];
	next = argv[6];
	testee_open(&t, argv[1], argv[2]);
	commands = commands_open(argv[3]);
	look_at(first, "FIRST");
	commands_go(commands);
	look_at(next, "READY");
	commands_go(commands);
	return ok_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * follow RAM MONITOR COMMANDS CONSOLE FIRST NEXT: one introspector, which looks at a
 * guest of kernel FIRST, goes on looking while that replaces itself by NEXT, and must
 * know NEXT by itself; what it says meanwhile is one of both, or that it knows none.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../tells/guest.h"

#define SECONDS 300
#define LOOKS_A_SECOND 5

static struct testee t;
static const char *console, *first, *next;
static struct { unsigned first, next, none, other, changes; } told;

static bool console_says(const char *word)
{
	FILE *f = fopen(console, "r");
	char line[4096];
	bool said = false;

	while (f && !said && fgets(line, sizeof(line), f))
		said = !strncmp(line, word, strlen(word));
	if (f)
		fclose(f);
	return said;
}

/* The guest goes on. */
static void give_word(int commands)
{
	if (write(commands, "go\n", 3) != 3)
		err(1, "commands");
}

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
		bool said = console_says(word);

		look();
		if (said)
			return true;
		check_pause(1000 / LOOKS_A_SECOND);
	}
	return false;
}

static unsigned count(const char *comm)
{
	struct task v;
	unsigned n = 0;

	while (testee_find(&t, comm, n, &v))
		n++;
	return n;
}

static void look_at(const char *release, const char *word)
{
	memset(&told, 0, sizeof(told));
	ok(look_until(word), "the guest says %s", word);
	ok(!told.other, "%u looks said %s, %u %s, %u none, %u another kernel; %u changes", told.first, first,
	   told.next, next, told.none, told.other, told.changes);
	ok(t.in.state.state == KERNEL_READY && !strcmp(t.in.state.release, release), "it is %s",
	   t.in.state.release);
	ok(count("pages") == 1 && count("idle") == 5, "%u process pages, %u idle", count("pages"),
	   count("idle"));
}

static int open_commands(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "%s", path);
	return fd;
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
	commands = open_commands(argv[3]);
	look_at(first, "FIRST");
	give_word(commands);
	look_at(next, "READY");
	give_word(commands);
	return ok_done();
}

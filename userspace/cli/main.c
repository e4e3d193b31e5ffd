// SPDX-License-Identifier: GPL-2.0-or-later
/* wardenctl: the operator's hand. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

#define SOCKET_PATH "/run/kvm-warden/control.sock"

static const struct verb {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *description;
} verbs[] = {
	{ "status", verb_status, "the daemon's health and what it found (the default)" },
	{ "guests", verb_guests, "the guests" },
	{ "ps", verb_ps, "GUEST: its processes, seen from outside" },
	{ "findings", verb_findings, "[--guest GUEST]: what was found and what came of it" },
	{ "journal", verb_journal, "verify: is every row of the journal as it was written?" },
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: wardenctl [--json] [--socket PATH] [VERB]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].description);
	fprintf(out, "\nExit status: 0 yes, 1 no, 2 usage, 3 the daemon. See wardenctl(1).\n");
}

/* Takes --json and --socket out of argv, wherever they stand.  The new argc, or -1. */
static int take_options(struct cli *cli, int argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			cli->json = true;
		else if (!strcmp(argv[i], "--socket") && i + 1 < argc)
			cli->socket = argv[++i];
		else if (!strcmp(argv[i], "--socket"))
			return -1;
		else
			argv[n++] = argv[i];
	}
	return n;
}

int main(int argc, char **argv)
{
	struct cli cli = { .socket = SOCKET_PATH };

	argv++;
	argc = take_options(&cli, argc - 1, argv);
	if (argc < 0)
		return tell_error(&cli, EXIT_USAGE, "usage", "--socket needs a path", "");
	if (!argc)
		return verb_status(&cli, 0, argv);
	if (!strcmp(argv[0], "--help") || !strcmp(argv[0], "-h") || !strcmp(argv[0], "help")) {
		print_usage(stdout);
		return EXIT_YES;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(argv[0], verbs[i].name))
			return verbs[i].run(&cli, argc - 1, argv + 1);
	if (!cli.json)
		print_usage(stderr);
	return tell_error(&cli, EXIT_USAGE, "usage", "there is no such verb", "wardenctl --help");
}

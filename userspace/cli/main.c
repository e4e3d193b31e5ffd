// SPDX-License-Identifier: GPL-2.0-or-later
/* wardenctl: the operator's hand. */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/util.h"

#define SOCKET_PATH "/run/kvm-warden/control.sock"

static const struct verb verbs[] = {
	{ "status", verb_status, "", "the daemon's health and what it found (the default)" },
	{ "guests", verb_guests, "[GUEST]", "the guests, or one in detail" },
	{ "kernel", verb_kernel, "GUEST", "its kernel and its modules" },
	{ "ps", verb_ps, "GUEST", "its processes, seen from outside" },
	{ "tree", verb_tree, "GUEST", "the same by parents and children" },
	{ "process", verb_process, "GUEST PID [--env]", "all of a process, as its /proc has it" },
	{ "maps", verb_maps, "GUEST PID", "a process's memory map" },
	{ "files", verb_files, "GUEST [--all]", "its files whose pages are in its memory" },
	{ "file", verb_file, "GUEST [PID] PATH | PID --exe | --inode DEV:INODE, --out OUT",
	  "one of them, rebuilt; or one of a process" },
	{ "read", verb_read, "GUEST PID|kernel ADDRESS LENGTH [--out OUT]", "memory of a process or of the kernel" },
	{ "inspect", verb_inspect, "FILE [kernel | symbols | ps | maps | process | suspicious | check | read | files | file] ...",
	  "what is in a file of a guest's memory: no daemon needed" },
	{ "scan", verb_scan, "GUEST [PID] | --watch SCAN", "scans everything it executes now" },
	{ "findings", verb_findings, "[--guest GUEST] [--limit N]",
	  "what was found and what came of it" },
	{ "explain", verb_explain, "FINDING", "why it was seen, scanned and answered so" },
	{ "quarantine", verb_quarantine, "[list] [--guest GUEST] | restore ITEM [--reason TEXT]",
	  "files put away in guests, and back" },
	{ "freeze", verb_freeze, "GUEST [--seconds N | --pause] [--reason TEXT]",
	  "stops a guest, until thaw or for N seconds" },
	{ "thaw", verb_thaw, "GUEST", "lets it run, and its network, again" },
	{ "level", verb_level, "GUEST [off | metadata | content] [--reason TEXT]",
	  "how much of it may be looked at" },
	{ "kill", verb_kill, "GUEST PID [--yes] [--reason TEXT]",
	  "has the guest's agent kill a process" },
	{ "enrol", verb_enrol, "NAME [--seconds N]", "invites the agent of the guest NAME" },
	{ "agents", verb_agents, "[revoke NAME | rotate NAME]", "pinned keys, and their sessions" },
	{ "journal", verb_journal, "[--after N] [--limit N] [--follow] | verify",
	  "what was decided and done; is it as it was written?" },
	{ "metrics", verb_metrics, "[FILE]", "the daemon's numbers for Prometheus" },
	{ "doctor", verb_doctor, "[--config FILE]", "what is amiss on this host, and how to mend it" },
	{ "_words", verb_words, "guests | pids GUEST | findings | items | agents", NULL },
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: wardenctl [--json] [--socket PATH] [VERB] | --version\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].description)
			fprintf(out, "  %-11s %s\n", verbs[i].name, verbs[i].description);
	fprintf(out, "\nwardenctl VERB --help tells its arguments.  Exit status: 0 yes, 1 no, 2 usage,"
		" 3 the daemon,\n4 undecided.  See wardenctl(1).\n");
}

static bool asks_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
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

static int run(struct cli *cli, int argc, char **argv)
{
	if (argc > 1 && asks_help(argv[1])) {
		printf("usage: wardenctl %s %s\n%s\n", cli->verb->name, cli->verb->arguments,
		       cli->verb->description ? cli->verb->description : "for completion");
		return EXIT_YES;
	}
	return cli->verb->run(cli, argc - 1, argv + 1);
}

static int start(int argc, char **argv)
{
	struct cli cli = { .socket = SOCKET_PATH };
	char *status[] = { (char *)"status" };

	argv++;
	argc = take_options(&cli, argc - 1, argv);
	if (argc < 0)
		return tell_error(&cli, EXIT_USAGE, "usage", "--socket needs a path", "");
	if (!argc) {
		argv = status;
		argc = 1;
	}
	if (asks_help(argv[0]) || !strcmp(argv[0], "help")) {
		print_usage(stdout);
		return EXIT_YES;
	}
	if (!strcmp(argv[0], "--version")) {
		puts("wardenctl " WARDEN_VERSION);
		return EXIT_YES;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		cli.verb = &verbs[i];
		if (!strcmp(argv[0], verbs[i].name))
			return run(&cli, argc, argv);
	}
	if (!cli.json)
		print_usage(stderr);
	return tell_error(&cli, EXIT_USAGE, "usage", "no such verb", "wardenctl --help");
}

/* An answer that nobody could read was not given. */
int main(int argc, char **argv)
{
	int code;

	log_open("wardenctl", false);
	code = start(argc, argv);
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "wardenctl: standard output: %s\n", errno ? strerror(errno) :
		"not all could be written");
	return EXIT_DAEMON;
}

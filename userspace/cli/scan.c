// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

#define POLL_US 300000
#define LINE_EVERY 10		/* polls, where there is no terminal */
#define BAR 30

static void on_interrupt(int signal_number)
{
	interrupted = 1;
}

static void catch_interrupts(void)
{
	/* No SA_RESTART: a wait for an answer ends too.  A second one ends all, as ever. */
	const struct sigaction action = { .sa_handler = on_interrupt, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
}

static void print_progress(const json_t *scan, const char *end)
{
	json_int_t total = number_of(scan, "contents_total"), done = number_of(scan, "contents_done");
	int full = total ? (int)(BAR * MIN(done, total) / total) : 0;

	if (isatty(STDOUT_FILENO))
		printf("\r[%.*s%.*s] ", full, "##############################", BAR - full,
		       "..............................");
	printf("%lld of %lld contents, %lld processes, %lld infected%s", (long long)done,
	       (long long)total, (long long)number_of(scan, "tasks"),
	       (long long)number_of(scan, "infected"), end);
	fflush(stdout);
}

static void show_progress(struct cli *cli, const json_t *scan, unsigned poll)
{
	if (cli->json)
		return;
	if (isatty(STDOUT_FILENO))
		print_progress(scan, "  ");
	else if (poll % LINE_EVERY == 0)
		print_progress(scan, "\n");
}

static bool is_done(const json_t *scan)
{
	return !strcmp(text_of(scan, "state"), "done");
}

/* What was not seen or could not be scanned is never clean; nor is nothing. */
static bool is_clean(const json_t *scan)
{
	return is_done(scan) && is_true(scan, "complete") && number_of(scan, "contents_total") &&
	       !number_of(scan, "not_scanned") && !number_of(scan, "infected");
}

static int verdict_of(const json_t *scan)
{
	if (number_of(scan, "infected"))
		return EXIT_NO;
	if (!is_done(scan))
		return EXIT_DAEMON;
	return is_clean(scan) ? EXIT_YES : EXIT_UNDECIDED;
}

static void print_findings_of(const json_t *scan)
{
	const json_t *id;
	size_t i;

	json_array_foreach(member(scan, "findings"), i, id)
		printf("wardenctl explain %lld\n", (long long)json_integer_value(id));
}

static void print_end(const json_t *scan)
{
	long long infected = number_of(scan, "infected");
	long long unscanned = number_of(scan, "not_scanned");

	print_progress(scan, "\n");
	if (is_clean(scan))
		printf("Clean\n");
	if (infected)
		printf("Infected: %lld contents\n", infected);
	if (unscanned)
		printf("Not scanned, so not clean: %lld contents; wardenctl guests GUEST tells why\n",
		       unscanned);
	if (!is_done(scan))
		printf("The scan %s: %s\n", text_of(scan, "state"), text_of(scan, "why"));
	else if (!is_true(scan, "complete"))
		printf("Not complete, so not clean: %s\n", text_of(scan, "why"));
	else if (!number_of(scan, "contents_total"))
		printf("Nothing could be scanned: no code of it is in memory\n");
	print_findings_of(scan);
}

static int leave(struct cli *cli, const char *id)
{
	char message[128], what[128];

	snprintf(message, sizeof(message), "interrupted; scan %.20s goes on in the daemon", id);
	snprintf(what, sizeof(what), "wardenctl scan --watch %.20s shows it again", id);
	if (isatty(STDOUT_FILENO) && !cli->json)
		putchar('\n');
	return tell_error(cli, EXIT_INTERRUPTED, "interrupted", message, what);
}

static int watch(struct cli *cli, const char *id)
{
	int code = EXIT_YES;
	json_t *scan;

	for (unsigned poll = 0; !interrupted; poll++) {
		scan = api_get(cli, &code, "/v1/scans/*", id);
		if (!scan && code == EXIT_INTERRUPTED)
			break;
		if (!scan)
			return code;
		if (strcmp(text_of(scan, "state"), "running")) {
			code = verdict_of(scan);
			show(cli, scan, print_end);
			return code;
		}
		show_progress(cli, scan, poll);
		json_decref(scan);
		usleep(POLL_US);
	}
	return leave(cli, id);
}

static int begin(struct cli *cli, const char *guest, const char *pid_text, char id[32])
{
	json_t *body = json_object(), *answer;
	int code = EXIT_YES;
	uint64_t pid;

	if (pid_text && !parse_u64(pid_text, UINT32_MAX, &pid)) {
		json_decref(body);
		return tell_usage(cli, "PID is a number of wardenctl ps GUEST");
	}
	if (pid_text)
		json_object_set_new(body, "pid", json_integer(pid));
	answer = api_send(cli, &code, "POST", body, "/v1/guests/*/scan", guest);
	if (answer)
		number_text(id, number_of(answer, "scan"));
	json_decref(answer);
	return code;
}

int verb_scan(struct cli *cli, int argc, char **argv)
{
	uint64_t again = 0;
	const struct arg args[] = { { "--watch", .number = &again, .max = INT64_MAX } };
	char id[32];
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 0, 2), code;

	if (n < 0)
		return EXIT_USAGE;
	if (!again == !n)
		return tell_usage(cli, "a guest, or a scan that runs");
	if (again) {
		number_text(id, again);
	} else {
		code = begin(cli, argv[0], n > 1 ? argv[1] : NULL, id);
		if (code)
			return code;
	}
	/* Not before: to interrupt the request itself ends it as ever. */
	catch_interrupts();
	return watch(cli, id);
}

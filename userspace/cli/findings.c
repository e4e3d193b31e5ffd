// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
	{ "TIME", -19 }, { "GUEST", -10 }, { "PID", 6 }, { "COMM", -13 },
	{ "SIGNATURE", -22 }, { "FOUND", -14 }, { "ANSWER", -10 },
};

#define N (int)(sizeof(columns) / sizeof(columns[0]))

/* What came of it: the outcome seen from outside, else the order's state. */
static const char *answer_of(const json_t *f)
{
	const json_t *orders = member(f, "orders"), *decisions = member(f, "decisions");
	const json_t *order = json_array_get(orders, 0);

	if (!order)
		return text_of(json_array_get(decisions, json_array_size(decisions) - 1), "action");
	return text_of(order, "outcome")[0] ? text_of(order, "outcome") : text_of(order, "state");
}

static void print_orders(const json_t *f)
{
	const json_t *order, *decision;
	char ms[32];
	size_t i;

	json_array_foreach(member(f, "decisions"), i, decision)
		if (text_of(decision, "note")[0])
			printf("    %s\n", text_of(decision, "note"));
	json_array_foreach(member(f, "orders"), i, order) {
		printf("    order %lld: %s", (long long)number_of(order, "id"),
		       text_of(order, "state"));
		if (text_of(order, "outcome")[0])
			printf("; seen from outside: %s", text_of(order, "outcome"));
		if (member(order, "killed_after_us"))
			printf(", %s after it was seen",
			       ms_text(ms, number_of(order, "killed_after_us")));
		putchar('\n');
	}
}

static void print_finding(const json_t *f)
{
	char time[32], pid[24], guest[24], ms[32], found[48];
	const char *name = text_of(f, "guest_name");

	snprintf(pid, sizeof(pid), "%lld", (long long)number_of(f, "pid"));
	snprintf(guest, sizeof(guest), "%lld", (long long)number_of(f, "guest"));
	snprintf(found, sizeof(found), "%s %s", text_of(f, "found_by"),
		 ms_text(ms, number_of(f, "latency_us")));
	print_row(columns, N, (const char *const[]){
		  time_text(time, number_of(f, "wall_ns")), name[0] ? name : guest, pid,
		  text_of(f, "comm"), text_of(f, "signature"), found, answer_of(f) });
	printf("    %s: %s\n", text_of(f, "object_kind"), text_of(f, "path"));
	print_orders(f);
}

static void print_findings(const json_t *answer)
{
	const json_t *f;
	size_t i;

	if (!json_array_size(member(answer, "findings"))) {
		printf("Nothing found.\n");
		return;
	}
	print_head(columns, N);
	json_array_foreach(member(answer, "findings"), i, f)
		print_finding(f);
}

int verb_findings(struct cli *cli, int argc, char **argv)
{
	char path[512] = "/v1/findings", guest[256];
	int code = EXIT_YES;
	json_t *answer;

	if (argc == 2 && !strcmp(argv[0], "--guest") && argv[1][0] &&
	    url_escape(guest, sizeof(guest), argv[1]))
		strcat(strcat(path, "?guest="), guest);
	else if (argc)
		return tell_error(cli, EXIT_USAGE, "usage",
				  "usage: wardenctl findings [--guest GUEST]",
				  "GUEST is an id or a name of wardenctl guests");
	answer = api_get(cli, path, &code);
	if (!answer)
		return code;
	if (cli->json)
		print_json(answer);
	else
		print_findings(answer);
	json_decref(answer);
	return code;
}

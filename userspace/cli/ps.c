// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {
	{ "PID", 7 }, { "PPID", 7 }, { "UID", 6 }, { "COMM", -15 }, { "VERDICT", -11 },
	{ "PROGRAM", -48 },
};

#define N (int)(sizeof(columns) / sizeof(columns[0]))

/* What it runs, or the signature it was found by: what matters more. */
static const char *program(const json_t *t)
{
	if (!strcmp(text_of(t, "verdict"), "infected"))
		return text_of(t, "why");
	return text_of(t, "exe")[0] ? text_of(t, "exe") : "[kernel]";
}

static void print_task(const json_t *t)
{
	char pid[24], ppid[24], uid[24];

	snprintf(pid, sizeof(pid), "%lld", (long long)number_of(t, "pid"));
	snprintf(ppid, sizeof(ppid), "%lld", (long long)number_of(t, "ppid"));
	snprintf(uid, sizeof(uid), "%lld", (long long)number_of(t, "uid"));
	print_row(columns, N, (const char *const[]){ pid, ppid, uid, text_of(t, "comm"),
		  text_of(t, "verdict"), program(t) });
}

static int by_pid(const void *a, const void *b)
{
	json_int_t x = number_of(*(json_t *const *)a, "pid");
	json_int_t y = number_of(*(json_t *const *)b, "pid");

	return x < y ? -1 : x > y;
}

static void print_tasks(const json_t *answer)
{
	const json_t *tasks = member(answer, "tasks"), *sweep = member(answer, "sweep");
	size_t n = json_array_size(tasks);
	const json_t **sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return;
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(tasks, i);
	qsort(sorted, n, sizeof(*sorted), by_pid);
	print_head(columns, N);
	for (size_t i = 0; i < n; i++)
		print_task(sorted[i]);
	free(sorted);
	if (strcmp(text_of(sweep, "status"), "complete"))
		printf("The last sweep is %s: %s\n", text_of(sweep, "status"), text_of(sweep, "why"));
	if (number_of(sweep, "age_ms") > 15000)
		printf("As of %lld s ago: no newer sweep has ended\n",
		       (long long)number_of(sweep, "age_ms") / 1000);
}

int verb_ps(struct cli *cli, int argc, char **argv)
{
	char path[512] = "/v1/guests/", guest[256];
	int code = EXIT_YES;
	json_t *answer;

	if (argc != 1 || !argv[0][0] || !url_escape(guest, sizeof(guest), argv[0]))
		return tell_error(cli, EXIT_USAGE, "usage", "usage: wardenctl ps GUEST",
				  "GUEST is an id or a name of wardenctl guests");
	strcat(strcat(path, guest), "/tasks");
	answer = api_get(cli, path, &code);
	if (!answer)
		return code;
	if (cli->json)
		print_json(answer);
	else
		print_tasks(answer);
	json_decref(answer);
	return code;
}

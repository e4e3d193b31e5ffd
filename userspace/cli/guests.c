// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

static const struct column columns[] = {
	{ "ID", 5 }, { "NAME", -18 }, { "VMM", 7 }, { "KERNEL", -26 }, { "TASKS", 6 },
	{ "INFECTED", 8 }, { "AGENT", -5 }, { "EVENTS", 10 },
};

#define N (int)(sizeof(columns) / sizeof(columns[0]))

static void print_guest(const json_t *g)
{
	const json_t *k = member(g, "kernel");
	const char *release = text_of(k, "release");
	char id[24], vmm[24], tasks[24], infected[24], events[24];

	snprintf(id, sizeof(id), "%lld", (long long)number_of(g, "id"));
	snprintf(vmm, sizeof(vmm), "%lld", (long long)number_of(g, "vmm_pid"));
	snprintf(tasks, sizeof(tasks), "%lld", (long long)number_of(g, "tasks"));
	snprintf(infected, sizeof(infected), "%lld",
		 (long long)number_of(member(g, "objects"), "infected"));
	snprintf(events, sizeof(events), "%lld",
		 (long long)number_of(member(g, "work"), "events"));
	print_row(columns, N, (const char *const[]){ id, text_of(g, "name"), vmm,
		  release[0] ? release : text_of(k, "state"), tasks, infected,
		  json_is_true(member(g, "agent")) ? "yes" : "no", events });
	if (text_of(k, "why")[0])
		printf("      %s: %s\n", text_of(k, "state"), text_of(k, "why"));
}

int verb_guests(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_YES;
	json_t *answer, *g;
	size_t i;

	if (argc)
		return tell_error(cli, EXIT_USAGE, "usage", "guests takes no argument", "");
	answer = api_get(cli, "/v1/guests", &code);
	if (!answer)
		return code;
	if (cli->json) {
		print_json(answer);
	} else {
		print_head(columns, N);
		json_array_foreach(member(answer, "guests"), i, g)
			print_guest(g);
	}
	json_decref(answer);
	return code;
}

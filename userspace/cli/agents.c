// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "NAME", CUT }, { "STATE", LEFT }, { "SESSION", LEFT }, { "SINCE", LEFT },
	{ "UNTIL", LEFT }, { "KEY", CUT },
};

static void print_agents(const json_t *answer)
{
	struct table *t;
	const json_t *a;
	size_t i;

	if (!json_array_size(member(answer, "agents"))) {
		printf("No agent is known: wardenctl enrol NAME invites one.\n");
		return;
	}
	t = table_new(columns, ARRAY_SIZE(columns));
	json_array_foreach(member(answer, "agents"), i, a) {
		char since[32], until[32];

		table_row(t, (const char *const[]){ text_of(a, "name"), text_of(a, "state"),
			  is_true(a, "session") ? "yes" : "no",
			  time_text(since, number_of(a, "since_wall_ns")),
			  number_of(a, "until_wall_ns") ?
			  time_text(until, number_of(a, "until_wall_ns")) : "-", text_of(a, "key") });
	}
	table_end(t);
}

static void print_revoked(const json_t *answer)
{
	printf("%s: its key or token is never accepted again\n", text_of(answer, "name"));
}

static void print_rotating(const json_t *answer)
{
	printf("%s: its agent has made a new key; the old one is void when it logs in with it\n",
	       text_of(answer, "name"));
}

int verb_agents(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_YES, n = take_args(cli, argc, argv, NULL, 0, 0, 2);
	bool revoke = n == 2 && !strcmp(argv[0], "revoke");
	json_t *answer;

	if (n < 0)
		return EXIT_USAGE;
	if (!n)
		return show_get(cli, print_agents, "/v1/agents");
	if (n == 2 && !revoke && strcmp(argv[0], "rotate"))
		n = 1;
	if (n == 1)
		return tell_usage(cli, "revoke or rotate, and a NAME of wardenctl agents");
	answer = revoke ? api_send(cli, &code, "DELETE", NULL, "/v1/agents/*", argv[1]) :
		 api_send(cli, &code, "POST", json_object(), "/v1/agents/*/rotate", argv[1]);
	if (answer)
		show(cli, answer, revoke ? print_revoked : print_rotating);
	return code;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

int verb_journal(struct cli *cli, int argc, char **argv)
{
	int code = EXIT_YES;
	json_t *answer;
	bool intact;

	if (argc != 1 || strcmp(argv[0], "verify"))
		return tell_error(cli, EXIT_USAGE, "usage", "usage: wardenctl journal verify", "");
	answer = api_get(cli, "/v1/journal/verify", &code);
	if (!answer)
		return code;
	intact = json_is_true(member(answer, "intact"));
	if (cli->json)
		print_json(answer);
	else if (intact)
		printf("Intact: %lld rows, head %s\n", (long long)number_of(answer, "rows"),
		       text_of(answer, "head"));
	else
		printf("Broken: %s\n", text_of(answer, "why"));
	json_decref(answer);
	return intact ? EXIT_YES : EXIT_NO;
}

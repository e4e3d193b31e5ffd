// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/messages.h"
#include "lib/util.h"

static void print_invitation(const json_t *answer)
{
	char until[32];

	printf("In the guest, as root, until %s:\n\n  echo %s | warden-agent enrol -\n\n",
	       time_text(until, number_of(answer, "until_wall_ns")), text_of(answer, "token"));
	printf("It is for one agent, once; who reads it before can take its place.\n");
}

int verb_enrol(struct cli *cli, int argc, char **argv)
{
	uint64_t seconds = 0;
	const struct arg args[] = { { "--seconds", .number = &seconds, .max = TOKEN_SECONDS_MAX } };
	int code = EXIT_YES;
	json_t *body, *answer;

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 1) < 0)
		return EXIT_USAGE;
	body = json_pack("{s:s}", "name", argv[0]);
	if (!body)
		return tell_usage(cli, "NAME has letters, digits, '.', '_' and '-'");
	if (seconds)
		json_object_set_new(body, "seconds", json_integer(seconds));
	answer = api_send(cli, &code, "POST", body, "/v1/agents");
	if (answer)
		show(cli, answer, print_invitation);
	return code;
}

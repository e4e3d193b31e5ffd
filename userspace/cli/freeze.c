// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/util.h"

#define SECONDS_MAX (365 * 86400)

static void print_freedom(const json_t *answer)
{
	bool contained = is_true(answer, "contained"), paused = is_true(answer, "paused");

	printf("The guest %s%s%s\n", contained ? "is contained" : paused ? "is paused" : "runs",
	       contained && paused ? ", and paused" : "",
	       is_true(answer, "link_down") ? "; its network is cut off" : "");
}

static int post(struct cli *cli, const char *guest, const char *verb, json_t *body)
{
	int code = EXIT_YES;
	json_t *answer = api_send(cli, &code, "POST", body, "/v1/guests/*/*", guest, verb);

	if (answer)
		show(cli, answer, print_freedom);
	return code;
}

int verb_freeze(struct cli *cli, int argc, char **argv)
{
	const char *reason = NULL;
	uint64_t seconds = 0;
	bool pause = false;
	const struct arg args[] = {
		{ "--seconds", .number = &seconds, .max = SECONDS_MAX },
		{ "--pause", .flag = &pause }, { "--reason", .text = &reason },
	};
	json_t *body;

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 1) < 0)
		return EXIT_USAGE;
	body = json_pack("{s:s}", "how", pause ? "pause" : "contain");
	if (seconds)
		json_object_set_new(body, "seconds", json_integer(seconds));
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	return post(cli, argv[0], "freeze", body);
}

int verb_thaw(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	return post(cli, argv[0], "thaw", json_object());
}

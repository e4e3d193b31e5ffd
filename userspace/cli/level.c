// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/util.h"

static void print_level(const json_t *answer)
{
	printf("%s\n", text_of(answer, "level"));
}

static json_t *get_level(struct cli *cli, const char *guest, int *ret_code)
{
	json_t *g = api_get(cli, ret_code, "/v1/guests/*", guest), *answer;

	if (!g)
		return NULL;
	answer = json_pack("{s:s}", "level", text_of(g, "level"));
	json_decref(g);
	return answer;
}

static json_t *set_level(struct cli *cli, const char *guest, const char *level,
			 const char *reason, int *ret_code)
{
	json_t *body = json_pack("{s:s}", "level", level);

	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	return api_send(cli, ret_code, "POST", body, "/v1/guests/*/level", guest);
}

int verb_level(struct cli *cli, int argc, char **argv)
{
	const char *reason = NULL;
	const struct arg args[] = { { "--reason", .text = &reason } };
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 2), code = EXIT_YES;
	json_t *answer;

	if (n < 0)
		return EXIT_USAGE;
	answer = n == 2 ? set_level(cli, argv[0], argv[1], reason, &code) :
			  get_level(cli, argv[0], &code);
	if (answer)
		show(cli, answer, print_level);
	return code;
}

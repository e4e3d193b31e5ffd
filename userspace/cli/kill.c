// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

/* The process as listed; null if it is not and the list lacks some.  NULL: it is not there. */
static json_t *find_task(struct cli *cli, const char *guest, uint64_t pid, int *ret_code)
{
	json_t *answer = api_get(cli, ret_code, "/v1/guests/*/tasks", guest);
	json_t *task, *found = NULL;
	size_t i;

	if (!answer)
		return NULL;
	json_array_foreach(member(answer, "tasks"), i, task)
		if (number_of(task, "pid") == (json_int_t)pid)
			found = json_incref(task);
	if (!found && !is_true(answer, "complete"))
		found = json_null();
	json_decref(answer);
	if (!found)
		*ret_code = tell_error(cli, EXIT_NO, "not_found", "no such process in that guest",
				       "wardenctl ps GUEST lists them");
	return found;
}

static bool agrees(const char *guest, uint64_t pid, const json_t *task)
{
	char answer[16];

	if (json_is_null(task))
		printf("Kill process %llu, which is not in the list, and not all are, of guest %s?"
		       " [y/N] ", (unsigned long long)pid, guest);
	else
		printf("Kill process %llu, %s, %s, of guest %s? [y/N] ", (unsigned long long)pid,
		       text_of(task, "comm"), text_of(task, "exe"), guest);
	fflush(stdout);
	return fgets(answer, sizeof(answer), stdin) &&
	       (!strcmp(answer, "y\n") || !strcmp(answer, "Y\n") || !strcmp(answer, "yes\n"));
}

/* Asks, if somebody is to be asked: EXIT_YES, and the start of the process that was shown. */
static int ask_first(struct cli *cli, const char *guest, uint64_t pid, json_t **ret_start)
{
	int code = EXIT_YES;
	json_t *task = find_task(cli, guest, pid, &code);

	if (!task)
		return code;
	if (!agrees(guest, pid, task))
		code = tell_error(cli, EXIT_NO, "declined", "nothing was done", "");
	*ret_start = json_incref(json_object_get(task, "start_ns"));
	json_decref(task);
	return code;
}

/*
 * The process that was shown is the one killed: its start time goes with the
 * order.  If none was, the daemon looks who has that number now.
 */
static int send_kill(struct cli *cli, const char *guest, uint64_t pid, json_t *start,
		     const char *reason)
{
	json_t *body = json_pack("{s:I}", "pid", (json_int_t)pid), *answer;
	int code = EXIT_YES;
	json_int_t order;

	if (start)
		json_object_set_new(body, "start_ns", start);
	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	answer = api_send(cli, &code, "POST", body, "/v1/guests/*/kill", guest);
	if (!answer)
		return code;
	order = number_of(answer, "order");
	json_decref(answer);
	return follow_order(cli, order);
}

int verb_kill(struct cli *cli, int argc, char **argv)
{
	const char *reason = NULL;
	bool yes = false;
	const struct arg args[] = {
		{ "--yes", .flag = &yes }, { "--reason", .text = &reason },
	};
	int code = EXIT_YES;
	uint64_t pid;
	json_t *start = NULL;

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 2, 2) < 0)
		return EXIT_USAGE;
	if (!parse_u64(argv[1], UINT32_MAX, &pid))
		return tell_usage(cli, "PID is a number of wardenctl ps GUEST");
	if (!yes && (cli->json || !isatty(STDIN_FILENO)))
		return tell_usage(cli, "nobody can be asked here: say --yes");
	if (!yes)
		code = ask_first(cli, argv[0], pid, &start);
	if (!code)
		return send_kill(cli, argv[0], pid, start, reason);
	json_decref(start);
	return code;
}

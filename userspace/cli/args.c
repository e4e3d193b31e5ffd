// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

int tell_usage(struct cli *cli, const char *why)
{
	char usage[256];

	snprintf(usage, sizeof(usage), "usage: wardenctl %s%s%s", cli->verb->name,
		 cli->verb->arguments[0] ? " " : "", cli->verb->arguments);
	return tell_error(cli, EXIT_USAGE, "usage", usage, why);
}

static const struct arg *find(const struct arg *args, size_t nargs, const char *word)
{
	for (size_t i = 0; i < nargs; i++)
		if (!strcmp(args[i].name, word))
			return &args[i];
	return NULL;
}

/* What JSON can carry. */
static bool is_text(const char *value)
{
	json_t *text = json_string(value);

	json_decref(text);
	return text;
}

/* Words taken, or -1. */
static int take(struct cli *cli, const struct arg *a, const char *value)
{
	char why[128];

	if (a->flag) {
		*a->flag = true;
		return 1;
	}
	if (a->text && value && value[0] && is_text(value)) {
		*a->text = value;
		return 2;
	}
	if (a->number && value && parse_u64(value, a->max, a->number) && (*a->number || a->from_zero))
		return 2;
	if (a->number)
		snprintf(why, sizeof(why), "%s takes a number from %d to %llu", a->name, !a->from_zero,
			 (unsigned long long)a->max);
	else
		snprintf(why, sizeof(why), "%s takes a word", a->name);
	tell_usage(cli, why);
	return -1;
}

int take_args(struct cli *cli, int argc, char **argv, const struct arg *args, size_t nargs,
	      int min, int max)
{
	int n = 0;

	for (int i = 0; i < argc;) {
		const struct arg *a = find(args, nargs, argv[i]);
		int taken = 1;

		if (a)
			taken = take(cli, a, i + 1 < argc ? argv[i + 1] : NULL);
		else if (argv[i][0] == '-' && argv[i][1])
			taken = (tell_usage(cli, "there is no such option"), -1);
		else
			argv[n++] = argv[i];
		if (taken < 0)
			return -1;
		i += taken;
	}
	for (int i = 0; i < n; i++)
		if (!argv[i][0])
			return tell_usage(cli, "an argument is empty"), -1;
	if (n < min || n > max)
		return tell_usage(cli, n < min ? "something is missing" : "that is too much"), -1;
	return n;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

#define FOLLOW_US 1000000
#define LIMIT_MAX 5000

static void print_verified(const json_t *answer)
{
	if (is_true(answer, "intact"))
		printf("Intact: %lld rows, head %s\n", (long long)number_of(answer, "rows"),
		       text_of(answer, "head"));
	else
		printf("Broken: %s\n", text_of(answer, "why"));
}

static int verify(struct cli *cli)
{
	int code = EXIT_YES;
	json_t *answer = api_get(cli, &code, "/v1/journal/verify");

	if (!answer)
		return code;
	code = is_true(answer, "intact") ? EXIT_YES : EXIT_NO;
	show(cli, answer, print_verified);
	return code;
}

/* JSON ends where it ends: nothing after it is another field. */
static bool is_object(const char *value)
{
	json_t *json = json_loads(value, 0, NULL);
	bool is = json_is_object(json);

	json_decref(json);
	return is;
}

/* A guest's text must not look like fields of the row: it is quoted as JSON. */
static void print_field(const char *key, const json_t *value)
{
	const char *word = json_string_value(value);
	autofree char *text = NULL;

	if (word && (!word[strcspn(word, " =\"")] || is_object(word))) {
		printf(" %s=%s", key, word);
		return;
	}
	text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	printf(" %s=%s", key, text ? text : "?");
}

/* Everything a row has, but what every row has. */
static void print_row(const json_t *row)
{
	static const char *const heads[] = { "seq", "table", "wall_ns", "mono_ns", "hash", "boot" };
	char time[32];
	const char *key;
	json_t *value;

	printf("%6lld  %s  %-9s", (long long)number_of(row, "seq"),
	       time_text(time, number_of(row, "wall_ns")), text_of(row, "table"));
	json_object_foreach((json_t *)row, key, value) {
		bool head = false;

		for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
			head |= !strcmp(key, heads[i]);
		if (head || json_is_null(value) ||
		    (json_is_string(value) && !json_string_value(value)[0]))
			continue;
		print_field(key, value);
	}
	putchar('\n');
}

static void print_rows(const json_t *answer)
{
	const json_t *row;
	size_t i;

	json_array_foreach(member(answer, "rows"), i, row)
		print_row(row);
}

/* Once, or until interrupted: then an object a line. */
static int list(struct cli *cli, uint64_t after, uint64_t limit, bool follow)
{
	int code = EXIT_YES;

	do {
		char from[32], most[32];
		json_t *answer = api_get(cli, &code, "/v1/journal?after=*&limit=*",
					 number_text(from, after), number_text(most, limit));
		const json_t *rows = member(answer, "rows");
		size_t n = json_array_size(rows);

		if (!answer)
			return code;
		if (n)
			after = number_of(json_array_get(rows, n - 1), "seq");
		if (!follow || n)
			show(cli, answer, print_rows);
		else
			json_decref(answer);
		if (fflush(stdout))
			return EXIT_DAEMON;	/* main tells why */
		if (follow && n < limit)
			usleep(FOLLOW_US);
	} while (follow);
	return EXIT_YES;
}

int verb_journal(struct cli *cli, int argc, char **argv)
{
	uint64_t after = 0, limit = 200;
	bool follow = false;
	const struct arg args[] = {
		{ "--after", .number = &after, .max = INT64_MAX, .from_zero = true },
		{ "--limit", .number = &limit, .max = LIMIT_MAX },
		{ "--follow", .flag = &follow },
	};
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 0, 1);

	if (n < 0)
		return EXIT_USAGE;
	if (n && strcmp(argv[0], "verify"))
		return tell_usage(cli, "verify, or options alone");
	return n ? verify(cli) : list(cli, after, limit, follow);
}

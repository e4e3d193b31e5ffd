// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/util.h"

static void print_table(const char *title, const json_t *rows, const char *number, const char *name)
{
	const json_t *row;
	size_t i;

	printf("%s\n", title);
	json_array_foreach(rows, i, row)
		printf("  %6lld  %-12s %s\n", (long long)number_of(row, number), text_of(row, name),
		       text_of(row, "what"));
}

void print_facts(const json_t *answer)
{
	const json_t *p = member(answer, "process"), *v;
	const char *key;
	size_t i;

	json_object_foreach((json_t *)member(p, "status"), key, v)
		printf("%-11s %s\n", key, json_string_value(v));
	printf("Namespaces ");
	json_object_foreach((json_t *)member(p, "namespaces"), key, v)
		printf(" %s:[%lld]", key, (long long)json_integer_value(v));
	putchar('\n');
	print_table("Threads", member(p, "threads"), "tid", "comm");
	print_table("Files", member(p, "files"), "fd", "kind");
	if (json_array_size(member(p, "environment")))
		printf("Environment\n");
	json_array_foreach(member(p, "environment"), i, v)
		printf("  %s\n", json_string_value(v));
	if (!is_true(answer, "complete"))
		printf("It is not complete: %s\n", text_of(answer, "why"));
}

int verb_process(struct cli *cli, int argc, char **argv)
{
	bool environment = false;
	const struct arg args[] = { { "--env", .flag = &environment } };
	uint64_t pid;

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 2, 2) < 0)
		return EXIT_USAGE;
	if (!parse_u64(argv[1], UINT32_MAX, &pid))
		return tell_usage(cli, "PID is a number of wardenctl ps GUEST");
	return show_get(cli, print_facts, environment ? "/v1/guests/*/tasks/*/environment" :
			"/v1/guests/*/tasks/*", argv[0], argv[1]);
}

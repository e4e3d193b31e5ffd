// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static void print_process(const json_t *f)
{
	printf("  in       %s %s\n", text_of(f, "object_kind"), text_of(f, "path"));
	if (!strcmp(text_of(f, "found_by"), "rest"))
		printf("  run by   nobody: a file at rest\n");
	else
		printf("  run by   process %lld, %s, %s\n", (long long)number_of(f, "pid"),
		       text_of(f, "comm"), text_of(f, "exe"));
	if (strcmp(text_of(f, "found_by"), "guard") && strcmp(text_of(f, "found_by"), "memory"))
		printf("  content  BLAKE2b-256 %s\n", text_of(f, "content_hash"));
	printf("\n");
}

/* A finding as a story: what it is, then each step as it came. */
static void print_story(const json_t *f)
{
	char time[32], guest[32];
	const char *name = text_of(f, "guest_name");
	const json_t *step;
	size_t i;

	printf("Finding %lld, %s: %s in guest %s\n", (long long)number_of(f, "id"),
	       time_text(time, number_of(f, "wall_ns")), text_of(f, "signature"),
	       name[0] ? name : number_text(guest, number_of(f, "guest")));
	if (!strcmp(text_of(f, "object_kind"), "integrity"))
		printf("  in       %s\n\n", text_of(f, "path"));
	else
		print_process(f);
	json_array_foreach(member(f, "chain"), i, step)
		printf("%s  %s\n", time_text(time, number_of(step, "wall_ns")), text_of(step, "text"));
}

int verb_explain(struct cli *cli, int argc, char **argv)
{
	uint64_t id;

	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	if (!parse_u64(argv[0], INT64_MAX, &id))
		return tell_usage(cli, "FINDING is a number of wardenctl findings");
	return show_get(cli, print_story, "/v1/findings/*/explain", argv[0]);
}

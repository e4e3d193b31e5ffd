// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "START", RIGHT }, { "END", RIGHT }, { "PERMS", LEFT }, { "OFFSET", RIGHT },
	{ "DEV", LEFT }, { "INODE", RIGHT }, { "PATH", CUT },
};

void print_maps(const json_t *answer)
{
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	const json_t *m;
	size_t i;

	json_array_foreach(member(answer, "maps"), i, m) {
		char offset[32], inode[32];

		snprintf(offset, sizeof(offset), "0x%llx", (long long)number_of(m, "offset"));
		table_row(t, (const char *const[]){ text_of(m, "start"), text_of(m, "end"),
			  text_of(m, "perms"), offset, text_of(m, "dev"),
			  number_text(inode, number_of(m, "inode")), text_of(m, "path") });
	}
	table_end(t);
	if (!is_true(answer, "complete"))
		printf("The map is not complete: %s\n", text_of(answer, "why"));
}

int verb_maps(struct cli *cli, int argc, char **argv)
{
	uint64_t pid;

	if (take_args(cli, argc, argv, NULL, 0, 2, 2) < 0)
		return EXIT_USAGE;
	if (!parse_u64(argv[1], UINT32_MAX, &pid))
		return tell_usage(cli, "PID is a number of wardenctl ps GUEST");
	return show_get(cli, print_maps, "/v1/guests/*/tasks/*/maps", argv[0], argv[1]);
}

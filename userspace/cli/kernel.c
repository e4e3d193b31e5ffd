// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>

#include "lib/util.h"

static void print_modules(const json_t *modules)
{
	static const struct column columns[] = {
		{ "MODULE", LEFT }, { "BASE", LEFT }, { "SIZE", RIGHT }, { "STATE", LEFT },
	};
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	const json_t *m;
	size_t i;

	json_array_foreach(modules, i, m) {
		char size[32];

		table_row(t, (const char *const[]){ text_of(m, "name"), text_of(m, "base"),
			  number_text(size, number_of(m, "size")), text_of(m, "state") });
	}
	table_end(t);
}

void print_kernel_facts(const json_t *answer)
{
	const json_t *k = member(answer, "kernel");
	char time[32];

	printf("Kernel        %s\n", text_of(k, "release"));
	printf("Banner        %s\n", text_of(k, "banner"));
	printf("BUILD-ID      %s\n", text_of(k, "build_id")[0] ? text_of(k, "build_id") : "unknown");
	printf("Booted        %s", number_of(k, "boot_ns") ?
	       time_text(time, number_of(k, "boot_ns")) : "unknown");
	printf(number_of(k, "uptime_ns") ? ", up %lld s\n" : "\n",
	       (long long)number_of(k, "uptime_ns") / 1000000000);
	printf("Command line  %s\n", text_of(k, "command_line"));
	printf("Text          at %s, %lld symbols\n", text_of(k, "text_base"),
	       (long long)number_of(k, "symbols"));
	printf("Paging        %lld levels, KPTI %s\n\n", (long long)number_of(k, "paging_levels"),
	       json_is_null(member(k, "kpti")) ? "unknown" : is_true(k, "kpti") ? "on" : "off");
	print_modules(member(answer, "modules"));
}

static void print_live(const json_t *answer)
{
	print_kernel_facts(answer);
	if (!is_true(answer, "complete"))
		printf("It is not complete: %s\n", text_of(answer, "why"));
}

int verb_kernel(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	return show_get(cli, print_live, "/v1/guests/*/kernel", argv[0]);
}

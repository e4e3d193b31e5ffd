// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "cli/tasks.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "PID", RIGHT }, { "PPID", RIGHT }, { "UID", RIGHT }, { "CPU", RIGHT }, { "RSS", RIGHT }, { "COMM", LEFT },
	{ "VERDICT", LEFT }, { "PROGRAM", CUT },
};

static void print_ps(const json_t *answer)
{
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	autofree const json_t **tasks = tasks_by_pid(answer);

	for (size_t i = 0; tasks && tasks[i]; i++) {
		char pid[32], ppid[32], uid[32], cpu[32], rss[32];

		snprintf(cpu, sizeof(cpu), "%.1fs", (double)number_of(tasks[i], "cpu_ns") / 1e9);
		snprintf(rss, sizeof(rss), "%.1fM", (double)number_of(tasks[i], "rss_bytes") / 1048576);

		table_row(t, (const char *const[]){
			  number_text(pid, number_of(tasks[i], "pid")),
			  number_text(ppid, number_of(tasks[i], "ppid")),
			  number_text(uid, number_of(tasks[i], "uid")), cpu, rss, text_of(tasks[i], "comm"),
			  text_of(tasks[i], "verdict"), task_program(tasks[i]) });
	}
	table_end(t);
	tasks_print_age(answer);
}

int verb_ps(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	return show_get(cli, print_ps, "/v1/guests/*/tasks", argv[0]);
}

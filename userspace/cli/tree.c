// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"
#include "cli/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define DEPTH_MAX 64		/* a guest may claim that its processes form a ring */

static const struct column columns[] = {
	{ "PID", RIGHT }, { "UID", RIGHT }, { "VERDICT", LEFT }, { "PROCESS", CUT },
};

struct tree {
	struct table *table;
	const json_t **tasks;
	bool *shown;
};

static bool is_listed(const struct tree *tree, json_int_t pid)
{
	for (size_t i = 0; tree->tasks[i]; i++)
		if (number_of(tree->tasks[i], "pid") == pid)
			return true;
	return false;
}

static void add(struct tree *tree, size_t i, unsigned depth)
{
	const json_t *t = tree->tasks[i];
	char pid[32], uid[32], process[2 * DEPTH_MAX + 1200];

	tree->shown[i] = true;
	snprintf(process, sizeof(process), "%*s%.100s  %.1000s", 2 * (int)depth, "",
		 text_of(t, "comm"), task_program(t));
	table_row(tree->table, (const char *const[]){
		  number_text(pid, number_of(t, "pid")), number_text(uid, number_of(t, "uid")),
		  text_of(t, "verdict"), process });
	for (size_t child = 0; depth < DEPTH_MAX && tree->tasks[child]; child++)
		if (!tree->shown[child] &&
		    number_of(tree->tasks[child], "ppid") == number_of(t, "pid"))
			add(tree, child, depth + 1);
}

/* First those whose parent is not there, then what a ring or a depth left over. */
static void print_tree(const json_t *answer)
{
	autofree const json_t **tasks = tasks_by_pid(answer);
	autofree bool *shown = calloc(json_array_size(member(answer, "tasks")) + 1, sizeof(*shown));
	struct tree tree = { .tasks = tasks, .shown = shown };

	if (!tasks || !shown)
		return;
	tree.table = table_new(columns, ARRAY_SIZE(columns));
	for (size_t i = 0; tasks[i]; i++)
		if (!shown[i] && !is_listed(&tree, number_of(tasks[i], "ppid")))
			add(&tree, i, 0);
	for (size_t i = 0; tasks[i]; i++)
		if (!shown[i])
			add(&tree, i, 0);
	table_end(tree.table);
	tasks_print_age(answer);
}

int verb_tree(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	return show_get(cli, print_tree, "/v1/guests/*/tasks", argv[0]);
}

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

struct process {
	const json_t *task;
	json_int_t pid, ppid;
	bool shown;
};

struct tree {
	struct table *table;
	struct process *list;
	size_t n;
};

static bool is_listed(const struct tree *tree, json_int_t pid)
{
	for (size_t i = 0; i < tree->n; i++)
		if (tree->list[i].pid == pid)
			return true;
	return false;
}

static void add(struct tree *tree, struct process *p, unsigned depth)
{
	char pid[32], uid[32], process[2 * DEPTH_MAX + 1200];

	p->shown = true;
	snprintf(process, sizeof(process), "%*s%.100s  %.1000s", 2 * (int)depth, "",
		 text_of(p->task, "comm"), task_program(p->task));
	table_row(tree->table, (const char *const[]){
		  number_text(pid, p->pid), number_text(uid, number_of(p->task, "uid")),
		  text_of(p->task, "verdict"), process });
	for (size_t i = 0; depth < DEPTH_MAX && i < tree->n; i++)
		if (!tree->list[i].shown && tree->list[i].ppid == p->pid)
			add(tree, &tree->list[i], depth + 1);
}

/* First those whose parent is not there, then what a ring or a depth left over. */
static void print_tree(const json_t *answer)
{
	autofree const json_t **tasks = tasks_by_pid(answer);
	size_t n = json_array_size(member(answer, "tasks"));
	autofree struct process *list = calloc(n + 1, sizeof(*list));
	struct tree tree = { .list = list, .n = n };

	if (!tasks || !list)
		return;
	for (size_t i = 0; i < n; i++)
		list[i] = (struct process){ .task = tasks[i], .pid = number_of(tasks[i], "pid"),
					    .ppid = number_of(tasks[i], "ppid") };
	tree.table = table_new(columns, ARRAY_SIZE(columns));
	for (size_t i = 0; i < n; i++)
		if (!list[i].shown && !is_listed(&tree, list[i].ppid))
			add(&tree, &list[i], 0);
	for (size_t i = 0; i < n; i++)
		if (!list[i].shown)
			add(&tree, &list[i], 0);
	table_end(tree.table);
	tasks_print_age(answer);
}

int verb_tree(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 1, 1) < 0)
		return EXIT_USAGE;
	return show_get(cli, print_tree, "/v1/guests/*/tasks", argv[0]);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static int by_pid(const void *a, const void *b)
{
	json_int_t x = number_of(*(json_t *const *)a, "pid");
	json_int_t y = number_of(*(json_t *const *)b, "pid");

	return x < y ? -1 : x > y;
}

const json_t **tasks_by_pid(const json_t *answer)
{
	const json_t *tasks = member(answer, "tasks");
	size_t n = json_array_size(tasks);
	const json_t **sorted = calloc(n + 1, sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (size_t i = 0; i < n; i++)
		sorted[i] = json_array_get(tasks, i);
	qsort(sorted, n, sizeof(*sorted), by_pid);
	return sorted;
}

const char *task_program(const json_t *t)
{
	if (!strcmp(text_of(t, "verdict"), "infected"))
		return text_of(t, "why");
	return text_of(t, "exe")[0] ? text_of(t, "exe") : "[kernel]";
}

void tasks_print_age(const json_t *answer)
{
	const json_t *sweep = member(answer, "sweep");
	json_int_t age = number_of(sweep, "age_ms");

	if (is_true(answer, "fresh")) {
		if (!is_true(answer, "complete"))
			printf("The list is not complete: %s\n", text_of(answer, "why"));
		return;
	}
	printf("The list is not of now: %s\n", text_of(answer, "why"));
	if (age < 0)
		printf("No sweep has ended yet\n");
	else
		printf("The last sweep ended %lld s ago, %s%s%s\n", (long long)age / 1000,
		       text_of(sweep, "status"), text_of(sweep, "why")[0] ? ": " : "",
		       text_of(sweep, "why"));
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of /v1/guests/GUEST/tasks, for ps and tree. */
#ifndef WARDEN_CLI_TASKS_H
#define WARDEN_CLI_TASKS_H

#include <jansson.h>

/* Sorted, NULL after the last; to be freed, the tasks not.  NULL: no memory. */
const json_t **tasks_by_pid(const json_t *answer);

/* What it runs, or the signature it was found by: what matters more. */
const char *task_program(const json_t *task);

/* What is missing from the list, or that it is old. */
void tasks_print_age(const json_t *answer);

#endif

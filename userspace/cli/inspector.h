/* SPDX-License-Identifier: GPL-2.0-or-later */
/* warden-inspect: started on a file of a guest's memory, and its answer. */
#ifndef WARDEN_CLI_INSPECTOR_H
#define WARDEN_CLI_INSPECTOR_H

#include <jansson.h>

struct cli;

#define QUESTION_WORDS 4

struct question {
	const char *file;
	const char *words[QUESTION_WORDS];	/* NULL behind the last */
	int out;			/* bytes that are asked for go there; -1: none are */
};

/* NULL: the error is told, and *ret_code what to end with. */
json_t *ask_inspector(struct cli *cli, const struct question *q, int *ret_code);

#endif

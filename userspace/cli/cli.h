/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wardenctl: what its verbs share. */
#ifndef WARDEN_CLI_H
#define WARDEN_CLI_H

#include <jansson.h>
#include <stdbool.h>

enum exit_code {
	EXIT_YES = 0,
	EXIT_NO = 1,		/* not found; the journal is broken */
	EXIT_USAGE = 2,
	EXIT_DAEMON = 3,	/* not reachable, or it answered an error */
};

struct cli {
	const char *socket;
	bool json;
};

/* ---- verbs: argv begins after the verb ---- */

int verb_status(struct cli *cli, int argc, char **argv);
int verb_guests(struct cli *cli, int argc, char **argv);
int verb_ps(struct cli *cli, int argc, char **argv);
int verb_findings(struct cli *cli, int argc, char **argv);
int verb_journal(struct cli *cli, int argc, char **argv);

/* ---- http.c ---- */

/*
 * The answer to GET path, or NULL with *ret_code set and the error told (on
 * standard output as JSON, or on standard error).
 */
json_t *api_get(struct cli *cli, const char *path, int *ret_code);

/* Tells an error as the daemon tells its own; returns the exit code. */
int tell_error(struct cli *cli, int exit_code, const char *code, const char *message,
	       const char *what_to_do);

/* arg with everything but letters, digits, '.', '_', '-' as %XX.  False if too long. */
bool url_escape(char *out, size_t size, const char *arg);

/* ---- print.c ---- */

int print_json(json_t *json);
const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);
const json_t *member(const json_t *object, const char *key);
/* "2026-11-22 17:00:03" */
const char *time_text(char out[32], json_int_t wall_ns);
/* "0.4 ms", "12 ms", "3400 ms" */
const char *ms_text(char out[32], json_int_t us);

struct column {
	const char *head;
	int width;		/* negative: to the left, as in printf */
};

/* cells: one for each column; what is too long ends in "~". */
void print_head(const struct column *columns, int n);
void print_row(const struct column *columns, int n, const char *const *cells);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wardenctl: what its verbs share. */
#ifndef WARDEN_CLI_H
#define WARDEN_CLI_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exit_code {
	EXIT_YES = 0,
	EXIT_NO = 1,		/* not found; refused; infected; broken */
	EXIT_USAGE = 2,
	EXIT_DAEMON = 3,	/* not reachable, or it answered an error; output is lost */
	EXIT_UNDECIDED = 4,	/* not everything could be scanned; no outcome in time */
	EXIT_INTERRUPTED = 130,
};

struct cli {
	const char *socket;
	bool json;
	const struct verb *verb;	/* what was asked for */
};

struct verb {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
	const char *arguments, *description;
};

/* ---- verbs: argv begins after the verb ---- */

int verb_status(struct cli *cli, int argc, char **argv);
int verb_guests(struct cli *cli, int argc, char **argv);
int verb_ps(struct cli *cli, int argc, char **argv);
int verb_tree(struct cli *cli, int argc, char **argv);
int verb_kernel(struct cli *cli, int argc, char **argv);
int verb_maps(struct cli *cli, int argc, char **argv);
int verb_process(struct cli *cli, int argc, char **argv);
int verb_files(struct cli *cli, int argc, char **argv);
int verb_file(struct cli *cli, int argc, char **argv);
int verb_read(struct cli *cli, int argc, char **argv);
int verb_inspect(struct cli *cli, int argc, char **argv);
int verb_scan(struct cli *cli, int argc, char **argv);
int verb_findings(struct cli *cli, int argc, char **argv);
int verb_explain(struct cli *cli, int argc, char **argv);
int verb_quarantine(struct cli *cli, int argc, char **argv);
int verb_freeze(struct cli *cli, int argc, char **argv);
int verb_thaw(struct cli *cli, int argc, char **argv);
int verb_level(struct cli *cli, int argc, char **argv);
int verb_metrics(struct cli *cli, int argc, char **argv);
int verb_kill(struct cli *cli, int argc, char **argv);
int verb_enrol(struct cli *cli, int argc, char **argv);
int verb_agents(struct cli *cli, int argc, char **argv);
int verb_journal(struct cli *cli, int argc, char **argv);
int verb_doctor(struct cli *cli, int argc, char **argv);
int verb_words(struct cli *cli, int argc, char **argv);

/* ---- args.c ---- */

/* "--name" sets *flag; "--name N" *number, from 1 or 0 to max; "--name TEXT" *text. */
struct arg {
	const char *name;
	bool *flag;
	const char **text;
	uint64_t *number, max;
	bool from_zero;
};

/*
 * Takes the options out of argv and leaves at least min and at most max others.
 * Their number, or -1 with the usage told.
 */
int take_args(struct cli *cli, int argc, char **argv, const struct arg *args, size_t nargs,
	      int min, int max);

/* Tells how the verb is used, and why this is not; EXIT_USAGE. */
int tell_usage(struct cli *cli, const char *why);

/* ---- http.c ---- */

#define API_PATH 4096

/* Set by who catches a signal: no request waits any more. */
extern volatile sig_atomic_t interrupted;

/*
 * What was answered with a status below 300; else NULL with *ret_code set and
 * the error told (on standard output as JSON, or on standard error), or
 * EXIT_INTERRUPTED and nothing told.  Each '*' of format stands for the next
 * argument, escaped.
 */
json_t *api_get(struct cli *cli, int *ret_code, const char *format, ...);
/* body is taken over; NULL: none. */
json_t *api_send(struct cli *cli, int *ret_code, const char *method, json_t *body,
		 const char *format, ...);
/* An answer that is no JSON, to be freed; errors as above. */
char *api_text(struct cli *cli, int *ret_code, const char *path);
/*
 * A guest's bytes into out; what is said beside them.  Errors as above, also if the bytes
 * are not as many as was said, or others.
 */
json_t *api_content(struct cli *cli, int out, int *ret_code, const char *format, ...);
/* Tells nothing: NULL and why, as "CODE: MESSAGE". */
json_t *api_try(struct cli *cli, char *why, size_t size, const char *format, ...);

/* Tells an error as the daemon tells its own; returns the exit code. */
int tell_error(struct cli *cli, int exit_code, const char *code, const char *message,
	       const char *what_to_do);

/* What api_get answers, as JSON or by print: the whole of most verbs.  The exit code. */
int show_get(struct cli *cli, void (*print)(const json_t *answer), const char *format, ...);
/* Prints answer, and frees it. */
void show(struct cli *cli, json_t *answer, void (*print)(const json_t *answer));

/* ---- orders.c ---- */

/* Waits for what comes of an order, tells it, and says by the exit code whether it was done. */
int follow_order(struct cli *cli, json_int_t order);
/* What came of it is seen from outside; else its state, by the agent's word, is all there is. */
bool order_is_seen(const json_t *order);

/* ---- print.c ---- */

void print_json(const json_t *json);
const char *text_of(const json_t *object, const char *key);
json_int_t number_of(const json_t *object, const char *key);
bool is_true(const json_t *object, const char *key);
const json_t *member(const json_t *object, const char *key);
/* Every text of a daemon's answer that could move a cursor is escaped, in place. */
json_t *make_printable(json_t *json);
/* "2026-11-22 17:00:03" */
const char *time_text(char out[32], json_int_t wall_ns);
/* "0.4 ms", "12 ms", "3400 ms" */
const char *ms_text(char out[32], json_int_t us);
const char *number_text(char out[32], json_int_t number);

/* ---- kernel.c ---- */

void print_kernel_facts(const json_t *answer);

/* ---- maps.c ---- */

void print_maps(const json_t *answer);

/* ---- process.c ---- */

void print_facts(const json_t *answer);

/* ---- table.c ---- */

struct column {
	const char *head;
	enum { LEFT, RIGHT, CUT } how;	/* CUT: to the left, and shortened to fit a terminal */
};

/* Rows are kept until the widths are known. */
struct table *table_new(const struct column *columns, unsigned n);
void table_row(struct table *table, const char *const *cells);
/* A line of its own under the last row. */
void table_note(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints and frees it. */
void table_end(struct table *table);

#endif

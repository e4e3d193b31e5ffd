/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What warden-inspect answers, in JSON: each to its own words, which end with NULL. */
#ifndef WARDEN_ANSWERS_H
#define WARDEN_ANSWERS_H

#include <jansson.h>

#include "introspect/inspect.h"
#include "lib/messages.h"

/* ---- inspect.c ---- */

/* A decimal number; what is none ends the program, which wardenctl alone calls. */
uint64_t number_arg(const char *text);

/* ---- answers.c ---- */

json_t *escaped_json(const char *raw);
/* row is taken; an answer that lacks one for want of memory is none, and ends the program. */
void add_row(json_t *rows, json_t *row);
json_t *error_json(const char *code, const char *message, const char *what_to_do);
/* True: there is no such process.  unused is then freed, and the error is the answer. */
bool no_process(const struct m_done *done, json_t *unused, json_t **ret_error);

json_t *answer_kernel(struct inspection *i, char *const *args);
json_t *answer_symbols(struct inspection *i, char *const *args);
json_t *answer_tasks(struct inspection *i, char *const *args);
json_t *answer_maps(struct inspection *i, char *const *args);
json_t *answer_process(struct inspection *i, char *const *args);
json_t *answer_suspicious(struct inspection *i, char *const *args);
json_t *answer_check(struct inspection *i, char *const *args);

/* ---- contentanswers.c: the bytes of read and file are written to INSPECT_OUT_FD ---- */

json_t *answer_files(struct inspection *i, char *const *args);
json_t *answer_read(struct inspection *i, char *const *args);
json_t *answer_file(struct inspection *i, char *const *args);

#endif

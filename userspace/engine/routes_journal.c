// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings, and the journal itself. */
#include "engine/ask.h"

#include "engine/views.h"
#include "lib/util.h"

#define VERIFY_ROWS 2000		/* in one turn of the engine's loop */
#define ROWS_MAX 5000
#define ROWS 200

static bool get_limit(struct ask *a, uint64_t *ret_limit)
{
	const char *limit = ask_query(a, "limit");

	*ret_limit = ROWS;
	if (!limit || (parse_u64(limit, ROWS_MAX, ret_limit) && *ret_limit))
		return true;
	ask_fail(a, 400, "limit must be a number from 1 to 5000", "correct it");
	return false;
}

void get_findings(struct ask *a)
{
	const char *guest = ask_query(a, "guest");
	uint64_t limit;

	if (get_limit(a, &limit) && ask_of_guest(a, guest))
		ask_answer_of_guest(a, guest, view_findings(a->e, guest, limit), "findings");
}

static void get_one(struct ask *a, json_t *(*view)(struct engine *e, uint64_t id))
{
	uint64_t id;
	json_t *answer;

	if (!ask_number(a, a->arg[0], "a finding's id", &id))
		return;
	answer = view(a->e, id);
	if (answer && json_is_null(answer)) {
		json_decref(answer);
		ask_fail(a, 404, "no such finding", "GET /v1/findings lists them");
		return;
	}
	ask_answer(a, 200, answer);
}

void get_finding(struct ask *a)
{
	get_one(a, view_finding);
}

void get_explanation(struct ask *a)
{
	get_one(a, view_explanation);
}

void get_journal(struct ask *a)
{
	const char *after = ask_query(a, "after");
	uint64_t limit, from = 0;

	if (get_limit(a, &limit) && (!after || ask_number(a, after, "after", &from)))
		ask_answer(a, 200, view_journal(a->e, from, limit));
}

static void verify_on(struct ask *a)
{
	enum verify_state state = journal_verify_step(&a->verify, VERIFY_ROWS);

	if (state == VERIFY_MORE)
		return;
	ask_answer(a, 200, view_verified(&a->verify, state));
	ask_go_on(a);
}

void get_verify(struct ask *a)
{
	if (journal_verify_begin(&a->verify, &a->e->journal)) {
		journal_verify_end(&a->verify);
		ask_answer(a, 500, NULL);
		return;
	}
	a->step = verify_on;
	ask_wait(a, 0, NEVER / 2);
}

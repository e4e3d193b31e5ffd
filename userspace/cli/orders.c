// SPDX-License-Identifier: GPL-2.0-or-later
/* An order's way, for the verbs that give one. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

#define POLL_US 200000
#define POLLS 450		/* 90 s: longer than the daemon waits for an agent */

bool order_is_seen(const json_t *order)
{
	return !strcmp(text_of(order, "verb"), "kill");
}

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

/* A kill is over when it was seen from outside; what needs no look, at its answer. */
static bool is_over(const json_t *order)
{
	static const char *const open[] = { "", "queued", "sent" };
	static const char *const came_to_nothing[] = {
		"undeliverable", "refused", "failed", "another process",
	};
	const char *state = text_of(order, "state");

	if (text_of(order, "outcome")[0])
		return true;
	if (order_is_seen(order))
		return is_one_of(state, came_to_nothing, ARRAY_SIZE(came_to_nothing));
	return !is_one_of(state, open, ARRAY_SIZE(open));
}

/* What was seen from outside decides; of a file only the agent's word is known. */
static int exit_code_of(const json_t *order)
{
	static const char *const done[] = { "killed", "gone" };
	static const char *const unknown[] = { "no answer in time", "unknown after restart" };
	const char *state = text_of(order, "state"), *outcome = text_of(order, "outcome");

	if (order_is_seen(order)) {
		if (!strcmp(outcome, "unconfirmed"))
			return EXIT_UNDECIDED;
		return is_one_of(outcome, done, ARRAY_SIZE(done)) ? EXIT_YES : EXIT_NO;
	}
	if (is_one_of(state, unknown, ARRAY_SIZE(unknown)))
		return EXIT_UNDECIDED;
	return strcmp(state, "done") ? EXIT_NO : EXIT_YES;
}

/* The last look from outside, or the last answer if none can be seen. */
static const char *detail_of(const json_t *order)
{
	const json_t *result, *last = NULL;
	size_t i;

	json_array_foreach(member(order, "results"), i, result)
		if (order_is_seen(order) || strcmp(text_of(result, "what"), "probe"))
			last = result;
	return text_of(last, "detail");
}

static void print_order(const json_t *order)
{
	const char *detail = detail_of(order);

	printf("Order %lld: %s", (long long)number_of(order, "order"), text_of(order, "state"));
	if (!order_is_seen(order))
		printf("%s", strcmp(text_of(order, "state"), "done") ? "" : ", by the agent's word");
	else if (text_of(order, "outcome")[0])
		printf("; seen from outside: %s", text_of(order, "outcome"));
	printf("%s%s\n", detail[0] ? ": " : "", detail);
}

int follow_order(struct cli *cli, json_int_t number)
{
	int code = EXIT_YES;
	char id[32], message[96];
	json_t *order;

	number_text(id, number);
	for (unsigned i = 0; i < POLLS; i++) {
		order = api_get(cli, &code, "/v1/orders/*", id);
		if (!order)
			return code;
		if (is_over(order)) {
			code = exit_code_of(order);
			show(cli, order, print_order);
			return code;
		}
		json_decref(order);
		usleep(POLL_US);
	}
	snprintf(message, sizeof(message), "order %s: nothing came of it in time", id);
	return tell_error(cli, EXIT_UNDECIDED, "timeout", message,
			  "wardenctl journal tells what becomes of it");
}

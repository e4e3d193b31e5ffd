// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "ID", RIGHT }, { "TIME", LEFT }, { "GUEST", CUT }, { "PID", RIGHT }, { "COMM", CUT },
	{ "SIGNATURE", CUT }, { "FOUND", LEFT }, { "ANSWER", LEFT },
};

/* What came of it: the outcome seen from outside, else the order's state. */
static const char *answer_of(const json_t *f)
{
	const json_t *orders = member(f, "orders"), *decisions = member(f, "decisions");
	const json_t *order = json_array_get(orders, 0);

	if (!order)
		return text_of(json_array_get(decisions, json_array_size(decisions) - 1), "action");
	return order_is_seen(order) && text_of(order, "outcome")[0] ? text_of(order, "outcome") :
	       text_of(order, "state");
}

static void note_answers(struct table *t, const json_t *f)
{
	const json_t *order, *decision, *act;
	size_t i;

	json_array_foreach(member(f, "decisions"), i, decision)
		if (text_of(decision, "note")[0])
			table_note(t, "%s", text_of(decision, "note"));
	json_array_foreach(member(f, "orders"), i, order) {
		const char *outcome = order_is_seen(order) ? text_of(order, "outcome") : "";
		bool timed = member(order, "killed_after_us");
		char ms[32];

		table_note(t, "order %lld, %s: %s%s%s%s%s%s", (long long)number_of(order, "id"),
			   text_of(order, "verb"), text_of(order, "state"),
			   outcome[0] ? "; seen from outside: " : "", outcome, timed ? ", " : "",
			   timed ? ms_text(ms, number_of(order, "killed_after_us")) : "",
			   timed ? " after it was seen" : "");
	}
	json_array_foreach(member(f, "acts"), i, act)
		table_note(t, "the host, %s: %s", text_of(act, "verb"), text_of(act, "state"));
}

static void add_finding(struct table *t, const json_t *f)
{
	const bool rest = !strcmp(text_of(f, "found_by"), "rest");
	char id[32], time[32], pid[32], guest[32], ms[32], found[64];
	const char *name = text_of(f, "guest_name");

	snprintf(found, sizeof(found), "%.20s %s", text_of(f, "found_by"),
		 ms_text(ms, number_of(f, "latency_us")));
	table_row(t, (const char *const[]){ number_text(id, number_of(f, "id")),
		  time_text(time, number_of(f, "wall_ns")),
		  name[0] ? name : number_text(guest, number_of(f, "guest")),
		  rest ? "-" : number_text(pid, number_of(f, "pid")), rest ? "-" : text_of(f, "comm"),
		  text_of(f, "signature"), found, answer_of(f) });
	table_note(t, "%s: %s", text_of(f, "object_kind"), text_of(f, "path"));
	note_answers(t, f);
}

static void print_findings(const json_t *answer)
{
	struct table *t;
	const json_t *f;
	size_t i;

	if (!json_array_size(member(answer, "findings"))) {
		printf("Nothing found.\n");
		return;
	}
	t = table_new(columns, ARRAY_SIZE(columns));
	json_array_foreach(member(answer, "findings"), i, f)
		add_finding(t, f);
	table_end(t);
}

int verb_findings(struct cli *cli, int argc, char **argv)
{
	const char *guest = NULL;
	uint64_t limit = 200;
	const struct arg args[] = {
		{ "--guest", .text = &guest }, { "--limit", .number = &limit, .max = 5000 },
	};
	char most[32];

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 0, 0) < 0)
		return EXIT_USAGE;
	number_text(most, limit);
	return guest ? show_get(cli, print_findings, "/v1/findings?limit=*&guest=*", most, guest) :
		       show_get(cli, print_findings, "/v1/findings?limit=*", most);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "ID", RIGHT }, { "NAME", CUT }, { "VMM", RIGHT }, { "KERNEL", CUT }, { "TASKS", RIGHT },
	{ "INFECTED", RIGHT }, { "ANSWERS", LEFT }, { "STATE", LEFT }, { "EVENTS", RIGHT },
};

/* What wardend made of it; the worst first. */
static const char *state_of(const json_t *g)
{
	return is_true(g, "contained") ? "contained" : is_true(g, "paused") ? "paused" :
	       is_true(g, "link_down") ? "cut off" : "runs";
}

static const char *strategy_of(const json_t *g)
{
	return text_of(g, "strategy")[0] ? text_of(g, "strategy") :
	       is_true(g, "agent") ? "agent" : "host";
}

static void add_guest(struct table *t, const json_t *g)
{
	const json_t *k = member(g, "kernel");
	const char *release = text_of(k, "release");
	char id[32], vmm[32], tasks[32], infected[32], events[32];

	table_row(t, (const char *const[]){
		  number_text(id, number_of(g, "id")), text_of(g, "name"),
		  number_text(vmm, number_of(g, "vmm_pid")),
		  release[0] ? release : text_of(k, "state"),
		  number_text(tasks, number_of(g, "tasks")),
		  number_text(infected, number_of(member(g, "objects"), "infected")),
		  strategy_of(g), state_of(g),
		  number_text(events, number_of(member(g, "work"), "events")) });
	if (text_of(k, "why")[0])
		table_note(t, "%s: %s", text_of(k, "state"), text_of(k, "why"));
	if (!strcmp(text_of(g, "level"), "metadata"))
		table_note(t, "level metadata: processes are listed, no content is scanned");
}

static void print_guests(const json_t *answer)
{
	struct table *t;
	const json_t *g;
	size_t i;

	if (!json_array_size(member(answer, "guests"))) {
		printf("No guest runs.\n");
		return;
	}
	t = table_new(columns, ARRAY_SIZE(columns));
	json_array_foreach(member(answer, "guests"), i, g)
		add_guest(t, g);
	table_end(t);
}

/* ---- one ---- */

static void print_kernel(const json_t *k)
{
	char ms[32];

	printf("Kernel      %s", text_of(k, "state"));
	if (text_of(k, "release")[0])
		printf(": %s, found in %s", text_of(k, "release"),
		       ms_text(ms, number_of(k, "discovery_us")));
	if (text_of(k, "why")[0])
		printf(": %s", text_of(k, "why"));
	putchar('\n');
	if (!strcmp(text_of(k, "state"), "unobservable"))
		printf("  still at work: exits are counted, its VMM is guarded and held to its files;"
		       " freeze, power-off\n");
}

static void print_session(const json_t *g)
{
	const json_t *s = member(g, "session"), *name;
	char since[32];
	size_t i;

	printf("Answers by  %s%s%s\n", strategy_of(g), text_of(g, "strategy_why")[0] ? ": " : "",
	       text_of(g, "strategy_why"));
	if (!json_is_object(s)) {
		printf("Session     none\n");
		return;
	}
	printf("Session     %s: %s, version %s, CID %lld, since %s%s%s\n", text_of(s, "state"),
	       text_of(s, "agent"), text_of(s, "version"), (long long)number_of(s, "cid"),
	       time_text(since, number_of(s, "since_wall_ns")),
	       text_of(s, "why")[0] ? ": " : "", text_of(s, "why"));
	printf("  can      ");
	json_array_foreach(member(s, "capabilities"), i, name)
		printf(" %s", json_string_value(name) ? json_string_value(name) : "?");
	putchar('\n');
}

static void print_containment(const json_t *g)
{
	const json_t *c = member(g, "containment");
	char since[32], until[32];

	printf("State       %s%s%s\n", state_of(g), is_true(g, "paused") ? ", paused" : "",
	       is_true(g, "link_down") ? ", network cut off" : "");
	if (!json_is_object(c))
		return;
	printf("  contained by the %s since %s, until %s", text_of(c, "by"),
	       time_text(since, number_of(c, "since_wall_ns")),
	       number_of(c, "until_wall_ns") ? time_text(until, number_of(c, "until_wall_ns")) :
	       "wardenctl thaw");
	if (json_is_integer(member(c, "finding")))
		printf(", for finding %lld", (long long)number_of(c, "finding"));
	putchar('\n');
}

static void print_sweep(const json_t *s)
{
	char ms[32];

	printf("Last sweep  %s", text_of(s, "status"));
	if (number_of(s, "age_ms") >= 0)
		printf(": %lld processes in %s, %lld s ago", (long long)number_of(s, "tasks"),
		       ms_text(ms, number_of(s, "elapsed_us")),
		       (long long)number_of(s, "age_ms") / 1000);
	printf("%s%s\n", text_of(s, "why")[0] ? ": " : "", text_of(s, "why"));
}

static void print_checks(const json_t *checks)
{
	const json_t *c;
	char ms[32];
	size_t i;

	json_array_foreach(checks, i, c)
		printf("%-11s %s: %s (%s) in %s%s%s\n", i ? "" : "Checks", text_of(c, "check"),
		       text_of(c, "status"), text_of(c, "counts"),
		       ms_text(ms, number_of(c, "elapsed_us")), text_of(c, "why")[0] ? ": " : "",
		       text_of(c, "why"));
}

/* What of the page cache's files is scanned, and what is not. */
static void print_rest(const json_t *rest)
{
	const json_t *last = member(rest, "last"), *n = json_is_object(last) ? last : member(rest, "now");
	char ended[32];

	if (!json_is_object(rest)) {
		printf("At rest     files that no process executes are not scanned\n");
		return;
	}
	printf("At rest     %s", text_of(rest, "state"));
	if (json_is_object(last))
		printf("; last round ended %s, %s%s%s", time_text(ended, number_of(last, "ended_wall_ns")),
		       is_true(last, "complete") ? "complete" : "not complete",
		       text_of(last, "why")[0] ? ": " : "", text_of(last, "why"));
	printf("\n  %lld files: %lld unchanged, %lld mapped, %lld clean, %lld infected, %lld partial,"
	       " %lld not scanned\n", (long long)number_of(n, "files"),
	       (long long)number_of(n, "unchanged"), (long long)number_of(n, "mapped"),
	       (long long)number_of(n, "clean"), (long long)number_of(n, "infected"),
	       (long long)number_of(n, "partial"), (long long)number_of(n, "not_scanned"));
}

static void print_numbers(const char *label, const json_t *numbers)
{
	const char *key, *comma = "";
	json_t *n;

	printf("%-11s ", label);
	json_object_foreach((json_t *)numbers, key, n) {
		if (!json_is_integer(n))
			continue;
		printf("%s%s %lld", comma, key, (long long)json_integer_value(n));
		comma = ", ";
	}
	printf("%s\n", *comma ? "" : "none yet");
}

static void print_guest(const json_t *g)
{
	const json_t *n;
	const char *why;
	char since[32];

	printf("Guest       %lld %s\n", (long long)number_of(g, "id"), text_of(g, "name"));
	printf("VMM         process %lld, since %s\n", (long long)number_of(g, "vmm_pid"),
	       time_text(since, number_of(g, "since_wall_ns")));
	if (json_is_integer(member(g, "cid")))
		printf("vsock CID   %lld, known from %s\n", (long long)number_of(g, "cid"),
		       text_of(g, "cid_source"));
	printf("Level       %s\n", text_of(g, "level"));
	print_kernel(member(g, "kernel"));
	print_containment(g);
	print_session(g);
	printf("Processes   %lld\n", (long long)number_of(g, "tasks"));
	print_sweep(member(g, "last_sweep"));
	print_checks(member(g, "checks"));
	print_numbers("Contents", member(g, "objects"));
	json_object_foreach((json_t *)member(member(g, "objects"), "reasons"), why, n)
		printf("  not scanned %lld: %s\n", (long long)json_integer_value(n), why);
	print_rest(member(g, "rest"));
	print_numbers("Exits", member(g, "counters"));
	print_numbers("Work", member(g, "work"));
}

int verb_guests(struct cli *cli, int argc, char **argv)
{
	int n = take_args(cli, argc, argv, NULL, 0, 0, 1);

	if (n < 0)
		return EXIT_USAGE;
	return n ? show_get(cli, print_guest, "/v1/guests/*", argv[0]) :
		   show_get(cli, print_guests, "/v1/guests");
}

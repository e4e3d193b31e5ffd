// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static void print_roles(const json_t *status)
{
	const json_t *roles = member(status, "roles");
	const json_t *r;
	char since[32], name[64];
	size_t i;

	json_array_foreach(roles, i, r) {
		if (!strcmp(text_of(r, "role"), "bpf"))
			continue;
		if (member(r, "guest"))
			snprintf(name, sizeof(name), "%.40s of %lld", text_of(r, "role"),
				 (long long)number_of(r, "guest"));
		else
			snprintf(name, sizeof(name), "%.60s", text_of(r, "role"));
		printf("  %-18s %-4s since %s, %lld restarts%s%s\n", name, text_of(r, "state"),
		       time_text(since, number_of(r, "since_wall_ns")),
		       (long long)number_of(r, "restarts"),
		       text_of(r, "why")[0] ? ": " : "", text_of(r, "why"));
	}
}

static void print_database(const json_t *status)
{
	const json_t *d = member(status, "database");

	if (is_true(d, "ready"))
		printf("Database   %lld signatures, epoch %.16s, %s\n",
		       (long long)number_of(d, "signatures"), text_of(d, "epoch"),
		       text_of(d, "engine"));
	else
		printf("Database   not ready: nothing is scanned%s%s\n",
		       text_of(d, "why")[0] ? ": " : "", text_of(d, "why"));
}

/* "done 3, undeliverable 1" */
static void print_counts(const char *label, const json_t *counts)
{
	const char *key, *comma = "";
	json_t *n;

	printf("%s", label);
	json_object_foreach((json_t *)counts, key, n) {
		if (!json_is_integer(n))
			continue;
		printf("%s%s %lld", comma, key, (long long)json_integer_value(n));
		comma = ", ";
	}
	printf("%s\n", *comma ? "" : "none");
}

static void print_not_scanned(const json_t *objects)
{
	const char *why;
	json_t *n;

	json_object_foreach((json_t *)member(objects, "reasons"), why, n)
		printf("  not scanned %lld: %s\n", (long long)json_integer_value(n), why);
}

/* Every event is accounted for: what was emitted arrived, is on its way, or is told as lost, and how. */
static void print_events(const json_t *counters)
{
	long long dropped = number_of(counters, "dropped"), missed = number_of(counters, "missed"),
		  suppressed = number_of(counters, "suppressed");

	printf("exits %lld, events %lld emitted %lld delivered %lld lost",
	       (long long)number_of(counters, "exits"), (long long)number_of(counters, "emitted"),
	       (long long)number_of(counters, "delivered"), dropped + suppressed + missed);
	if (dropped + suppressed + missed)
		printf(" (%lld dropped, %lld over budget, %lld missed)", dropped, suppressed, missed);
	putchar('\n');
}

static void print_guests(const json_t *status)
{
	const json_t *guests = member(status, "guests"), *g;
	size_t i;

	printf("Guests     %zu\n", json_array_size(guests));
	json_array_foreach(guests, i, g) {
		printf("  %lld %s%s: kernel %s, %lld tasks, ",
		       (long long)number_of(g, "id"), text_of(g, "name"),
		       is_true(g, "contained") ? " (contained)" : is_true(g, "paused") ? " (paused)" : "",
		       text_of(member(g, "kernel"), "state"), (long long)number_of(g, "tasks"));
		print_events(member(g, "counters"));
	}
}

static void print_totals(const json_t *status)
{
	const json_t *t = member(status, "totals");

	printf("  all, with %lld that are gone: ", (long long)number_of(t, "guests_departed"));
	print_events(t);
}

static void print_guard(const json_t *status)
{
	const json_t *guard = member(status, "guard"), *g;
	const char *why = text_of(guard, "why"), *missing = text_of(guard, "missing");
	long long lost = 0;
	size_t i;

	json_array_foreach(member(status, "guests"), i, g)
		lost += number_of(member(g, "guard"), "dropped") +
			number_of(member(g, "guard"), "suppressed");
	if (!strcmp(text_of(guard, "state"), "off"))
		printf("VMM guard  off: %s\n", why);
	else
		printf("VMM guard  %s, %lld hooks, %lld rules, %lld events lost\n",
		       text_of(guard, "mode"), (long long)number_of(guard, "hooks"),
		       (long long)number_of(guard, "rules"), lost);
	if (!strcmp(text_of(guard, "state"), "degraded"))
		printf("  degraded, deny unavailable: %s\n", why);
	if (missing[0])
		printf("  this kernel has not: %s\n", missing);
}

/* "integrity  kvm clean, kvm_amd DIFFERS, checked 10 s ago" */
static void print_integrity(const json_t *status)
{
	const json_t *integrity = member(status, "integrity"), *c;
	json_int_t now = number_of(status, "now_wall_ns");
	char name[64];
	size_t i;

	if (!number_of(integrity, "seconds")) {
		printf("Integrity  switched off in the configuration\n");
		return;
	}
	printf("Integrity  of the host's code, each %lld s%s\n",
	       (long long)number_of(integrity, "seconds"),
	       json_array_size(member(integrity, "checked")) ? "" : ": not checked yet");
	json_array_foreach(member(integrity, "checked"), i, c) {
		if (number_of(c, "guest"))
			snprintf(name, sizeof(name), "VMM of %lld", (long long)number_of(c, "guest"));
		else
			snprintf(name, sizeof(name), "%.40s", text_of(c, "what"));
		printf("  %-18s %s, %lld s ago (%s)", name, text_of(c, "status"),
		       (long long)((now - number_of(c, "checked_wall_ns")) / 1000000000),
		       text_of(c, "cause"));
		if (number_of(c, "differences"))
			printf(", %lld differences", (long long)number_of(c, "differences"));
		if (number_of(c, "kprobes"))
			printf(", %lld kprobes of the host's", (long long)number_of(c, "kprobes"));
		if (number_of(c, "traced"))
			printf(", %lld functions traced", (long long)number_of(c, "traced"));
		if (number_of(c, "anonymous_executable"))
			printf(", %lld executable mappings of no file",
			       (long long)number_of(c, "anonymous_executable"));
		printf("%s%s\n", text_of(c, "why")[0] ? ": " : "", text_of(c, "why"));
	}
}

/* As a rule they are seen, and not worth a line. */
static void print_cids(const json_t *s)
{
	const json_t *cids = member(s, "cids");

	if (!is_true(cids, "on"))
		printf("vsock CIDs from command lines: %s\n", text_of(cids, "why"));
}

static void print_status(const json_t *s)
{
	const json_t *bpf = member(s, "bpf"), *module = member(s, "module");
	char since[32];

	printf("Version    %s\n", text_of(s, "version"));
	printf("Since      %s\n", time_text(since, number_of(s, "started_wall_ns")));
	printf("Module     %s%s\n", is_true(module, "attached") ? "" : "NO GUEST IS WATCHED: ",
	       text_of(module, "state"));
	printf("Events     %s%s%s\n", is_true(bpf, "on") ? "through BPF" :
	       "none: sweeps alone", text_of(bpf, "how")[0] ? ": " : "", text_of(bpf, "how"));
	print_cids(s);
	print_guard(s);
	print_database(s);
	print_guests(s);
	print_totals(s);
	print_counts("Contents   ", member(s, "objects"));
	print_not_scanned(member(s, "objects"));
	printf("Findings   %lld, kills confirmed %lld, agents that lied %lld\n",
	       (long long)number_of(s, "findings"), (long long)number_of(s, "kills_confirmed"),
	       (long long)number_of(s, "discrepancies"));
	print_counts("Orders     ", member(s, "orders"));
	print_counts("Outcomes   ", member(s, "outcomes"));
	print_counts("Host acts  ", member(s, "acts"));
	print_integrity(s);
	printf("Journal    %lld rows, head %.16s%s%s\n",
	       (long long)number_of(member(s, "journal"), "rows"),
	       text_of(member(s, "journal"), "head"),
	       is_true(member(s, "journal"), "writable") ? "" : ", NOT WRITABLE: ",
	       text_of(member(s, "journal"), "why"));
	printf("Roles\n");
	print_roles(s);
}

int verb_status(struct cli *cli, int argc, char **argv)
{
	if (take_args(cli, argc, argv, NULL, 0, 0, 0) < 0)
		return EXIT_USAGE;
	return show_get(cli, print_status, "/v1/status");
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * report CONTROL VICTIMS DIR: holds what the daemon says against what the guest
 * wrote down, prints the timeline, then one line.  Status 0 only if the run was
 * what the control (none, nosig, nobpf, noagent, restart) has to give.
 *
 * DIR has truth and census (launcher.c), findings.json, status.json and ps.json
 * (wardenctl --json); with a last act (none, restart) act and beats (launcher.c),
 * ps-contained.json, guests.json and quarantine.json too.
 */
#include <err.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define PROCESSES_MAX 64
#define TICK_NS 10000000ull	/* USER_HZ is 100 */

struct process {
	char kind[16], name[32], signature[64];
	int pid;
	unsigned long long start;	/* ticks */
	bool alive, counted, listed;
	const json_t *finding;
};

struct tally {
	int victims, found, killed, alive_victims;
	int clean, touched, strays;
	int listed;		/* of all processes, by wardenctl ps */
	int by_event, by_sweep, undeliverable;
	int quarantined, contained;
	long long delivered, lag_us;
};

static struct process processes[PROCESSES_MAX];
static size_t nprocesses;
static bool has_last_act, removed;
static long long contained_wall;	/* ns; 0: it is not */

/* ---- reading ---- */

static FILE *open_in(const char *dir, const char *name)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		err(1, "%s", path);
	return f;
}

static json_t *load_json(const char *dir, const char *name)
{
	autofile FILE *f = open_in(dir, name);
	json_error_t error;
	json_t *root = json_loadf(f, 0, &error);

	if (!root)
		errx(1, "%s: line %d: %s", name, error.line, error.text);
	return root;
}

static void read_truth(const char *dir)
{
	autofile FILE *f = open_in(dir, "truth");
	struct process *p = processes;

	while (nprocesses < PROCESSES_MAX && fscanf(f, "%15s %d %llu %31s", p->kind, &p->pid, &p->start, p->name) == 4) {
		nprocesses++;
		p++;
	}
}

static struct process *find_pid(int pid)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (processes[i].pid == pid)
			return &processes[i];
	return NULL;
}

static void read_census(const char *dir)
{
	autofile FILE *f = open_in(dir, "census");
	char state[16];
	int pid;

	while (fscanf(f, "%d %15s", &pid, state) == 2) {
		struct process *p = find_pid(pid);

		if (!p)
			continue;
		p->counted = true;
		p->alive = !strcmp(state, "alive");
	}
}

/* The victim of the last act is one more process. */
static void read_act(const char *dir)
{
	autofile FILE *f = open_in(dir, "act");
	struct process *p = &processes[nprocesses];
	char word[16];

	if (nprocesses == PROCESSES_MAX || fscanf(f, "%15s %15s %d %llu %31s", word, p->kind,
						  &p->pid, &p->start, p->name) != 5)
		errx(1, "act: not what the launcher writes");
	removed = !strcmp(word, "removed");
	p->alive = true;	/* and its guest stopped before it could tell otherwise */
	nprocesses++;
}

/* The guest ran until it was contained, and not a bit longer. */
static bool stood_still(const char *dir)
{
	autofile FILE *f = open_in(dir, "beats");
	unsigned long before, contained, later;

	return fscanf(f, "%lu %lu %lu", &before, &contained, &later) == 3 &&
	       before && contained >= before && later == contained;
}

static void read_victims(const char *path)
{
	autofile FILE *f = fopen(path, "r");
	char kind[16], name[32], signature[64];

	if (!f)
		err(1, "%s", path);
	while (fscanf(f, "%15s %31s %63s", kind, name, signature) == 3)
		for (size_t i = 0; i < nprocesses; i++)
			if (!strcmp(processes[i].kind, kind) ||
			    (!strcmp(processes[i].kind, "again") && !strcmp(kind, "file")))
				strcpy(processes[i].signature, signature);
}

static bool is_victim(const struct process *p)
{
	return strcmp(p->kind, "clean");
}

/* ---- findings ---- */

static long long number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

/* The process a finding means, by pid and start time; NULL: none of the plan. */
static struct process *meant(const json_t *finding)
{
	struct process *p = find_pid(number(finding, "pid"));

	if (p && p->start == (unsigned long long)number(finding, "start_ns") / TICK_NS)
		return p;
	return NULL;
}

static bool names_signature(const json_t *finding, const struct process *p)
{
	return p->signature[0] && !strncmp(text(finding, "signature"), p->signature, strlen(p->signature));
}

static void match(const json_t *findings, struct tally *t)
{
	const json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		struct process *p = meant(finding);

		/* What memory itself tells of the plan's processes is no verdict on them. */
		if (!strcmp(text(finding, "found_by"), "memory") && p)
			continue;
		if (!p || (is_victim(p) && !names_signature(finding, p))) {
			t->strays++;
			printf("FAILED: unexpected: pid %lld, %s, %s, found by %s: %s\n",
			       number(finding, "pid"), text(finding, "comm"),
			       text(finding, "signature"), text(finding, "found_by"),
			       text(json_object_get(finding, "evidence"), "detail"));
		} else if (!p->finding || number(finding, "t_found_ns") < number(p->finding, "t_found_ns")) {
			p->finding = finding;
		}
	}
}

/* The one that killed it, or the first: a program that is another one by then is ordered anew. */
static const json_t *order_of(const json_t *finding)
{
	const json_t *orders = json_object_get(finding, "orders"), *order;
	size_t i;

	json_array_foreach(orders, i, order)
		if (!strcmp(text(order, "outcome"), "killed"))
			return order;
	return json_array_get(orders, 0);
}

static bool confirmed_killed(const struct process *p)
{
	return p->finding && !strcmp(text(order_of(p->finding), "outcome"), "killed") &&
	       p->counted && !p->alive;
}

static void count(struct tally *t)
{
	for (size_t i = 0; i < nprocesses; i++) {
		const struct process *p = &processes[i];

		if (!is_victim(p)) {
			t->clean++;
			if (!p->counted || !p->alive || p->finding) {
				t->touched++;
				printf("FAILED: clean pid %d (%s):%s%s%s %s\n", p->pid, p->name,
				       p->counted ? "" : " not in the guest's census",
				       p->alive ? "" : " not alive", p->finding ? " found:" : "",
				       text(p->finding, "signature"));
			}
			continue;
		}
		t->victims++;
		t->alive_victims += p->alive;
		t->killed += confirmed_killed(p);
		if (!p->finding)
			continue;
		t->found++;
		t->by_event += !strcmp(text(p->finding, "found_by"), "event");
		t->by_sweep += !strcmp(text(p->finding, "found_by"), "sweep");
		t->undeliverable += !strcmp(text(order_of(p->finding), "state"), "undeliverable");
	}
}

static const struct process *find_kind(const char *kind)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (!strcmp(processes[i].kind, kind))
			return &processes[i];
	return NULL;
}

/* By the agent's word and by the guest's own: the file is not there any more. */
static int count_quarantined(const json_t *items)
{
	const struct process *victim = find_kind("file");
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
		if (removed && victim->finding && !strcmp(text(item, "state"), "quarantined") &&
		    !strcmp(text(item, "path"), text(victim->finding, "path")))
			return 1;
	return 0;
}

/* For the process that came back, by the daemon's word; and the guest stands still. */
static int count_contained(const json_t *guests, const char *dir)
{
	const json_t *guest = json_array_get(guests, 0);
	const json_t *why = json_object_get(guest, "containment");
	const struct process *again = find_kind("again");

	contained_wall = number(why, "since_wall_ns");
	return json_is_true(json_object_get(guest, "contained")) && again->finding &&
	       number(why, "finding") == number(again->finding, "id") && stood_still(dir);
}

static void count_last_act(struct tally *t, const char *dir)
{
	json_t *guests = load_json(dir, "guests.json"), *items = load_json(dir, "quarantine.json");

	t->quarantined = count_quarantined(json_object_get(items, "items"));
	t->contained = count_contained(json_object_get(guests, "guests"), dir);
	json_decref(guests);
	json_decref(items);
}

/* How many of the guest's own list introspection lists too: pid, start, name. */
static int count_listed(const json_t *tasks)
{
	const json_t *task;
	int n = 0;
	size_t i;

	json_array_foreach(tasks, i, task) {
		struct process *p = find_pid(number(task, "pid"));

		if (!p || p->listed || p->start != (unsigned long long)number(task, "start_ns") / TICK_NS ||
		    strncmp(text(task, "comm"), p->name, 15))
			continue;
		p->listed = true;
		n++;
	}
	return n;
}

static void print_unlisted(void)
{
	for (size_t i = 0; i < nprocesses; i++)
		if (!processes[i].listed && processes[i].alive)
			printf("FAILED: introspection does not list pid %d (%s)\n", processes[i].pid,
			       processes[i].name);
}

/* Events the daemon got, of all guests, also of those that are gone. */
static long long events_delivered(const json_t *status)
{
	return number(json_object_get(status, "totals"), "delivered");
}

/* ---- printing ---- */

static double ms_after(const json_t *finding, long long time)
{
	return (time - number(finding, "t_seen_ns")) / 1e6;
}

static void print_step(const json_t *finding, const char *what, long long time)
{
	if (time)
		printf("  %s +%.0f", what, ms_after(finding, time));
	else
		printf("  %s -", what);
}

static long long last_result(const json_t *order)
{
	const json_t *results = json_object_get(order, "results");

	return number(json_array_get(results, json_array_size(results) - 1), "mono_ns");
}

/* "quarantined", by the agent's word, if an order for that was carried out. */
static long long quarantined_at(const json_t *finding)
{
	const json_t *order;
	size_t i;

	json_array_foreach(json_object_get(finding, "orders"), i, order)
		if (!strcmp(text(order, "verb"), "quarantine") && !strcmp(text(order, "state"), "done"))
			return last_result(order);
	return 0;
}

/* The finding's own clock is the other one. */
static long long contained_at(const json_t *finding)
{
	return contained_wall ? contained_wall - number(finding, "wall_ns") +
				number(finding, "mono_ns") : 0;
}

static void print_finding(const struct process *p)
{
	const json_t *f = p->finding, *order = order_of(f), *evidence = json_object_get(f, "evidence");
	bool killed = !strcmp(text(order, "outcome"), "killed");

	printf("%-9s pid %-5d %-15s guest %s, by %s\n", p->kind, p->pid, p->name,
	       text(f, "guest_name"), text(f, "found_by"));
	printf("          %s: %s\n", text(f, "object_kind"), text(f, "path"));
	printf("          %s at %s\n", text(f, "signature"), text(f, "gva"));
	printf("          evidence: %lld of %lld bytes resident, BLAKE2b %.16s...\n",
	       number(evidence, "resident"), number(evidence, "size"), text(f, "content_hash"));
	printf("          ms: seen 0");
	print_step(f, "found", number(f, "t_found_ns"));
	print_step(f, "decided", number(json_array_get(json_object_get(f, "decisions"), 0), "mono_ns"));
	print_step(f, "ordered", number(order, "mono_ns"));
	print_step(f, "dead", killed ? last_result(order) : 0);
	if (!killed)
		printf("  (order: %s %s)", text(order, "state"), text(order, "outcome"));
	if (quarantined_at(f))
		print_step(f, "quarantined", quarantined_at(f));
	if (!strcmp(p->kind, "again"))
		print_step(f, "contained", contained_at(f));
	printf("\n");
}

static void print_timeline(void)
{
	printf("\nTimeline (seen: the exit that showed the address space, or the sweep's start):\n");
	for (size_t i = 0; i < nprocesses; i++) {
		const struct process *p = &processes[i];

		if (is_victim(p) && p->finding)
			print_finding(p);
		else if (is_victim(p))
			printf("%-9s pid %-5d %-15s not found\n", p->kind, p->pid, p->name);
	}
}

static void print_last_line(const char *control, const struct tally *t)
{
	const char *head = "";
	char found[96] = "", killed[96] = "";

	if (!strcmp(control, "nosig"))
		head = "control nosig (empty database): ";
	if (!strcmp(control, "nobpf")) {
		head = "control nobpf (BPF not attached): ";
		snprintf(found, sizeof(found), " (by event %d, by sweep %d; %lld events arrived)",
			 t->by_event, t->by_sweep, t->delivered);
	}
	if (!strcmp(control, "noagent")) {
		head = "control noagent (no agent in the guest): ";
		snprintf(killed, sizeof(killed), " (orders undeliverable: %d)", t->undeliverable);
	}
	if (!strcmp(control, "restart"))
		head = "control restart (each role killed once): ";
	if (has_last_act)
		snprintf(killed, sizeof(killed), ", quarantined %d, contained %d",
			 t->quarantined, t->contained);
	printf("demo: %sfound %d of %d%s, killed %d of %d%s, clean processes touched %d of %d\n",
	       head, t->found, t->victims, found, t->killed, t->victims - has_last_act, killed,
	       t->touched, t->clean);
}

/* ---- judging ---- */

/* Says what is not as it has to be. */
static bool holds(bool condition, const char *what)
{
	if (!condition)
		printf("FAILED: %s\n", what);
	return condition;
}

static bool as_expected(const char *control, const struct tally *t)
{
	const bool nosig = !strcmp(control, "nosig"), nobpf = !strcmp(control, "nobpf");
	const bool noagent = !strcmp(control, "noagent");
	bool ok = holds(t->victims == 4 + has_last_act, "the plan's victims were started");

	ok &= holds(t->clean >= 30, "30 clean processes or more");
	ok &= holds(!t->touched, "no clean process is touched or found");
	ok &= holds(!t->strays, "no finding but of the plan's victims");
	ok &= holds(t->listed == t->clean + t->alive_victims, "introspection lists what lives");
	ok &= holds(t->found == (nosig ? 0 : t->victims), "every victim is found");
	ok &= holds(t->killed == (nosig || noagent ? 0 : 4), "the first four victims are killed");
	if (nosig || noagent)
		ok &= holds(t->alive_victims == 4, "the victims live on");
	if (nobpf)
		ok &= holds(t->by_sweep == 4 && !t->delivered, "found by sweeps alone");
	if (noagent)
		ok &= holds(t->undeliverable == 4, "each order is undeliverable");
	if (has_last_act) {
		ok &= holds(t->quarantined == 1, "the file is quarantined");
		ok &= holds(t->contained == 1, "the guest is contained for the one that came back");
		ok &= holds(t->delivered > 0, "events arrive");
	}
	return ok;
}

int main(int argc, char **argv)
{
	struct tally tally = { 0 };
	json_t *findings, *status, *tasks;
	bool ok;

	if (argc != 4)
		errx(2, "usage: report CONTROL VICTIMS DIR");
	has_last_act = !strcmp(argv[1], "none") || !strcmp(argv[1], "restart");
	read_truth(argv[3]);
	read_census(argv[3]);
	if (has_last_act)
		read_act(argv[3]);
	read_victims(argv[2]);
	findings = load_json(argv[3], "findings.json");
	status = load_json(argv[3], "status.json");
	/* After the last act the contained guest's own memory is the witness. */
	tasks = load_json(argv[3], has_last_act ? "ps-contained.json" : "ps.json");
	match(json_object_get(findings, "findings"), &tally);
	count(&tally);
	tally.delivered = events_delivered(status);
	tally.lag_us = number(json_object_get(status, "totals"), "mean_lag_us");
	tally.listed = count_listed(json_object_get(tasks, "tasks"));
	if (has_last_act)
		count_last_act(&tally, argv[3]);
	print_timeline();
	printf("\nfound by event %d, by sweep %d; %lld events delivered, %.1f ms after their exit on average\n",
	       tally.by_event, tally.by_sweep, tally.delivered, tally.lag_us / 1e3);
	printf("introspection lists %d of the %zu processes the guest started and still had\n",
	       tally.listed, nprocesses - tally.killed);
	print_unlisted();
	ok = as_expected(argv[1], &tally);
	print_last_line(argv[1], &tally);
	json_decref(findings);
	json_decref(status);
	json_decref(tasks);
	return !ok;
}

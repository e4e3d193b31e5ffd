// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inspect: a file of a guest's memory, on any machine, with no daemon.  What is
 * in it is an attacker's: a jailed program reads it, and answers as the daemon
 * would.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/inspector.h"
#include "cli/tasks.h"
#include "lib/messages.h"
#include "lib/util.h"

#define RANGES_TOLD 20

/* What was said behind FILE. */
struct words {
	char **word;			/* the first: what is asked for */
	int n;
	const char *kernels, *out, *inode;
	bool environment, exe, all;
};

/* ---- what is answered ---- */

static void print_file_and_kernel(const json_t *answer)
{
	const json_t *file = member(answer, "file");
	char time[32];

	printf("File          %s, %lld MiB of RAM, %lld vCPUs' registers\n", text_of(file, "format"),
	       (long long)number_of(file, "ram_bytes") >> 20, (long long)number_of(file, "vcpus"));
	printf("Found by      %s, in %s\n", !strcmp(text_of(file, "found_by"), "registers") ?
	       "a vCPU's registers" : "VMCOREINFO in its memory",
	       ms_text(time, number_of(member(answer, "kernel"), "discovery_us")));
	print_kernel_facts(answer);
}

static void print_tasks(const json_t *answer)
{
	static const struct column columns[] = {
		{ "PID", RIGHT }, { "PPID", RIGHT }, { "UID", RIGHT }, { "COMM", LEFT }, { "PROGRAM", CUT },
	};
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	autofree const json_t **tasks = tasks_by_pid(answer);

	for (size_t i = 0; tasks && tasks[i]; i++) {
		char pid[32], ppid[32], uid[32];

		table_row(t, (const char *const[]){
			  number_text(pid, number_of(tasks[i], "pid")),
			  number_text(ppid, number_of(tasks[i], "ppid")),
			  number_text(uid, number_of(tasks[i], "uid")), text_of(tasks[i], "comm"),
			  task_program(tasks[i]) });
	}
	table_end(t);
}

/* As /proc/kallsyms has them. */
static void print_symbols(const json_t *answer)
{
	const json_t *s;
	size_t i;

	json_array_foreach(member(answer, "symbols"), i, s)
		printf("%s %s %s\n", text_of(s, "address") + 2 * (text_of(s, "address")[0] == '0'),
		       text_of(s, "type"), text_of(s, "name"));
}

static void print_signs(const json_t *answer)
{
	const json_t *sign;
	size_t i;

	json_array_foreach(member(answer, "signs"), i, sign)
		printf("%s: %s\n", text_of(sign, "name"), text_of(sign, "detail"));
}

static void print_suspicious(const json_t *answer)
{
	print_signs(answer);
	printf("%zu found in %lld processes\n", json_array_size(member(answer, "signs")),
	       (long long)number_of(answer, "processes"));
}

static void print_check(const json_t *answer)
{
	const json_t *check;
	size_t i;

	json_array_foreach(member(answer, "checks"), i, check)
		printf("%-9s %s: %s\n", text_of(check, "check"), text_of(check, "status"),
		       text_of(check, "counts"));
	print_signs(answer);
}

/* The bytes themselves are on standard output. */
static void print_nothing(const json_t *answer)
{
}

static void print_file(const json_t *answer)
{
	const json_t *f = member(answer, "file");

	printf("%s%s: %lld of %lld bytes\n", text_of(f, "path"),
	       is_true(f, "deleted") ? " (deleted)" : "",
	       (long long)number_of(answer, "resident"), (long long)number_of(f, "size"));
}

/* The guest's own: what no clock shows in nanoseconds is none. */
static void mtime_text(char out[32], json_int_t seconds)
{
	if (seconds < 0 || seconds > INT64_MAX / 1000000000)
		strcpy(out, "?");
	else
		time_text(out, seconds * 1000000000);
}

static void print_files(const json_t *answer)
{
	static const struct column columns[] = {
		{ "FS", LEFT }, { "DEV:INODE", LEFT }, { "SIZE", RIGHT }, { "PAGES", RIGHT },
		{ "MODE", RIGHT }, { "UID", RIGHT }, { "MODIFIED", LEFT }, { "PATH", CUT },
	};
	struct table *t = table_new(columns, ARRAY_SIZE(columns));
	const json_t *f;
	size_t i;

	json_array_foreach(member(answer, "files"), i, f) {
		char place[64], size[32], pages[32], mode[32], uid[32], time[32], path[4096];

		snprintf(place, sizeof(place), "%.20s:%lld", text_of(f, "dev"),
			 (long long)number_of(f, "inode"));
		snprintf(mode, sizeof(mode), "%04llo", (long long)number_of(f, "mode"));
		snprintf(path, sizeof(path), "%.4000s%s", text_of(f, "path"),
			 is_true(f, "deleted") ? " (deleted)" : "");
		mtime_text(time, number_of(f, "mtime_sec"));
		table_row(t, (const char *const[]){
			  text_of(f, "fs"), place, number_text(size, number_of(f, "size")),
			  number_text(pages, number_of(f, "pages")), mode,
			  number_text(uid, number_of(f, "uid")), time, path });
	}
	table_end(t);
}

/* ---- how it ends ---- */

/* At most RANGES_TOLD: --json has all. */
static void tell_missing(const json_t *answer)
{
	const json_t *missing = member(answer, "missing"), *m;
	const uint64_t base = strtoull(text_of(answer, "address"), NULL, 0);
	size_t i;

	json_array_foreach(missing, i, m) {
		const uint64_t from = base + number_of(m, "offset"), to = from + number_of(m, "length");

		if (i == RANGES_TOLD) {
			fprintf(stderr, "wardenctl: and %zu more: --json tells them\n",
				json_array_size(missing) - i);
			break;
		}
		fprintf(stderr, "wardenctl: missing: 0x%" PRIx64 "-0x%" PRIx64 ": %s\n", from, to,
			text_of(m, "why"));
	}
}

static int tell_incomplete(const struct cli *cli, const json_t *answer)
{
	if (is_true(answer, "complete"))
		return EXIT_YES;
	fprintf(stderr, "wardenctl: not complete: %s\n", text_of(answer, "why"));
	if (!cli->json)
		tell_missing(answer);
	return EXIT_UNDECIDED;
}

static int ask(struct cli *cli, const struct question *q, void (*print)(const json_t *answer))
{
	int code;
	json_t *answer = ask_inspector(cli, q, &code);

	if (!answer)
		return code;
	code = tell_incomplete(cli, answer);
	if (json_array_size(member(answer, "signs")))
		code = EXIT_NO;
	show(cli, answer, print);
	return code;
}

/* What is there already stays: nobody's file is overwritten by a guest's bytes. */
static int ask_into(struct cli *cli, struct question *q, const char *path,
		    void (*print)(const json_t *answer))
{
	autofd int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char message[512];
	int code;

	if (out < 0) {
		snprintf(message, sizeof(message), "%s: %s", path, strerror(errno));
		return tell_error(cli, EXIT_NO, "bad_file", message, errno == EEXIST ?
				  "--out makes a new file: name another, or remove that one" : "");
	}
	q->out = out;
	code = ask(cli, q, print);
	/* Nothing of it counts. */
	if (code != EXIT_YES && code != EXIT_UNDECIDED)
		unlink(path);
	return code;
}

/* ---- what is asked ---- */

static int ask_for(struct cli *cli, const char *file, const struct words *w, const char *of,
		   const char *more, void (*print)(const json_t *answer))
{
	const struct question q = { file, { w->word[0], of, more }, -1 };

	return ask(cli, &q, print);
}

static int inspect_kernel(struct cli *cli, const char *file, const struct words *w)
{
	return ask_for(cli, file, w, NULL, NULL, print_file_and_kernel);
}

static int inspect_symbols(struct cli *cli, const char *file, const struct words *w)
{
	return ask_for(cli, file, w, NULL, NULL, print_symbols);
}

static int inspect_ps(struct cli *cli, const char *file, const struct words *w)
{
	return ask_for(cli, file, w, NULL, NULL, print_tasks);
}

static bool is_pid(const char *text)
{
	uint64_t pid;

	return parse_u64(text, UINT32_MAX, &pid);
}

static int no_pid(struct cli *cli)
{
	return tell_usage(cli, "PID is a number of wardenctl inspect FILE ps");
}

static int inspect_maps(struct cli *cli, const char *file, const struct words *w)
{
	return is_pid(w->word[1]) ? ask_for(cli, file, w, w->word[1], NULL, print_maps) : no_pid(cli);
}

static int inspect_process(struct cli *cli, const char *file, const struct words *w)
{
	return is_pid(w->word[1]) ? ask_for(cli, file, w, w->word[1], w->environment ? "env" : NULL,
					    print_facts) : no_pid(cli);
}

static int inspect_suspicious(struct cli *cli, const char *file, const struct words *w)
{
	const char *pid = w->n > 1 ? w->word[1] : NULL;

	return !pid || is_pid(pid) ? ask_for(cli, file, w, pid, NULL, print_suspicious) : no_pid(cli);
}

static int inspect_check(struct cli *cli, const char *file, const struct words *w)
{
	if (w->kernels && access(w->kernels, R_OK))
		return tell_error(cli, EXIT_NO, "bad_file", strerror(errno), "--kernel-file is a package's"
				  " vmlinuz, or a folder of them");
	return ask_for(cli, file, w, w->kernels, NULL, print_check);
}

/* Decimal, or 0x and hexadecimal as maps tells it; out: decimal. */
static bool take_number(const char *text, char out[32], uint64_t *ret_number)
{
	char *end;

	if (strncmp(text, "0x", 2)) {
		if (!parse_u64(text, UINT64_MAX, ret_number))
			return false;
	} else {
		errno = 0;
		*ret_number = strtoull(text, &end, 16);
		if (errno || *end || !text[2] || strchr("-+ ", text[2]))
			return false;
	}
	snprintf(out, 32, "%" PRIu64, *ret_number);
	return true;
}

static int inspect_read(struct cli *cli, const char *file, const struct words *w)
{
	const char *pid = strcmp(w->word[1], "kernel") ? w->word[1] : "0";
	char address[32], length[32];
	uint64_t va, n;
	struct question q = { file, { "read", pid, address, length }, STDOUT_FILENO };

	if (!is_pid(pid))
		return tell_usage(cli, "whose memory: a PID of wardenctl inspect FILE ps, or kernel");
	if (!take_number(w->word[2], address, &va) || !take_number(w->word[3], length, &n) || !n ||
	    n > CONTENT_READ_MAX || va + n - 1 < va)
		return tell_usage(cli, "ADDRESS and LENGTH are numbers, decimal or with 0x; LENGTH is from 1"
				  " to 64 MiB");
	if (w->out)
		return ask_into(cli, &q, w->out, print_nothing);
	if (cli->json || isatty(STDOUT_FILENO))
		return tell_usage(cli, "the bytes are for --out, or for a pipe: not among JSON, nor for a"
				  " terminal");
	return ask(cli, &q, print_nothing);
}

static int inspect_files(struct cli *cli, const char *file, const struct words *w)
{
	return ask_for(cli, file, w, w->all ? "all" : NULL, NULL, print_files);
}

/* DEV:INODE as maps and files tell them, "08:01:42"; dev as the kernel counts it. */
static bool take_inode(const char *text, char dev[32], char ino[32])
{
	unsigned major, minor;
	uint64_t n;
	int at = 0;

	if (!text || sscanf(text, "%3x:%5x:%n", &major, &minor, &at) != 2 || !at ||
	    !parse_u64(text + at, UINT64_MAX, &n))
		return false;
	snprintf(dev, 32, "%" PRIu64, (uint64_t)major << 20 | minor);
	snprintf(ino, 32, "%" PRIu64, n);
	return true;
}

/* PID PATH | PID --exe | PATH | --inode DEV:INODE */
static bool which_file(const struct words *w, struct question *q, char dev[32], char ino[32])
{
	const char *first = w->n > 1 ? w->word[1] : NULL;

	if (w->inode && !w->exe && w->n == 1 && take_inode(w->inode, dev, ino))
		memcpy(q->words, (const char *[]){ "file", "inode", dev, ino }, sizeof(q->words));
	else if (!w->inode && !w->exe && w->n == 2 && first[0] == '/')
		memcpy(q->words, (const char *[]){ "file", "at", first, NULL }, sizeof(q->words));
	else if (!w->inode && w->n == (w->exe ? 2 : 3) && is_pid(first))
		memcpy(q->words, (const char *[]){ "file", w->exe ? "exe" : "path", first,
		       w->exe ? NULL : w->word[2] }, sizeof(q->words));
	else
		return false;
	return true;
}

static int inspect_file(struct cli *cli, const char *file, const struct words *w)
{
	struct question q = { .file = file, .out = -1 };
	char dev[32], ino[32];

	if (!which_file(w, &q, dev, ino))
		return tell_usage(cli, "which file: PID and its PATH, PID and --exe, PATH as files tells it, or"
				  " --inode DEV:INODE");
	return w->out ? ask_into(cli, &q, w->out, print_file) :
			tell_usage(cli, "file takes --out: where it is rebuilt");
}

enum { KERNELS = 1, OUT = 2, ENV = 4, EXE = 8, ALL = 16, INODE = 32 };

static const struct {
	const char *name;
	int min, max;			/* words, with the name */
	int (*run)(struct cli *cli, const char *file, const struct words *w);
	unsigned options;
} subjects[] = {
	{ "kernel", 1, 1, inspect_kernel, 0 },
	{ "symbols", 1, 1, inspect_symbols, 0 },
	{ "ps", 1, 1, inspect_ps, 0 },
	{ "maps", 2, 2, inspect_maps, 0 },
	{ "process", 2, 2, inspect_process, ENV },
	{ "suspicious", 1, 2, inspect_suspicious, 0 },
	{ "check", 1, 1, inspect_check, KERNELS },
	{ "read", 4, 4, inspect_read, OUT },
	{ "files", 1, 1, inspect_files, ALL },
	{ "file", 1, 3, inspect_file, OUT | EXE | INODE },
};

static int run(struct cli *cli, const char *file, const struct words *w)
{
	const unsigned options = (w->kernels ? KERNELS : 0) | (w->out ? OUT : 0) |
				 (w->environment ? ENV : 0) | (w->exe ? EXE : 0) |
				 (w->all ? ALL : 0) | (w->inode ? INODE : 0);

	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
		if (strcmp(subjects[i].name, w->word[0]))
			continue;
		if (options & ~subjects[i].options)
			return tell_usage(cli, "what is asked takes no such option");
		if (w->n < subjects[i].min || w->n > subjects[i].max)
			return tell_usage(cli, w->n < subjects[i].min ? "something is missing" :
					  "that is too much");
		return subjects[i].run(cli, file, w);
	}
	return tell_usage(cli, "what is asked is kernel (unless said), symbols, ps, maps, process, suspicious,"
			  " check, read, files or file: see wardenctl(1)");
}

int verb_inspect(struct cli *cli, int argc, char **argv)
{
	char *kernel[] = { "kernel" };
	struct words w = { .word = kernel, .n = 1 };
	const struct arg args[] = {
		{ "--kernel-file", .text = &w.kernels }, { "--out", .text = &w.out },
		{ "--env", .flag = &w.environment }, { "--exe", .flag = &w.exe },
		{ "--all", .flag = &w.all }, { "--inode", .text = &w.inode },
	};
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 5);

	if (n < 0)
		return EXIT_USAGE;
	if (n > 1) {
		w.word = argv + 1;
		w.n = n - 1;
	}
	return run(cli, argv[0], &w);
}

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

#include "cli/contents.h"
#include "cli/inspector.h"
#include "cli/tasks.h"
#include "lib/util.h"

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

/* ---- how it ends ---- */

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

struct into {
	struct question *q;
	void (*print)(const json_t *answer);
};

static int fill(struct cli *cli, int out, void *ctx)
{
	struct into *into = ctx;

	into->q->out = out;
	return ask(cli, into->q, into->print);
}

static int ask_into(struct cli *cli, struct question *q, const char *path,
		    void (*print)(const json_t *answer))
{
	return into_new_file(cli, path, fill, &(struct into){ q, print });
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

static int inspect_read(struct cli *cli, const char *file, const struct words *w)
{
	struct range_words r;
	const char *wrong = take_range(w->word + 1, &r);
	struct question q = { file, { "read", r.pid, r.address, r.length }, STDOUT_FILENO };

	if (wrong)
		return tell_usage(cli, wrong);
	if (w->out)
		return ask_into(cli, &q, w->out, print_nothing);
	if (cli->json || isatty(STDOUT_FILENO))
		return tell_usage(cli, NO_PLACE);
	return ask(cli, &q, print_nothing);
}

static int inspect_files(struct cli *cli, const char *file, const struct words *w)
{
	return ask_for(cli, file, w, w->all ? "all" : NULL, NULL, print_files);
}

/* As the program's words. */
static void ask_file(struct question *q, const struct file_words *f)
{
	memcpy(q->words, f->dev[0] ? (const char *[]){ "file", "inode", f->dev, f->ino } :
	       !f->pid ? (const char *[]){ "file", "at", f->path, NULL } :
	       (const char *[]){ "file", f->path ? "path" : "exe", f->pid, f->path }, sizeof(q->words));
}

static int inspect_file(struct cli *cli, const char *file, const struct words *w)
{
	struct question q = { .file = file, .out = -1 };
	struct file_words f;

	if (!take_file(w->word + 1, w->n - 1, w->exe, w->inode, &f))
		return tell_usage(cli, WHICH_FILE);
	ask_file(&q, &f);
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

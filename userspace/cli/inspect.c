// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inspect: a file of a guest's memory, on any machine, with no daemon.  What is
 * in it is an attacker's: a jailed program reads it, and answers as the daemon
 * would.
 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/tasks.h"
#include "lib/util.h"

#define FILE_FD 3
#define PROGRAM "warden-inspect"

/* ---- the program ---- */

/* Beside this program: libexec/kvm-warden where installed, libexec where built. */
static void find_program(char path[PATH_MAX])
{
	static const char *const folders[] = { "libexec/kvm-warden", "libexec" };
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? strrchr(self, '/') : NULL;

	for (size_t i = 0; slash && i < ARRAY_SIZE(folders); i++) {
		*slash = '\0';
		if (snprintf(path, PATH_MAX, "%s/../%s/" PROGRAM, self, folders[i]) < PATH_MAX &&
		    !access(path, X_OK))
			return;
	}
	snprintf(path, PATH_MAX, "/usr/libexec/kvm-warden/" PROGRAM);
}

static void become_program(int file, int out, const char *what, const char *of)
{
	char path[PATH_MAX];

	find_program(path);
	/* dup2 to itself would leave it close-on-exec. */
	if (dup2(out, STDOUT_FILENO) < 0 ||
	    (file == FILE_FD ? fcntl(file, F_SETFD, 0) : dup2(file, FILE_FD)) < 0)
		_exit(127);
	execl(path, PROGRAM, what, of, NULL);
	fprintf(stderr, "wardenctl: %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* Its answer, or NULL; *ret_status: as waitpid tells it. */
static json_t *run_program(int file, const char *what, const char *of, int *ret_status)
{
	autofile FILE *in = NULL;
	int ends[2];
	json_t *answer;
	pid_t child;

	*ret_status = -1;
	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	child = fork();
	if (child == 0)
		become_program(file, ends[1], what, of);
	close(ends[1]);
	in = fdopen(ends[0], "r");
	answer = in && child > 0 ? json_loadf(in, 0, NULL) : NULL;
	while (child > 0 && waitpid(child, ret_status, 0) < 0 && errno == EINTR)
		;
	return answer;
}

/* ---- what it answers ---- */

static void print_kernel(const json_t *answer)
{
	static const struct column columns[] = {
		{ "MODULE", LEFT }, { "BASE", LEFT }, { "SIZE", RIGHT }, { "STATE", LEFT },
	};
	const json_t *k = member(answer, "kernel"), *file = member(answer, "file"), *m;
	struct table *t;
	char time[32];
	size_t i;

	printf("File          %s, %lld MiB of RAM, %lld vCPUs' registers\n", text_of(file, "format"),
	       (long long)number_of(file, "ram_bytes") >> 20, (long long)number_of(file, "vcpus"));
	printf("Kernel        %s\n", text_of(k, "release"));
	printf("Banner        %s\n", text_of(k, "banner"));
	printf("BUILD-ID      %s\n", text_of(k, "build_id")[0] ? text_of(k, "build_id") : "unknown");
	printf("Booted        %s", number_of(k, "boot_ns") ?
	       time_text(time, number_of(k, "boot_ns")) : "unknown");
	printf(number_of(k, "uptime_ns") ? ", up %lld s\n" : "\n",
	       (long long)number_of(k, "uptime_ns") / 1000000000);
	printf("Command line  %s\n", text_of(k, "command_line"));
	printf("Text          at %s, %lld symbols\n", text_of(k, "text_base"),
	       (long long)number_of(k, "symbols"));
	printf("Paging        %lld levels, KPTI %s\n", (long long)number_of(k, "paging_levels"),
	       json_is_null(member(k, "kpti")) ? "unknown" : is_true(k, "kpti") ? "on" : "off");
	printf("Found by      %s, in %s\n\n", !strcmp(text_of(file, "found_by"), "registers") ?
	       "a vCPU's registers" : "VMCOREINFO in its memory",
	       ms_text(time, number_of(k, "discovery_us")));
	t = table_new(columns, ARRAY_SIZE(columns));
	json_array_foreach(member(answer, "modules"), i, m) {
		char size[32];

		table_row(t, (const char *const[]){ text_of(m, "name"), text_of(m, "base"),
			  number_text(size, number_of(m, "size")), text_of(m, "state") });
	}
	table_end(t);
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

static void print_check(const json_t *answer)
{
	const json_t *sign;
	size_t i;

	printf("Kernel  %s: %s\n", text_of(answer, "status"), text_of(answer, "counts"));
	json_array_foreach(member(answer, "signs"), i, sign)
		printf("%s: %s\n", text_of(sign, "name"), text_of(sign, "detail"));
}

/* An error that the program tells, or its end without an answer. */
static int tell_failure(struct cli *cli, const char *path, const json_t *answer, int status)
{
	const json_t *error = member(answer, "error");
	char message[512];

	if (error) {
		snprintf(message, sizeof(message), "%s: %s", path, text_of(error, "message"));
		return tell_error(cli, EXIT_NO, text_of(error, "code"), message,
				  text_of(error, "what_to_do"));
	}
	if (status >= 0 && WIFSIGNALED(status))
		snprintf(message, sizeof(message), "%s: " PROGRAM " was ended by signal %d while it read it",
			 path, WTERMSIG(status));
	else
		snprintf(message, sizeof(message), "%s: " PROGRAM " gave no answer", path);
	return tell_error(cli, EXIT_DAEMON, "no_answer", message,
			  "is it installed, of wardenctl's own version? Else the file may be made to break "
			  "it: it is jailed, and nothing else was touched; please report it");
}

static int tell_incomplete(const json_t *answer)
{
	if (is_true(answer, "complete"))
		return EXIT_YES;
	fprintf(stderr, "wardenctl: not complete: %s\n", text_of(answer, "why"));
	return EXIT_UNDECIDED;
}

/* of: a process, or where kernels' files are. */
static int look_into(struct cli *cli, const char *path, const char *what, const char *of,
		     void (*print)(const json_t *answer))
{
	autofd int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char message[512];
	json_t *answer;
	int status, code;

	if (file < 0) {
		snprintf(message, sizeof(message), "%s: %s", path, strerror(errno));
		return tell_error(cli, EXIT_NO, "bad_file", message, errno == EACCES ?
				  "only who may read the file may look into it" : "");
	}
	answer = make_printable(run_program(file, what, of, &status));
	if (!answer || member(answer, "error") || status) {
		code = tell_failure(cli, path, answer, status);
		json_decref(answer);
		return code;
	}
	code = tell_incomplete(answer);
	if (json_array_size(member(answer, "signs")))
		code = EXIT_NO;
	show(cli, answer, print);
	return code;
}

int verb_inspect(struct cli *cli, int argc, char **argv)
{
	const char *what, *kernels = NULL;
	const struct arg args[] = { { "--kernel-file", .text = &kernels } };
	uint64_t pid;
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 3);

	if (n < 0)
		return EXIT_USAGE;
	what = n > 1 ? argv[1] : "kernel";
	if (!strcmp(what, "check") != !!kernels)
		return tell_usage(cli, "check takes --kernel-file, and nothing else does");
	if (kernels && access(kernels, R_OK))
		return tell_error(cli, EXIT_NO, "bad_file", strerror(errno), "--kernel-file is a package's"
				  " vmlinuz, or a folder of them");
	if (kernels && n < 3)
		return look_into(cli, argv[0], what, kernels, print_check);
	if (!strcmp(what, "kernel") && n < 3)
		return look_into(cli, argv[0], what, NULL, print_kernel);
	if (!strcmp(what, "symbols") && n < 3)
		return look_into(cli, argv[0], what, NULL, print_symbols);
	if (!strcmp(what, "ps") && n < 3)
		return look_into(cli, argv[0], what, NULL, print_tasks);
	if (strcmp(what, "maps") || n < 3 || !parse_u64(argv[2], UINT32_MAX, &pid))
		return tell_usage(cli, "what is asked is kernel (unless said), symbols, ps, check, or maps and a PID");
	return look_into(cli, argv[0], what, argv[2], print_maps);
}

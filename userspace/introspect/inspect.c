// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-inspect: looks into a file of a guest's memory, for wardenctl, which
 * gives it the file on descriptor 3 and reads JSON from its standard output; what is
 * asked for as bytes goes to descriptor 4.
 * It is jailed before it reads a byte; kernels' files are open by then.
 */
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "introspect/answers.h"
#include "introspect/inspect.h"
#include "introspect/jail.h"
#include "introspect/kernelfiles.h"
#include "lib/inspecting.h"
#include "lib/log.h"
#include "lib/util.h"


static const struct question {
	const char *what;
	int min, max;			/* words behind it */
	bool writes;
	json_t *(*answer)(struct inspection *i, char *const *args);
} questions[] = {
	{ "kernel", 0, 0, false, answer_kernel },
	{ "symbols", 0, 0, false, answer_symbols },
	{ "ps", 0, 0, false, answer_tasks },
	{ "maps", 1, 1, false, answer_maps },		/* PID */
	{ "process", 1, 2, false, answer_process },	/* PID [env] */
	{ "suspicious", 0, 1, false, answer_suspicious },	/* [PID] */
	{ "check", 0, 1, false, answer_check },		/* [KERNELS], opened here */
	{ "read", 3, 3, true, answer_read },		/* PID ADDRESS LENGTH */
	{ "files", 0, 1, false, answer_files },		/* [all] */
	{ "file", 2, 3, true, answer_file },		/* see there */
};

uint64_t number_arg(const char *text)
{
	uint64_t n;

	if (!parse_u64(text, UINT64_MAX, &n))
		fatal("%s: not a number", text);
	return n;
}

static const struct question *find(int argc, char **argv)
{
	for (size_t q = 0; argc > 1 && q < ARRAY_SIZE(questions); q++)
		if (!strcmp(argv[1], questions[q].what) && argc - 2 >= questions[q].min &&
		    argc - 2 <= questions[q].max)
			return &questions[q];
	fatal("that is no question; started by wardenctl alone");
}

static void open_kernels(struct kernel_files *kernels, const char *path)
{
	int r = kernel_files_open(kernels, path);

	if (r)
		fatal("%s: %s", path, strerror(-r));
}

static json_t *look_into(const struct question *q, char *const *args, const struct kernel_files *kernels)
{
	static struct inspection i;
	char why[WHY_SIZE] = "";
	json_t *json;
	int r = inspection_open(&i, INSPECT_FILE_FD, why);

	if (r == -ENOENT)
		return error_json("no_kernel", why, "only Linux guests of 64-bit x86 with BTF and kallsyms "
				  "are understood: see docs/limits.md");
	if (r)
		return error_json("bad_file", why[0] ? why : strerror(-r), "");
	i.in.kernel_files = kernels;
	json = q->answer(&i, args);
	inspection_close(&i);
	return json;
}

int main(int argc, char **argv)
{
	static struct kernel_files kernels;
	const struct question *q;
	json_t *json;

	log_open("warden-inspect", false);
	q = find(argc, argv);
	if (q->answer == answer_check && argc > 2)
		open_kernels(&kernels, argv[2]);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	json_object_seed(0);	/* it opens /dev/urandom */
	signal(SIGPIPE, SIG_IGN);	/* who reads the bytes may have had enough: that is told */
	if (jail_inspect(q->writes))
		fatal("no sandbox, no service");
	json = look_into(q, argv + 2, &kernels);
	if (!json || json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) || fflush(stdout))
		fatal("the answer could not be told");
	json_decref(json);
	return 0;
}

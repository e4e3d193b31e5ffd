// SPDX-License-Identifier: GPL-2.0-or-later
/* files, file, read: of a guest that runs, what inspect answers of a file of its memory. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/contents.h"
#include "lib/util.h"

static int end(struct cli *cli, json_t *answer, void (*print)(const json_t *answer))
{
	const int code = tell_incomplete(cli, answer);

	show(cli, answer, print);
	return code;
}

int verb_files(struct cli *cli, int argc, char **argv)
{
	bool all = false;
	const struct arg args[] = { { "--all", .flag = &all } };
	json_t *answer;
	int code;

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 1) < 0)
		return EXIT_USAGE;
	answer = api_get(cli, &code, all ? "/v1/guests/*/files?all=1" : "/v1/guests/*/files", argv[0]);
	return answer ? end(cli, answer, print_files) : code;
}

/* ---- bytes ---- */

struct content {
	const char *guest;
	const struct file_words *file;
	const struct range_words *range;	/* instead */
};

static json_t *get_file(struct cli *cli, int out, int *ret_code, const char *guest, const struct file_words *f)
{
	uint64_t dev;
	char inode[64];

	if (f->dev[0]) {
		parse_u64(f->dev, UINT64_MAX, &dev);
		snprintf(inode, sizeof(inode), "%02x:%02x:%s", (unsigned)(dev >> 20),
			 (unsigned)(dev & 0xfffff), f->ino);
		return api_content(cli, out, ret_code, "/v1/guests/*/file?inode=*", guest, inode);
	}
	if (!f->pid)
		return api_content(cli, out, ret_code, "/v1/guests/*/file?path=*", guest, f->path);
	if (!f->path)
		return api_content(cli, out, ret_code, "/v1/guests/*/file?pid=*", guest, f->pid);
	return api_content(cli, out, ret_code, "/v1/guests/*/file?pid=*&path=*", guest, f->pid, f->path);
}

static int fill(struct cli *cli, int out, void *ctx)
{
	const struct content *c = ctx;
	json_t *answer;
	int code;

	if (c->file)
		answer = get_file(cli, out, &code, c->guest, c->file);
	else
		answer = api_content(cli, out, &code, "/v1/guests/*/memory?pid=*&address=*&length=*", c->guest,
				     c->range->pid, c->range->address, c->range->length);
	return answer ? end(cli, answer, c->file ? print_file : print_nothing) : code;
}

int verb_file(struct cli *cli, int argc, char **argv)
{
	const char *out = NULL, *inode = NULL;
	bool exe = false;
	const struct arg args[] = {
		{ "--out", .text = &out }, { "--inode", .text = &inode }, { "--exe", .flag = &exe },
	};
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 1, 3);
	struct file_words f;

	if (n < 0)
		return EXIT_USAGE;
	if (!take_file(argv + 1, n - 1, exe, inode, &f))
		return tell_usage(cli, WHICH_FILE);
	return out ? into_new_file(cli, out, fill, &(struct content){ argv[0], &f, NULL }) :
		     tell_usage(cli, "file takes --out: where it is rebuilt");
}

int verb_read(struct cli *cli, int argc, char **argv)
{
	const char *out = NULL, *wrong;
	const struct arg args[] = { { "--out", .text = &out } };
	struct range_words r;
	struct content c = { .range = &r };

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 4, 4) < 0)
		return EXIT_USAGE;
	wrong = take_range(argv + 1, &r);
	if (wrong)
		return tell_usage(cli, wrong);
	c.guest = argv[0];
	if (out)
		return into_new_file(cli, out, fill, &c);
	if (cli->json || isatty(STDOUT_FILENO))
		return tell_usage(cli, NO_PLACE);
	return fill(cli, STDOUT_FILENO, &c);
}

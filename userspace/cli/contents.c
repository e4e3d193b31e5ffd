// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/contents.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/messages.h"
#include "lib/util.h"

#define RANGES_TOLD 20

/* ---- what was said ---- */

bool is_pid(const char *text)
{
	uint64_t pid;

	return parse_u64(text, UINT32_MAX, &pid);
}

bool take_file(char *const *words, int n, bool exe, const char *inode, struct file_words *ret)
{
	uint64_t dev, ino;

	*ret = (struct file_words){ 0 };
	if (inode && !exe && !n && parse_inode(inode, &dev, &ino)) {
		snprintf(ret->dev, sizeof(ret->dev), "%" PRIu64, dev);
		snprintf(ret->ino, sizeof(ret->ino), "%" PRIu64, ino);
		return true;
	}
	if (inode)
		return false;
	if (!exe && n == 1 && words[0][0] == '/') {
		ret->path = words[0];
		return true;
	}
	if (n != (exe ? 1 : 2) || !is_pid(words[0]))
		return false;
	ret->pid = words[0];
	ret->path = exe ? NULL : words[1];
	return true;
}

const char *take_range(char *const *words, struct range_words *ret)
{
	uint64_t va, n;

	ret->pid = strcmp(words[0], "kernel") ? words[0] : "0";
	if (!is_pid(ret->pid))
		return "whose memory: a PID that ps lists, or kernel";
	if (!parse_number(words[1], &va) || !parse_number(words[2], &n) || !n || n > CONTENT_READ_MAX ||
	    va + n - 1 < va)
		return "ADDRESS and LENGTH are numbers, decimal or with 0x; LENGTH is from 1 to 64 MiB";
	snprintf(ret->address, sizeof(ret->address), "%" PRIu64, va);
	snprintf(ret->length, sizeof(ret->length), "%" PRIu64, n);
	return NULL;
}

/* ---- where to ---- */

int into_new_file(struct cli *cli, const char *path, int (*fill)(struct cli *cli, int out, void *ctx),
		  void *ctx)
{
	autofd int out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char message[512];
	int code;

	if (out < 0) {
		snprintf(message, sizeof(message), "%s: %s", path, strerror(errno));
		return tell_error(cli, EXIT_NO, "bad_file", message, errno == EEXIST ?
				  "--out makes a new file: name another, or remove that one" : "");
	}
	code = fill(cli, out, ctx);
	/* Nothing of it counts. */
	if (code != EXIT_YES && code != EXIT_UNDECIDED)
		unlink(path);
	return code;
}

/* ---- what is answered ---- */

/* The bytes themselves are on standard output. */
void print_nothing(const json_t *answer)
{
}

void print_file(const json_t *answer)
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

void print_files(const json_t *answer)
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

int tell_incomplete(const struct cli *cli, const json_t *answer)
{
	if (is_true(answer, "complete"))
		return EXIT_YES;
	fprintf(stderr, "wardenctl: not complete: %s\n", text_of(answer, "why"));
	if (!cli->json)
		tell_missing(answer);
	return EXIT_UNDECIDED;
}

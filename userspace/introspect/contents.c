// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/answers.h"
#include "introspect/check.h"
#include "introspect/extract.h"
#include "introspect/find.h"
#include "introspect/inodes.h"
#include "introspect/ownfiles.h"
#include "lib/inspecting.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define HUGETLBFS_MAGIC 0x958458f6u
#define MAX_ROWS 131072u

typedef json_int_t I;

static void add_missing(void *ctx, uint64_t offset, uint64_t length, const char *why)
{
	add_row(ctx, json_pack("{s:I,s:I,s:s}", "offset", (I)offset, "length", (I)length,
			      "why", why));
}

/* Adds to an answer, which is then whole, what was written and what is missing. */
static json_t *with_extract(json_t *answer, const struct extract *x, json_t *missing, int r)
{
	const char *why = r == -EPROTO ? "its pages do not hold together" :
			  r == -ETIME ? "time was up" :
			  r ? "the memory could not be read further" :
			  x->absent ? "not all of it was there" : "";
	char message[128];

	if (x->unwritable) {
		snprintf(message, sizeof(message), "the output could not be written: %s", strerror(-r));
		json_decref(missing);
		json_decref(answer);
		return error_json("bad_file", message, "is there room where it goes to?");
	}
	json_object_set_new(answer, "resident", json_integer(x->resident));
	json_object_set_new(answer, "missing", missing);
	json_object_set_new(answer, "complete", json_boolean(!why[0]));
	json_object_set_new(answer, "why", json_string(why));
	return answer;
}

static json_t *not_found(int r, uint32_t pid)
{
	const struct m_done none = { .status = DONE_NOT_FOUND };
	char message[WHY_SIZE];
	json_t *error = NULL;

	if (r == -ENOENT) {
		no_process(&none, NULL, &error);
		return error;
	}
	snprintf(message, sizeof(message), "process %u was not found, but not all were looked at: %s", pid,
		 find_problem(r));
	return error_json("not_found", message, "wardenctl inspect FILE ps tells what can be read");
}

/* ---- memory ---- */

/* Pid 0: the kernel's own. */
static json_t *find_space(struct inspection *i, uint32_t pid, struct address_space *ret_as)
{
	struct task t;
	int r;

	*ret_as = i->in.kernel.as;
	if (!pid)
		return NULL;
	r = find_process(&i->in, pid, 0, &t);
	if (r)
		return not_found(r, pid);
	if (!t.mm)
		return error_json("not_found", "that process has no memory of its own",
				  "it is the kernel's own thread, or ends: kernel instead of a PID reads "
				  "the kernel's");
	*ret_as = task_space(&i->in.kernel, &t);
	return NULL;
}

json_t *answer_read(struct inspection *i, char *const *args)
{
	const uint64_t pid = number_arg(args[0]), va = number_arg(args[1]), length = number_arg(args[2]);
	json_t *missing, *error;
	struct extract x = { .fd = INSPECT_OUT_FD, .missing = add_missing };
	struct address_space as;
	int r;

	if (pid > UINT32_MAX || !length || length > INSPECT_READ_MAX || va + length - 1 < va)
		return error_json("usage", "that is no range of at most 64 MiB", "");
	memory_set_budget(i->in.mem, LOOK_BUDGET_MS);
	error = find_space(i, pid, &as);
	if (error)
		return error;
	x.ctx = missing = json_array();
	r = extract_memory(&as, va, length, &x);
	return with_extract(json_pack("{s:I,s:o,s:I}", "pid", (I)pid, "address", hex_json(va),
				      "length", (I)length), &x, missing, r);
}

/* ---- files: those of a process, and those at rest ---- */

static json_t *dev_json(uint64_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%02x:%02x", (unsigned)(dev >> 20), (unsigned)(dev & 0xfffff));
	return json_string(text);
}

struct wanted {
	uint64_t mapping, magic, dev, ino, size, mtime_sec;
	bool deleted;
	char path[GUEST_PATH_SIZE];
};

static json_t *extract(struct inspection *i, const struct wanted *f)
{
	json_t *missing;
	struct extract x = { .fd = INSPECT_OUT_FD, .missing = add_missing };
	int r;

	/* Its page cache counts in huge pages, on some kernels. */
	if (f->magic == HUGETLBFS_MAGIC)
		return error_json("not_found", "files of hugetlbfs are not rebuilt",
				  "read takes the memory of a process that maps it");
	x.ctx = missing = json_array();
	r = extract_file(&i->in, f->mapping, f->size, &x);
	return with_extract(json_pack("{s:{s:o,s:o,s:I,s:I,s:I,s:b}}", "file",
				      "path", escaped_json(f->path), "dev", dev_json(f->dev),
				      "inode", (I)f->ino, "size", (I)f->size,
				      "mtime_sec", (I)f->mtime_sec, "deleted", (int)f->deleted),
			    &x, missing, r);
}

static json_t *file_of_process(struct inspection *i, uint32_t pid, const char *path)
{
	static struct guest_file f;
	static struct wanted wanted;
	struct task t;
	int r = find_process(&i->in, pid, 0, &t);

	if (r)
		return not_found(r, pid);
	r = process_file(&i->in.kernel, &t, path, &f);
	if (r == -ENOENT)
		return error_json("not_found", path ?
				  "that process runs, maps and holds open no file of that path" :
				  "that process has no program: it is the kernel's own thread, or ends",
				  "wardenctl inspect FILE process PID and maps PID tell its files");
	if (r)
		return error_json("not_found", "that file was not found, but not all of the process's could"
				  " be read",
				  "wardenctl inspect FILE process PID tells what can be read");
	wanted = (struct wanted){ f.mapping, f.magic, f.dev, f.ino, f.size, f.mtime_sec,
				  f.deleted || f.memfd, "" };
	memcpy(wanted.path, f.path, sizeof(wanted.path));
	return extract(i, &wanted);
}

/* ---- at rest ---- */

struct search {
	const char *path;		/* NULL: by dev and ino */
	uint64_t dev, ino;
	uint32_t found;
	struct wanted file;
};

static int on_candidate(void *ctx, const struct guest_inode *n)
{
	struct search *s = ctx;

	if (s->path ? !path_is(n->path, n->deleted, s->path) : n->dev != s->dev || n->ino != s->ino)
		return 0;
	/* Of deleted files and one that has their name now, that one is meant; of two nobody knows. */
	if (s->found && n->deleted && !s->file.deleted)
		return 0;
	s->found = s->found && n->deleted == s->file.deleted ? s->found + 1 : 1;
	s->file = (struct wanted){ n->mapping, n->magic, n->dev, n->ino, n->size, n->mtime_sec,
				   n->deleted, "" };
	memcpy(s->file.path, n->path, sizeof(s->file.path));
	return 0;
}

/* "" if all that the kernel has was told. */
static void why_not_all(int r, const struct inodes_walked *w, bool cut, char why[WHY_SIZE])
{
	why[0] = '\0';
	if (r)
		snprintf(why, WHY_SIZE, "the list of file systems: %s", check_problem(r));
	else if (w->torn || w->unread || w->cut || cut)
		snprintf(why, WHY_SIZE, "%u file systems' lists of files do not hold together, %u files"
			 " could not be read%s", w->torn, w->unread,
			 w->cut || cut ? "; more files than the limit" : "");
}

/* Another may have that name, where it could not be read. */
static json_t *with_doubt(json_t *answer, const char *why)
{
	char text[2 * WHY_SIZE];

	if (!why[0] || json_object_get(answer, "error"))
		return answer;
	snprintf(text, sizeof(text), "it may not be the one that is meant: %s", why);
	json_object_set_new(answer, "complete", json_false());
	json_object_set_new(answer, "why", json_string(text));
	return answer;
}

static json_t *file_at_rest(struct inspection *i, struct search *s)
{
	struct inodes_walked walked;
	char why[WHY_SIZE], message[2 * WHY_SIZE];
	int r = inodes_walk(&i->in.kernel, true, on_candidate, s, &walked);

	why_not_all(r, &walked, false, why);
	if (s->found == 1)
		return with_doubt(extract(i, &s->file), why);
	if (s->found)
		return error_json("ambiguous", s->path ? "several file systems have a file of that path" :
				  "several files have that number there", s->path ?
				  "wardenctl inspect FILE files tells DEV:INODE of each, for --inode" :
				  "wardenctl inspect FILE files tells their paths: name one by that");
	snprintf(message, sizeof(message), "the kernel has no such file in memory%s%s",
		 why[0] ? ", as far as could be read: " : "", why);
	return error_json("not_found", message, "wardenctl inspect FILE files --all lists those that it has");
}

/* exe PID | path PID PATH | at PATH | inode DEV INODE */
json_t *answer_file(struct inspection *i, char *const *args)
{
	static struct search s;

	memory_set_budget(i->in.mem, SWEEP_BUDGET_MS);
	if (!strcmp(args[0], "exe") || !strcmp(args[0], "path"))
		return file_of_process(i, number_arg(args[1]), args[2]);
	if (!strcmp(args[0], "at")) {
		s.path = args[1];
	} else {
		s.dev = number_arg(args[1]);
		s.ino = number_arg(args[2]);
	}
	return file_at_rest(i, &s);
}

struct rows {
	json_t *array;
	bool cut;
};

static int add_inode(void *ctx, const struct guest_inode *n)
{
	struct rows *rows = ctx;

	rows->cut = json_array_size(rows->array) == MAX_ROWS;
	if (rows->cut)
		return 1;
	add_row(rows->array, json_pack("{s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:b}",
			      "fs", escaped_json(n->fs), "id", escaped_json(n->id), "dev", dev_json(n->dev),
			      "path", escaped_json(n->path), "inode", (I)n->ino, "size", (I)n->size,
			      "pages", (I)n->nrpages, "mtime_sec", (I)n->mtime_sec, "uid", (I)n->uid,
			      "mode", (I)(n->mode & 07777), "deleted", (int)n->deleted));
	return 0;
}

json_t *answer_files(struct inspection *i, char *const *args)
{
	struct rows rows = { json_array(), false };
	struct inodes_walked walked;
	char why[WHY_SIZE];
	int r;

	memory_set_budget(i->in.mem, SWEEP_BUDGET_MS);
	r = inodes_walk(&i->in.kernel, args[0], add_inode, &rows, &walked);
	why_not_all(rows.cut ? 0 : r, &walked, rows.cut, why);
	return json_pack("{s:I,s:I,s:o,s:b,s:s}", "file_systems", (I)walked.super_blocks,
			 "inodes", (I)walked.inodes, "files", rows.array, "complete", !why[0], "why", why);
}

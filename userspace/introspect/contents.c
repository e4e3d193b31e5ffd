// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/answers.h"
#include "introspect/extract.h"
#include "introspect/find.h"
#include "introspect/ownfiles.h"
#include "lib/util.h"

#define HUGETLBFS_MAGIC 0x958458f6u

typedef json_int_t I;

static void add_missing(void *ctx, uint64_t offset, uint64_t length, const char *why)
{
	json_array_append_new(ctx, json_pack("{s:I,s:I,s:s}", "offset", (I)offset, "length", (I)length,
			      "why", why));
}

/* Adds to an answer, which is then whole, what was written and what is missing. */
static json_t *with_extract(json_t *answer, const struct extract *x, json_t *missing, int r)
{
	const char *why = r == -EPROTO ? "its pages do not hold together" : r == -ETIME ? "time was up" :
			  r ? "the memory could not be read further" : x->absent ? "not all of it was there" : "";
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
				  "it is the kernel's own thread, or ends: kernel instead of a PID reads the kernel's");
	*ret_as = task_space(&i->in.kernel, &t);
	return NULL;
}

json_t *answer_read(struct inspection *i, char *const *args)
{
	const uint64_t pid = number_arg(args[0]), va = number_arg(args[1]), length = number_arg(args[2]);
	json_t *missing, *error;
	struct extract x = { .fd = OUT_FD, .missing = add_missing };
	struct address_space as;
	int r;

	if (pid > UINT32_MAX || !length || length > EXTRACT_MAX || va + length - 1 < va)
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

/* ---- files ---- */

static json_t *file_of_json(const struct guest_file *f)
{
	char dev[24];

	snprintf(dev, sizeof(dev), "%02x:%02x", (unsigned)(f->dev >> 20), (unsigned)(f->dev & 0xfffff));
	return json_pack("{s:o,s:s,s:I,s:I,s:I,s:b}", "path", escaped_json(f->path), "dev", dev,
			 "inode", (I)f->ino, "size", (I)f->size, "mtime_sec", (I)f->mtime_sec,
			 "deleted", f->deleted || f->memfd);
}

static json_t *extract(struct inspection *i, const struct guest_file *f)
{
	json_t *missing = json_array();
	struct extract x = { .fd = OUT_FD, .missing = add_missing, .ctx = missing };
	int r;

	/* Its page cache counts in huge pages, on some kernels. */
	if (f->magic == HUGETLBFS_MAGIC) {
		json_decref(missing);
		return error_json("not_found", "files of hugetlbfs are not rebuilt",
				  "read takes the memory of a process that maps it");
	}
	r = extract_file(&i->in, f->mapping, f->size, &x);
	return with_extract(json_pack("{s:o}", "file", file_of_json(f)), &x, missing, r);
}

/* exe PID | path PID PATH */
json_t *answer_file(struct inspection *i, char *const *args)
{
	const uint32_t pid = number_arg(args[1]);
	struct guest_file f;
	struct task t;
	int r;

	memory_set_budget(i->in.mem, LOOK_BUDGET_MS);
	r = find_process(&i->in, pid, 0, &t);
	if (r)
		return not_found(r, pid);
	r = process_file(&i->in.kernel, &t, args[2], &f);
	if (r == -ENOENT)
		return error_json("not_found", args[2] ? "that process runs, maps and holds open no file of that path" :
				  "that process has no program: it is the kernel's own thread, or ends",
				  "wardenctl inspect FILE process PID and maps PID tell its files");
	if (r)
		return error_json("not_found", "that file was not found, but not all of the process's could be read",
				  "wardenctl inspect FILE process PID tells what can be read");
	return extract(i, &f);
}

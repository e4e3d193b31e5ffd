// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/contents.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/extract.h"
#include "introspect/find.h"
#include "introspect/inodes.h"
#include "introspect/ownfiles.h"
#include "lib/util.h"

#define HUGETLBFS_MAGIC 0x958458f6u

_Static_assert(4 * (FS_NAME_SIZE + 1) < TEXT_FS, "m_inode has room for a file system's name");
_Static_assert(sizeof(struct m_inode) + 3 * sizeof(uint32_t) <= MSG_MAX_PAYLOAD, "and a message for it");

struct telling {
	struct introspector *in;
	const struct m_extract *ask;
	const struct content_sink *sink;
	struct m_content *content;
	struct m_done *done;
};

static int found_none(struct telling *t, const char *why)
{
	t->done->status = DONE_NOT_FOUND;
	snprintf(t->done->why, sizeof(t->done->why), "%s", why);
	return 0;
}

static int no_process(struct telling *t, int r)
{
	if (r == -ENOENT)
		return found_none(t, "no process of this guest has that PID");
	t->in->gone = t->in->gone || r == -ENODEV;
	t->done->status = DONE_NOT_FOUND;
	snprintf(t->done->why, sizeof(t->done->why), "process %u was not found, but not all were looked"
		 " at: %s", t->ask->pid, find_problem(r));
	return 0;
}

static void tell_missing(void *ctx, uint64_t offset, uint64_t length, const char *why)
{
	const struct telling *t = ctx;
	struct m_missing m = { .offset = offset, .length = length };

	snprintf(m.why, sizeof(m.why), "%s", why);
	t->sink->missing(t->sink->ctx, &m);
}

/* Of an extraction that ended with r: 0, unless fd is to blame. */
static int conclude(struct telling *t, const struct extract *x, int r)
{
	const char *why = r == -EPROTO ? "its pages do not hold together" :
			  r == -ETIME ? "time was up" : r == -ENODEV ? "the guest is gone" :
			  r ? "the memory could not be read further" :
			  x->absent ? "not all of it was there" : "";

	if (x->unwritable)
		return r;
	t->in->gone = t->in->gone || r == -ENODEV;
	t->content->resident = x->resident;
	t->done->status = why[0] ? DONE_INCOMPLETE : DONE_COMPLETE;
	snprintf(t->done->why, sizeof(t->done->why), "%s", why);
	return 0;
}

/* ---- memory ---- */

/* A guest that runs: what its tables and pages became once it had ended is not it. */
static bool still_runs(struct telling *t, const struct task *was)
{
	struct task now;

	if (t->in->mem->still)
		return true;
	memory_refresh(t->in->mem);
	return !task_read(&t->in->kernel, was->va, &now) && task_is_same(&now, was);
}

static int tell_memory(struct telling *t)
{
	struct extract x = { .fd = t->sink->fd, .missing = tell_missing, .ctx = t };
	struct address_space as = t->in->kernel.as;
	struct task task;
	int r = t->ask->pid ? find_process(t->in, t->ask->pid, 0, &task) : 0;

	if (r)
		return no_process(t, r);
	if (t->ask->pid && !task.mm)
		return found_none(t, "that process has no memory of its own");
	if (t->ask->pid)
		as = task_space(&t->in->kernel, &task);
	t->content->size = t->ask->length;
	r = extract_memory(&as, t->ask->address, t->ask->length, &x);
	if (!x.unwritable && t->ask->pid && !t->in->mem->expired && !still_runs(t, &task))
		return found_none(t, "that process ended while it was read");
	return conclude(t, &x, r);
}

/* ---- files: those of a process, and those at rest ---- */

struct wanted {
	uint64_t mapping, magic;
	struct m_content m;
};

/* Which inode has those pages: the kernel's own word, to be asked again. */
struct holder {
	uint64_t inode, ino;
};

static struct holder holder_of(const struct kernel *k, uint64_t mapping)
{
	struct holder h = { 0 };

	if (kernel_member(k, mapping, k->at.address_space_host, &h.inode) ||
	    kernel_member(k, h.inode, k->at.inode_i_ino, &h.ino))
		return (struct holder){ 0 };
	return h;
}

static int extract(struct telling *t, const struct wanted *f)
{
	struct extract x = { .fd = t->sink->fd, .missing = tell_missing, .ctx = t };
	const struct holder was = holder_of(&t->in->kernel, f->mapping);
	struct holder now = was;
	int r;

	/* Its page cache counts in huge pages, on some kernels. */
	if (f->magic == HUGETLBFS_MAGIC)
		return found_none(t, "files of hugetlbfs are not rebuilt");
	if (f->m.size >> 63)
		return found_none(t, "that file is of no size: its inode does not hold together");
	*t->content = f->m;
	r = extract_file(t->in, f->mapping, f->m.size, &x);
	if (!t->in->mem->still && !x.unwritable && !t->in->mem->expired && r != -ENODEV) {
		memory_refresh(t->in->mem);
		now = holder_of(&t->in->kernel, f->mapping);
	}
	if (now.inode != was.inode || now.ino != was.ino)
		return found_none(t, "the kernel dropped that file while it was read");
	return conclude(t, &x, r);
}

static void set_path(struct m_content *m, const char *path)
{
	text_escape(m->path, sizeof(m->path), path, strlen(path));
}

static int file_of_process(struct telling *t, const char *path)
{
	static struct guest_file f;
	static struct wanted wanted;
	struct task task;
	int r = find_process(t->in, t->ask->pid, 0, &task);

	if (r)
		return no_process(t, r);
	r = process_file(&t->in->kernel, &task, path, &f);
	if (r == -ENOENT)
		return found_none(t, path ? "that process runs, maps and holds open no file of that path" :
				  "that process has no program: it is the kernel's own thread, or ends");
	if (r)
		return found_none(t, "that file was not found, but not all of the process's could be read");
	wanted = (struct wanted){ f.mapping, f.magic, { .size = f.size, .dev = f.dev, .ino = f.ino,
				  .mtime_sec = f.mtime_sec, .deleted = f.deleted || f.memfd } };
	set_path(&wanted.m, f.path);
	return extract(t, &wanted);
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
	if (s->found && n->deleted && !s->file.m.deleted)
		return 0;
	s->found = s->found && n->deleted == s->file.m.deleted ? s->found + 1 : 1;
	s->file = (struct wanted){ n->mapping, n->magic, { .size = n->size, .dev = n->dev, .ino = n->ino,
				   .mtime_sec = n->mtime_sec, .deleted = n->deleted } };
	set_path(&s->file.m, n->path);
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
static void doubt(struct telling *t, const char *why)
{
	if (!why[0] || t->done->status == DONE_NOT_FOUND)
		return;
	t->done->status = DONE_INCOMPLETE;
	snprintf(t->done->why, sizeof(t->done->why), "it may not be the one that is meant: %.200s",
		 why);
}

static int file_at_rest(struct telling *t, const char *path)
{
	static struct search s;
	struct inodes_walked walked;
	char why[WHY_SIZE];
	int r;

	s = (struct search){ .path = path, .dev = t->ask->dev, .ino = t->ask->ino };
	r = inodes_walk(&t->in->kernel, true, on_candidate, &s, &walked);
	t->in->gone = t->in->gone || r == -ENODEV;
	why_not_all(r, &walked, false, why);
	if (s.found == 1) {
		r = extract(t, &s.file);
		doubt(t, why);
		return r;
	}
	if (s.found) {
		t->done->status = DONE_AMBIGUOUS;
		snprintf(t->done->why, sizeof(t->done->why), "%s", path ?
			 "several file systems have a file of that path" :
			 "several files have that number there");
		return 0;
	}
	t->done->status = DONE_NOT_FOUND;
	snprintf(t->done->why, sizeof(t->done->why), "the kernel has no such file in memory%s%.150s",
		 why[0] ? ", as far as could be read: " : "", why);
	return 0;
}

int content_tell(struct introspector *in, const struct m_extract *ask, const struct content_sink *sink,
		 struct m_content *ret_content, struct m_done *ret_done)
{
	struct telling t = { in, ask, sink, ret_content, ret_done };

	*ret_done = (struct m_done){ 0 };
	memset(ret_content, 0, sizeof(*ret_content));
	memory_set_budget(in->mem, ask->what == EXTRACT_MEMORY ? LOOK_BUDGET_MS : SWEEP_BUDGET_MS);
	switch (ask->what) {
	case EXTRACT_MEMORY:
		return tell_memory(&t);
	case EXTRACT_EXE:
		return file_of_process(&t, NULL);
	case EXTRACT_OF_PROCESS:
		return file_of_process(&t, ask->path);
	case EXTRACT_AT:
		return file_at_rest(&t, ask->path);
	default:
		return file_at_rest(&t, NULL);
	}
}

struct listing {
	int (*fn)(void *ctx, const struct m_inode *inode);
	void *ctx;
	bool cut;
};

static int on_file(void *ctx, const struct guest_inode *n)
{
	static struct m_inode m;
	struct listing *l = ctx;

	m = (struct m_inode){ .dev = n->dev, .ino = n->ino, .size = n->size, .pages = n->nrpages,
			      .mtime_sec = n->mtime_sec, .uid = n->uid, .mode = n->mode & 07777,
			      .deleted = n->deleted };
	text_escape(m.fs, sizeof(m.fs), n->fs, strlen(n->fs));
	text_escape(m.id, sizeof(m.id), n->id, strlen(n->id));
	text_escape(m.path, sizeof(m.path), n->path, strlen(n->path));
	l->cut = l->fn(l->ctx, &m);
	return l->cut;
}

void files_tell(struct introspector *in, bool all, int (*fn)(void *ctx, const struct m_inode *inode),
		void *ctx, struct m_done *ret_done)
{
	struct listing l = { fn, ctx, false };
	struct inodes_walked walked;
	int r;

	memory_set_budget(in->mem, SWEEP_BUDGET_MS);
	r = inodes_walk(&in->kernel, all, on_file, &l, &walked);
	in->gone = in->gone || (r == -ENODEV && !l.cut);
	*ret_done = (struct m_done){ .tasks = walked.super_blocks, .objects = walked.inodes };
	why_not_all(l.cut ? 0 : r, &walked, l.cut, ret_done->why);
	ret_done->status = ret_done->why[0] ? DONE_INCOMPLETE : DONE_COMPLETE;
}

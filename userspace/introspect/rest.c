// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/pagecache.h"
#include "lib/util.h"

#define HUGETLBFS_MAGIC 0x958458f6u	/* its page cache counts in huge pages, on some kernels */
#define FILE_MS 2000u			/* for one file's content, whatever is left of the budget */
#define STEPS_UNASKED 256u		/* inodes between two questions whether somebody waits */
#define NS_PER_MS 1000000ull

struct look {
	struct introspector *in;
	struct rest *rest;
	const struct m_rest *ask;
	const struct rest_sink *sink;
	struct m_rested *told;
	uint64_t until;
	uint32_t steps;
	bool awaited;
	struct guest_inode file;	/* that the walk stopped behind, to be sent */
	bool found;
	uint64_t length;		/* of its copy */
	int sink_error;
};

/* ---- which files ---- */

/* Asked now and then: each part gets on, however often it is called away. */
static bool is_awaited(struct look *l)
{
	l->awaited = l->awaited || l->sink->is_awaited(l->sink->ctx);
	return l->awaited;
}

static int step(void *ctx)
{
	struct look *l = ctx;

	return l->in->mem->expired || clock_now_ns() >= l->until ||
	       (++l->steps % STEPS_UNASKED == 0 && is_awaited(l));
}

static struct object_signs signs_of(const struct guest_inode *n)
{
	return (struct object_signs){
		.size = n->size, .mtime_sec = n->mtime_sec, .mtime_nsec = n->mtime_nsec,
		.nrpages = n->nrpages, .ctime_sec = n->ctime_sec, .ctime_nsec = n->ctime_nsec,
	};
}

/* One removed and put back often has its inode's number, and its very address, again. */
static uint64_t place_of(const struct guest_inode *n)
{
	return n->ino ^ n->generation << 32;
}

/* What a process executes was sent with a look or a sweep, unless nothing of it was there. */
static bool is_mapped(const struct look *l, const struct guest_inode *n)
{
	const struct object_signs signs = {
		.size = n->size, .mtime_sec = n->mtime_sec, .mtime_nsec = n->mtime_nsec,
		.nrpages = n->nrpages,
	};
	const struct object *o = object_known(&l->in->objects, n->mapping, n->ino, &signs);

	return o && o->id;
}

static bool want(void *ctx, const struct guest_inode *n)
{
	struct look *l = ctx;
	const struct object_signs signs = signs_of(n);
	struct object *o;

	if (n->magic == HUGETLBFS_MAGIC)
		return false;
	l->told->files++;
	o = object_known(&l->rest->objects, n->mapping, place_of(n), &signs);
	if (o)
		o->used = l->rest->objects.sweep;
	if (is_mapped(l, n))
		l->told->mapped++;
	else if (o)
		l->told->unchanged++;
	else
		return true;
	return false;
}

/* Copying takes long, and a list does not stand still meanwhile: the walk ends here. */
static int on_file(void *ctx, const struct guest_inode *n)
{
	struct look *l = ctx;

	l->file = *n;
	l->found = true;
	return 1;
}

/* ---- one file ---- */

static int fill(const struct kernel *k, const void *ctx, struct page_map *map)
{
	const struct guest_inode *n = ctx;

	return pagecache_read(k, n->mapping, map);
}

/* Behind the last page that is there nothing is copied or scanned.  0: none is. */
static int resident_size(const struct look *l, uint64_t *ret_size)
{
	const uint64_t size = MIN(l->file.size, MAX_FILE_BYTES);
	struct page_map map = { 0 };
	uint32_t n;
	int r = page_map_init(&map, (size + FRAME_SIZE - 1) / FRAME_SIZE);

	if (!r)
		r = pagecache_read(&l->in->kernel, l->file.mapping, &map);
	for (n = map.pages; !r && n && map.frame[n - 1] == NO_FRAME; n--)
		;
	*ret_size = MIN((uint64_t)n * FRAME_SIZE, size);
	page_map_free(&map);
	return r;
}

static uint32_t kind_of(const struct guest_inode *n)
{
	if (!n->deleted)
		return OBJECT_FILE;
	return n->magic == TMPFS_MAGIC && !strncmp(n->path, "/memfd:", 7) ? OBJECT_MEMFD :
									    OBJECT_DELETED;
}

static int send_file(void *ctx, const struct m_object *o, int fd)
{
	struct look *l = ctx;
	const struct guest_inode *n = &l->file;
	struct m_rest_file m = {
		.kind = o->kind, .uid = n->uid, .mode = n->mode, .inode = n->ino,
		.generation = n->generation, .dev = n->dev, .mtime_sec = n->mtime_sec,
		.size = o->size, .resident = o->resident,
	};

	text_escape(m.fs, sizeof(m.fs), n->fs, strlen(n->fs));
	memcpy(m.path, o->path, sizeof(m.path));
	memcpy(m.file_hash, o->file_hash, sizeof(m.file_hash));
	m.file_ranges.len = o->file_ranges.len;
	memcpy(m.file_ranges.range, o->file_ranges.range, o->file_ranges.len);
	l->sink_error = l->sink->file(l->sink->ctx, &m, fd);
	l->told->sent++;
	l->told->bytes += l->length;
	return l->sink_error ? -EPIPE : 0;
}

static int take_file(struct look *l)
{
	const struct object_sink sink = { send_file, l };
	const struct guest_inode *n = &l->file;
	const char *name = n->path + (kind_of(n) == OBJECT_MEMFD);
	char path[TEXT_PATH];
	struct object_source s = {
		.owner = n->mapping, .place = place_of(n), .signs = signs_of(n), .kind = kind_of(n),
		.path = path, .full_size = n->size, .fill = fill, .ctx = n,
	};
	struct object *o;
	int r = resident_size(l, &l->length);

	if (r)
		return r;
	s.content_size = l->length;
	text_escape(path, sizeof(path), name, strlen(name));
	r = object_get(&l->rest->objects, &l->in->kernel, &s, &sink, &o);
	if (!r && !o->id)
		l->told->unchanged++;
	return r;
}

/* ---- a part of a round ---- */

static int prepare(struct introspector *in, struct rest *r, const struct m_rest *ask)
{
	int error = 0;

	if (!r->objects.slots)
		error = objects_init_slots(&r->objects, in->mem, REST_SLOTS);
	if (error)
		return error;
	if (ask->anew || r->boot != in->kernel.found_ns) {
		objects_forget(&r->objects);
		memset(&r->place, 0, sizeof(r->place));
		r->boot = in->kernel.found_ns;
	}
	if (!r->place.super_block) {
		objects_pass_begin(&r->objects);
		r->inodes = 0;
		r->whole = true;
	}
	return 0;
}

static bool is_spent(struct look *l)
{
	return l->sink_error || l->in->gone || is_awaited(l) || clock_now_ns() >= l->until ||
	       l->told->sent >= l->ask->files || l->told->bytes >= l->ask->bytes;
}

/* Until a file is to be sent, time is up, or there are no more. */
static int walk(struct look *l, struct inodes_walked *walked)
{
	const struct inodes_sink sink = { step, want, on_file, l };
	const uint64_t now = clock_now_ns();
	int r;

	l->found = false;
	if (now >= l->until)
		return 1;
	memory_set_budget(l->in->mem, (l->until - now) / NS_PER_MS + 1);
	memory_refresh(l->in->mem);
	r = inodes_walk_on(&l->in->kernel, &sink, &l->rest->place, walked);
	l->in->gone = l->in->gone || r == -ENODEV;
	if (!l->found)
		return r;
	memory_set_budget(l->in->mem, FILE_MS);
	r = take_file(l);
	l->in->gone = l->in->gone || r == -ENODEV;
	if (r && !l->sink_error) {
		l->told->unread++;
		l->rest->whole = false;
	}
	return 1;
}

static void end(struct look *l, int error, const struct inodes_walked *w)
{
	struct m_rested *t = l->told;
	struct rest *r = l->rest;

	t->inodes = w->inodes - r->inodes;
	t->unread += w->unread;
	t->torn = w->torn;
	t->cut = w->cut;
	r->inodes = w->inodes;
	r->whole = r->whole && !w->unread && !w->torn && !w->cut && (error >= 0 || error == -ETIME);
	/* A positive one, or -ETIME: it stopped and knows where. */
	t->status = error > 0 || error == -ETIME ? REST_MORE :
		    error == -ENOENT ? REST_UNAVAILABLE : REST_END;
	if (error == -ENOENT)
		snprintf(t->why, sizeof(t->why), "this kernel's list of file systems is not known");
	else if (error == -ESTALE)
		snprintf(t->why, sizeof(t->why), "the file system that was gone through is no more");
	else if (error < 0 && error != -ETIME)
		snprintf(t->why, sizeof(t->why), "the list of file systems: %s", check_problem(error));
	if (t->status == REST_END)
		objects_sweep_end(&r->objects, r->whole);
}

int rest_look(struct introspector *in, struct rest *r, const struct m_rest *ask,
	      const struct rest_sink *sink, struct m_rested *ret)
{
	const uint64_t started = clock_now_ns();
	static struct look l;
	struct inodes_walked walked = { 0 };
	int error = prepare(in, r, ask);

	*ret = (struct m_rested){ .status = REST_UNAVAILABLE };
	if (error) {
		snprintf(ret->why, sizeof(ret->why), "no memory");
		return 0;
	}
	l = (struct look){ .in = in, .rest = r, .ask = ask, .sink = sink, .told = ret,
			   .until = started + ask->milliseconds * NS_PER_MS };
	walked.inodes = r->inodes;
	do {
		error = walk(&l, &walked);
	} while (error == 1 && !is_spent(&l));
	end(&l, error, &walked);
	ret->elapsed_us = (clock_now_ns() - started) / 1000;
	return l.sink_error;
}

void rest_free(struct rest *r)
{
	if (r->objects.slots)
		objects_free(&r->objects);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/look.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/find.h"
#include "introspect/suspicious.h"
#include "introspect/usage.h"
#include "introspect/vmas.h"
#include "lib/util.h"

#define MAPS_ATTEMPTS 3
#define REGION_DENSE_PAGES 4096u	/* larger regions are sent without their holes */
#define REGION_MAX_TABLES 8192u

struct look {
	struct introspector *in;
	const struct kernel *k;
	const struct look_sink *sink;	/* NULL: suspicious code alone is told, by on_sign */
	struct m_done done;
	uint64_t started;
	int sink_error;			/* the engine is gone: stop */
	int list_error;
	uint32_t torn_tasks, torn_maps, torn_objects;
	/* the task under way */
	struct task task;
	uint64_t last_use;
	uint64_t exe;			/* object its executable is, or 0 */
	bool exe_used;
	struct code_signs signs;
	struct preload_roots asked;
};

static bool must_stop(const struct look *l)
{
	return l->sink_error || l->in->mem->expired || l->in->gone;
}

/* A member that this kernel does not have reads as 0. */
static bool reads_now(const struct look *l, uint64_t task, struct field f, uint64_t *ret_value)
{
	uint64_t pa, missing = 0;

	*ret_value = 0;
	if (!f.size)
		return true;
	return f.size <= sizeof(*ret_value) && !virt_to_phys(&l->k->as, task + f.at, &pa) &&
	       !memory_read_stretch(l->in->mem, pa, (uint8_t *)ret_value, f.size, &missing) && !missing;
}

/*
 * Is what was read through the task's mm still the task's?  One that ends, or executes
 * something else, gives its mm back, and the next program may be given the same, with
 * all in it.  Past the cache, which is as old as the look.
 */
static bool has_its_mm(const struct look *l)
{
	const struct task *t = &l->task;
	const struct layout *at = &l->k->at;
	uint64_t mm, pid, exec_id;

	return reads_now(l, t->thread, at->task_struct_mm, &mm) && mm == t->mm &&
	       reads_now(l, t->thread, at->task_struct_self_exec_id, &exec_id) &&
	       exec_id == t->exec_id && reads_now(l, t->va, at->task_struct_pid, &pid) && pid == t->pid;
}

/* ---- sources of objects ---- */

struct file_source {
	uint64_t mapping;
};

static int fill_from_cache(const struct kernel *k, const void *ctx, struct page_map *map)
{
	const struct file_source *f = ctx;

	return pagecache_read(k, f->mapping, map);
}

struct region_source {
	const struct kernel *k;
	struct address_space as;
	uint64_t start, end;
	bool *cut;			/* set if there is more than could be taken */
};

struct region_walk {
	const struct region_source *region;
	struct page_map *map;
	uint32_t next;			/* without holes: the next free page */
	bool dense;
};

/* The vDSO is the kernel's own code, as long as it is the kernel's own frame. */
static bool is_vdso(const struct kernel *k, uint64_t frame)
{
	for (int i = 0; i < MAX_VDSO; i++)
		if (frame >= k->vdso[i].gpa && frame - k->vdso[i].gpa < k->vdso[i].size)
			return true;
	return false;
}

static int add_leaf(void *ctx, const struct mapping *leaf)
{
	struct region_walk *w = ctx;
	const struct region_source *r = w->region;
	uint64_t va = MAX(leaf->va, r->start), end = MIN(leaf->va + leaf->size, r->end);

	for (; va < end; va += FRAME_SIZE) {
		uint64_t frame = leaf->pa + (va - leaf->va);

		if (is_vdso(r->k, frame))
			continue;
		if (w->dense && w->next == w->map->pages)
			return -E2BIG;
		page_map_set(w->map, w->dense ? w->next++ : (va - r->start) / FRAME_SIZE, frame);
	}
	return 0;
}

static int fill_from_tables(const struct kernel *k, const void *ctx, struct page_map *map)
{
	const struct region_source *r = ctx;
	struct region_walk w = {
		.region = r, .map = map,
		.dense = (r->end - r->start) / FRAME_SIZE > REGION_DENSE_PAGES,
	};
	int error = page_leaves(&r->as, r->start, r->end, REGION_MAX_TABLES, add_leaf, &w);

	*r->cut = *r->cut || error == -E2BIG;
	return error == -E2BIG ? 0 : error;
}

/* ---- uses ---- */

static int forward_object(void *ctx, const struct m_object *object, int fd)
{
	struct look *l = ctx;

	l->sink_error = l->sink->object(l->sink->ctx, object, fd);
	l->done.objects++;
	return l->sink_error ? -EPIPE : 0;
}

static void send_use(struct look *l, uint64_t object, uint64_t gva)
{
	const struct m_uses uses = {
		.pid = l->task.pid, .start_ns = l->task.start_ns, .object = object, .gva = gva,
	};

	/* The text of a library often lies in two mappings side by side. */
	if (!object || object == l->last_use || l->sink_error)
		return;
	l->last_use = object;
	l->exe_used = l->exe_used || object == l->exe;
	l->sink_error = l->sink->uses(l->sink->ctx, &uses);
}

static struct object *get_object(struct look *l, const struct object_source *s)
{
	const struct object_sink sink = { forward_object, l };
	struct object *o = NULL;
	int r = object_get(&l->in->objects, l->k, s, &sink, &o);

	if (r == -ENODEV)
		l->in->gone = true;
	else if ((r || o->torn) && !must_stop(l))
		l->torn_objects++;
	return r ? NULL : o;
}

static struct object *get_file(struct look *l, const struct guest_file *f, bool want_identity)
{
	char path[TEXT_PATH];
	const struct file_source source = { f->mapping };
	const struct object_source s = {
		.owner = f->mapping,
		.place = f->ino,
		.signs = { f->size, f->mtime_sec, f->mtime_nsec, f->nrpages },
		.kind = f->memfd ? OBJECT_MEMFD : f->deleted ? OBJECT_DELETED : OBJECT_FILE,
		.path = path,
		.content_size = MIN(f->size, MAX_FILE_BYTES),
		.full_size = f->size,
		.fill = fill_from_cache,
		.ctx = &source,
		.want_identity = want_identity,
	};

	text_escape(path, sizeof(path), f->path + (f->memfd ? 1 : 0),
		    strlen(f->path + (f->memfd ? 1 : 0)));
	return get_object(l, &s);
}

static struct object *get_region(struct look *l, const struct vma *v)
{
	char path[TEXT_PATH];
	bool cut = false;
	const struct region_source source = {
		l->k, task_space(l->k, &l->task), v->start, v->end, &cut,
	};
	const struct object_source s = {
		.owner = l->task.mm,
		.place = v->start,
		.signs = { .size = v->end - v->start },
		.kind = OBJECT_ANON,
		.path = path,
		.content_size = MIN(v->end - v->start, MAX_FILE_BYTES),
		.full_size = v->end - v->start,
		.cut = &cut,
		.fill = fill_from_tables,
		.ctx = &source,
	};

	snprintf(path, sizeof(path), "anon %lx-%lx", (unsigned long)v->start, (unsigned long)v->end);
	return get_object(l, &s);
}

/*
 * The CPU runs a file's last page to its end, and the file's bytes end before: what lies
 * behind them is nobody's but of who wrote it there.
 */
static bool has_tail(const struct look *l, const struct vma *v, const struct guest_file *f)
{
	const struct address_space as = task_space(l->k, &l->task);
	const uint64_t page = f->size / FRAME_SIZE, within = f->size % FRAME_SIZE;
	uint8_t tail[FRAME_SIZE];
	size_t size = FRAME_SIZE - within;

	if (!within || page < v->pgoff || page - v->pgoff >= (v->end - v->start) / FRAME_SIZE ||
	    virt_read(&as, v->start + (page - v->pgoff) * FRAME_SIZE + within, tail, size))
		return false;
	return !sodium_is_zero(tail, size);
}

/*
 * Is there code in it that is not the file's?  What a private mapping of /dev/zero holds
 * is in no page cache, nor is what DAX and devices map; and a page that the process has
 * changed is its own, also once the file's has left the cache.
 */
static bool has_own_code(const struct look *l, const struct vma *v, const struct guest_file *f)
{
	return !f->nrpages || (v->anon && !(v->flags & VM_SHARED)) || has_tail(l, v, f);
}

static void show_use(struct look *l, const struct object *o, const struct vma *v)
{
	if (o)
		send_use(l, o->id, v->start);
}

static int visit_vma(void *ctx, const struct vma *v)
{
	struct look *l = ctx;

	if (must_stop(l))
		return -ECANCELED;
	if (!(v->flags & VM_EXEC))
		return 0;
	if (!has_its_mm(l))
		return -EPROTO;
	if (v->file) {
		struct guest_file f;

		if (file_read_info(l->k, v->file, &f)) {
			l->torn_objects++;
			return 0;
		}
		code_signs_vma(&l->signs, v, &f);
		if (l->sink && f.nrpages)
			show_use(l, get_file(l, &f, false), v);
		if (l->sink && !must_stop(l) && has_own_code(l, v, &f))
			show_use(l, get_region(l, v), v);
	} else {
		code_signs_vma(&l->signs, v, NULL);
		if (l->sink)
			show_use(l, get_region(l, v), v);
	}
	return 0;
}

/* ---- tasks ---- */

static void set_identity(struct m_task *m, const struct exe_identity *id)
{
	memcpy(m->exe_hash, id->hash, sizeof(m->exe_hash));
	memcpy(m->exe_ranges.range, id->range, id->ranges * sizeof(*id->range));
	m->exe_ranges.len = id->ranges * sizeof(*id->range);
	m->flags |= id->partial ? TASK_EXE_PARTIAL : 0;
}

/*
 * A file on an overlay has no pages of its own: its mappings are of the file
 * beneath, which has the same name and size.
 */
struct backing {
	const struct kernel *k;
	const struct guest_file *upper;
	struct guest_file *lower;
	bool found;
};

static int match_backing(void *ctx, const struct vma *v)
{
	struct backing *b = ctx;

	if (!v->file || !(v->flags & VM_EXEC) || file_read_info(b->k, v->file, b->lower) ||
	    b->lower->size != b->upper->size || strcmp(path_base(b->lower->path), path_base(b->upper->path)))
		return 0;
	b->found = true;
	return -ECANCELED;
}

static struct object *get_exe(struct look *l, const struct guest_file *f)
{
	struct guest_file lower;
	struct backing b = { l->k, f, &lower, false };

	if (!f->nrpages)
		vmas_walk(l->k, l->task.mm, match_backing, &b);
	return get_file(l, b.found ? &lower : f, true);
}

/* False if it has none, or that is not known. */
static bool name_exe(struct look *l, struct m_task *m, struct guest_file *ret_file)
{
	if (!l->task.exe_file)
		return false;
	if (file_read_info(l->k, l->task.exe_file, ret_file)) {
		l->torn_objects++;
		return false;
	}
	if (!has_its_mm(l))
		return false;
	text_escape(m->exe, sizeof(m->exe), ret_file->path, strlen(ret_file->path));
	m->flags |= (ret_file->deleted ? TASK_EXE_DELETED : 0) |
		    (ret_file->memfd ? TASK_EXE_MEMFD : 0);
	return true;
}

/* The executable is an object too, seen first, for its hash. */
static void identify_exe(struct look *l, struct m_task *m, const struct guest_file *f)
{
	struct object *o = get_exe(l, f);

	l->exe = o ? o->id : 0;
	if (o && o->identity)
		set_identity(m, o->identity);
}

static void describe_task(struct look *l, struct m_task *m, bool identities)
{
	struct guest_file exe;
	const struct task *t = &l->task;
	char argv[ARGV_SIZE];
	struct usage usage;

	usage_read(l->k, t, &usage);
	*m = (struct m_task){
		.pid = t->pid, .ppid = t->ppid, .uid = t->uid,
		.start_ns = t->start_ns, .cr3 = t->pgd,
		.cpu_ns = usage.cpu_ns, .rss_bytes = usage.rss_pages * FRAME_SIZE,
		.threads = usage.threads,
		.flags = (t->kthread ? TASK_KTHREAD : 0) | (t->dying ? TASK_DYING : 0),
	};
	text_escape(m->comm, sizeof(m->comm), t->comm, strlen(t->comm));
	text_escape(m->argv, sizeof(m->argv), argv, task_argv(l->k, t, argv, sizeof(argv)));
	if (name_exe(l, m, &exe) && identities)
		identify_exe(l, m, &exe);
}

/*
 * It executes something else by now.  The program that it was goes first, as that; the
 * code that follows is the new one's, and so is what an agent is to know it by.
 */
static void tell_exec(struct look *l)
{
	struct m_task m;

	if (!l->exe_used)
		send_use(l, l->exe, 0);
	l->last_use = l->exe = 0;
	l->exe_used = false;
	describe_task(l, &m, true);
	if (!must_stop(l))
		l->sink_error = l->sink->task(l->sink->ctx, &m);
}

/*
 * An exec gives the task another mm, an exit takes it away: then what was
 * being walked is no more, and what is there now counts.
 */
static void look_at_maps(struct look *l)
{
	int r;

	code_signs_begin(&l->signs, l->k, &l->task);
	r = vmas_walk(l->k, l->task.mm, visit_vma, l);
	for (int i = 1; i < MAPS_ATTEMPTS && (r == -EPROTO || r == -EFAULT); i++) {
		const struct task before = l->task;

		memory_refresh(l->in->mem);
		if (!find_still_listed(l->in, before.va) ||
		    !find_read(l->in, before.va, &l->task) ||
		    l->task.start_ns != before.start_ns || !l->task.mm) {
			l->task = before;
			return;
		}
		if (l->sink && !task_is_same(&l->task, &before))
			tell_exec(l);
		code_signs_begin(&l->signs, l->k, &l->task);
		r = vmas_walk(l->k, l->task.mm, visit_vma, l);
	}
	l->torn_maps += r && !must_stop(l);
	/* Of a walk that broke off, what it did see counts all the same. */
	if (must_stop(l) || !l->in->on_sign)
		return;
	code_signs_confirm(&l->signs);
	if (must_stop(l))
		return;
	l->sink_error = code_signs_tell(&l->signs, &l->asked, l->in->on_sign, l->in->sign_ctx);
	l->torn_objects += l->signs.unread;
}

static void send_task(struct look *l, const struct m_task *m)
{
	l->sink_error = l->sink->task(l->sink->ctx, m);
	l->done.tasks++;
}

static void list_task(struct look *l)
{
	struct m_task m;

	describe_task(l, &m, false);
	if (!must_stop(l))
		send_task(l, &m);
}

static void suspect_task(struct look *l)
{
	l->done.tasks++;
	if (l->task.mm)
		look_at_maps(l);
}

static void look_at_task(struct look *l)
{
	struct m_task m;

	l->last_use = l->exe = 0;
	l->exe_used = false;
	describe_task(l, &m, true);
	if (must_stop(l))
		return;
	send_task(l, &m);
	if (!l->task.mm || must_stop(l))
		return;
	look_at_maps(l);
	/* Not mapped yet, in the middle of an exec, or no more: it is still its own. */
	if (!l->exe_used)
		send_use(l, l->exe, 0);
}

/* ---- a look and its end ---- */

static void begin(struct look *l, struct introspector *in, const struct look_sink *sink,
		  uint64_t budget)
{
	*l = (struct look){ .in = in, .k = &in->kernel, .sink = sink, .started = clock_now_ns() };
	memory_set_budget(in->mem, budget);
}

struct text {
	char *at;
	size_t room;
};

static void add(struct text *t, uint32_t n, const char *what)
{
	int len;

	if (!n)
		return;
	len = snprintf(t->at, t->room, "; %u %s", n, what);
	if (len > 0 && (size_t)len < t->room) {
		t->at += len;
		t->room -= len;
	}
}

/*
 * Every process was walked to its end.  An object too large to send whole is
 * told with its size, and leaves the walk complete.
 */
static bool walked_all(const struct look *l)
{
	return !l->in->mem->expired && !l->in->gone && !l->list_error && !l->torn_tasks &&
	       !l->torn_maps;
}

static void end(struct look *l, struct m_done *ret_done)
{
	struct m_done *d = &l->done;
	struct text t = { d->why, sizeof(d->why) };
	bool stopped = l->in->mem->expired || l->in->gone;

	if (!walked_all(l) || l->torn_objects) {
		d->status = DONE_INCOMPLETE;
		t.at += snprintf(t.at, t.room, "incomplete%s%s%s%s",
				 l->list_error && !stopped ? "; " : "",
				 l->list_error && !stopped ? find_problem(l->list_error) : "",
				 l->in->mem->expired ? "; time was up" : "",
				 l->in->gone ? "; the guest is gone" : "");
		t.room = sizeof(d->why) - (t.at - d->why);
		add(&t, l->torn_tasks, "tasks changed while read");
		add(&t, l->torn_maps, "processes' mappings changed while read or are broken");
		add(&t, l->torn_objects, "code objects could not be read, or moved meanwhile");
	} else if (!d->status) {
		d->status = DONE_COMPLETE;
	}
	d->elapsed_us = (clock_now_ns() - l->started) / 1000;
	*ret_done = *d;
}

static bool is_user_half(const struct look *l, const struct task_list *list, uint64_t cr3)
{
	struct task t;

	if (!(cr3 & KPTI_USER_BIT))
		return false;
	/* Without KPTI a PGD may lie at an odd frame: the exact value comes first. */
	for (uint32_t i = 0; i < list->n; i++)
		if (task_read(l->k, list->va[i], &t) == 0 && task_has_cr3(&t, cr3, false))
			return false;
	return true;
}

static void look_for_cr3(struct look *l, const struct task_list *list, uint64_t cr3)
{
	bool user_half = is_user_half(l, list, cr3);

	for (uint32_t i = 0; i < list->n && !must_stop(l); i++) {
		/* One that cannot be read may be the one. */
		if (!find_read(l->in, list->va[i], &l->task))
			l->torn_tasks += find_still_listed(l->in, list->va[i]);
		else if (task_has_cr3(&l->task, cr3, user_half))
			look_at_task(l);
	}
	if (l->done.tasks)
		l->torn_tasks = 0;
	else
		snprintf(l->done.why, sizeof(l->done.why), "none of %u processes has this CR3%s",
			 list->n, (cr3 & PTE_ADDRESS) == l->k->as.root ?
			 ": it is the kernel's own" : "");
	l->done.status = l->done.tasks ? 0 : DONE_NOT_FOUND;
}

int look_at_cr3(struct introspector *in, uint64_t cr3, const struct look_sink *sink,
		struct m_done *ret_done)
{
	struct task_list list;
	struct look l;

	begin(&l, in, sink, LOOK_BUDGET_MS);
	l.list_error = task_list_read(l.k, &list);
	look_for_cr3(&l, &list, cr3);
	/* Found in a list that is broken elsewhere is found. */
	if (l.done.tasks)
		l.list_error = 0;
	task_list_free(&list);
	end(&l, ret_done);
	return l.sink_error;
}

static void with_process(struct look *l, uint32_t pid, uint64_t start_ns, void (*fn)(struct look *l))
{
	int r = find_process(l->in, pid, start_ns, &l->task);

	if (!r) {
		fn(l);
	} else if (r == -ENOENT) {
		l->done.status = DONE_NOT_FOUND;
		snprintf(l->done.why, sizeof(l->done.why), "no process has this pid%s",
			 start_ns ? " and start" : "");
	} else {
		l->list_error = r;
	}
}

int look_at_pid(struct introspector *in, uint32_t pid, uint64_t start_ns, bool resend,
		const struct look_sink *sink, struct m_done *ret_done)
{
	struct look l;

	begin(&l, in, sink, LOOK_BUDGET_MS);
	/* A sweep of one: its objects are hashed and sent, and no other is forgotten. */
	if (resend)
		objects_sweep_begin(&in->objects, true);
	with_process(&l, pid, start_ns, look_at_task);
	if (resend)
		objects_sweep_end(&in->objects, false);
	end(&l, ret_done);
	return l.sink_error;
}

/* Every process there is, from that place of the list on.  Behind the last: 0 if it was all. */
static uint32_t each_task_from(struct look *l, uint32_t first, void (*fn)(struct look *l))
{
	struct task_list list;
	uint32_t n = 0, at = 0;

	l->list_error = task_list_read(l->k, &list);
	for (; n < list.n && !must_stop(l); n++) {
		at = (first % list.n + n) % list.n;
		if (!find_read(l->in, list.va[at], &l->task))
			l->torn_tasks += find_still_listed(l->in, list.va[at]);
		else if (l->task.pid)	/* 0: the idle task */
			fn(l);
	}
	task_list_free(&list);
	return must_stop(l) && n ? at + 1 : 0;
}

static void each_task(struct look *l, void (*fn)(struct look *l))
{
	each_task_from(l, 0, fn);
}

int look_list(struct introspector *in, const struct look_sink *sink, struct m_done *ret_done)
{
	struct look l;

	begin(&l, in, sink, LOOK_BUDGET_MS);
	each_task(&l, list_task);
	end(&l, ret_done);
	return l.sink_error;
}

int look_suspicious(struct introspector *in, uint32_t pid, struct m_done *ret_done)
{
	struct look l;

	begin(&l, in, NULL, SWEEP_BUDGET_MS);
	if (pid)
		with_process(&l, pid, 0, suspect_task);
	else
		each_task(&l, suspect_task);
	end(&l, ret_done);
	return l.sink_error;
}

int look_at_all(struct introspector *in, bool resend, const struct look_sink *sink,
		struct m_done *ret_done)
{
	struct look l;

	begin(&l, in, sink, SWEEP_BUDGET_MS);
	objects_sweep_begin(&in->objects, resend);
	/* One process with endless code takes the time of others once, and is the last then. */
	in->sweep_from = each_task_from(&l, in->sweep_from, look_at_task);
	end(&l, ret_done);
	objects_sweep_end(&in->objects, walked_all(&l) && !l.sink_error && !l.torn_objects);
	return l.sink_error;
}

/* ---- probe ---- */

static void set_probed(struct m_probed *p, enum probe_state state, const char *why)
{
	p->state = state;
	snprintf(p->why, sizeof(p->why), "%s", why);
}

void probe_task(struct introspector *in, uint32_t pid, uint64_t start_ns,
		struct m_probed *ret_probed)
{
	struct task t;
	int r;

	*ret_probed = (struct m_probed){ .pid = pid, .start_ns = start_ns };
	memory_set_budget(in->mem, LOOK_BUDGET_MS);
	r = find_process(in, pid, start_ns, &t);
	if (!r)
		set_probed(ret_probed, t.dying ? PROBE_DYING : PROBE_RUNNING, "");
	else if (r == -ENOENT)
		set_probed(ret_probed, PROBE_GONE, "");
	else
		set_probed(ret_probed, PROBE_UNKNOWN, find_problem(r));
}

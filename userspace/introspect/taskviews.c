// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/views.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/lists.h"
#include "introspect/xarray.h"
#include "lib/util.h"

#define ATTEMPTS 6
#define CSS_BUCKETS 128u		/* CSS_SET_HASH_BITS has been 7 for ever */
#define MAX_CSS_SETS 65536u
#define MAX_CPUS 4096u

const char *task_view_name(int view)
{
	static const char *const names[TASK_VIEWS] = {
		"task list", "pid table", "process tree", "cgroups", "task_struct slab", "run queues",
	};

	return names[view];
}

/* ---- who was seen where ---- */

int task_views_init(struct task_views *v, struct introspector *in)
{
	memset(v, 0, sizeof(*v));
	v->in = in;
	v->slot = calloc(SEEN_SLOTS, sizeof(*v->slot));
	v->used = malloc(MAX_SEEN * sizeof(*v->used));
	randombytes_buf(&v->key, sizeof(v->key));
	v->key |= 1;
	return v->slot && v->used ? 0 : -ENOMEM;
}

void task_views_free(struct task_views *v)
{
	free(v->slot);
	free(v->used);
	v->slot = NULL;
	v->used = NULL;
}

static struct seen *find_slot(struct task_views *v, uint64_t va)
{
	uint32_t at = (va * v->key) >> 46;

	while (v->slot[at].va && v->slot[at].va != va)
		at = (at + 1) % SEEN_SLOTS;
	return &v->slot[at];
}

_Static_assert(SEEN_SLOTS == 1u << (64 - 46), "the hash of find_slot yields a slot");

int task_views_add(struct task_views *v, uint64_t va, enum task_view view)
{
	struct seen *s = find_slot(v, va);

	/* 0 is a free slot, and no task. */
	if (!va)
		return -EPROTO;
	if (!s->va && v->n == MAX_SEEN)
		return -E2BIG;
	if (!s->va)
		v->used[v->n++] = s - v->slot;
	s->va = va;
	v->view[view].n += !(s->views >> view & 1);
	s->views |= 1u << view;
	return 0;
}

/* An attempt that failed half way leaves no marks. */
static void forget_view(struct task_views *v, enum task_view view)
{
	for (uint32_t i = 0; v->view[view].n && i < v->n; i++)
		v->slot[v->used[i]].views &= ~(1u << view);
	v->view[view].n = 0;
}

/* ---- the walks ---- */

struct walk {
	struct task_views *v;
	const struct kernel *k;
	enum task_view view;
	uint32_t at;			/* of the list's node in what it links */
	uint64_t *stack;		/* of the tree */
	uint32_t depth;
	uint32_t css_at;
};

static int add_node(void *ctx, uint64_t node)
{
	struct walk *w = ctx;

	return task_views_add(w->v, node - w->at, w->view);
}

static int add_threads(struct walk *w, uint64_t task)
{
	uint64_t signal;
	int r = kernel_member(w->k, task, w->k->at.task_struct_signal, &signal);

	if (r)
		return r == -EFAULT ? -ELOOP : r;
	w->at = w->k->at.task_struct_thread_node.at;
	return list_walk(w->k, signal + w->k->at.signal_struct_thread_head.at, MAX_SEEN,
			 add_node, w);
}

static int read_tasks(struct walk *w)
{
	struct task_list list;
	int r = task_list_read(w->k, &list);

	for (uint32_t i = 0; !r && i < list.n; i++) {
		r = task_views_add(w->v, list.va[i], VIEW_TASKS);
		if (!r && i)
			r = add_threads(w, list.va[i]);
	}
	task_list_free(&list);
	return r;
}

/* A pid's first task; a pid that only names a group or a session has none. */
static int add_pid(void *ctx, uint64_t index, uint64_t pid)
{
	struct walk *w = ctx;
	uint64_t node;
	int r = kernel_member(w->k, pid + w->k->at.pid_tasks.at, (struct field){ 0, 8 }, &node);

	if (r || !node)
		return r;
	if (!kernel_pointer(w->k, node))
		return -ELOOP;
	return task_views_add(w->v, node - w->k->at.task_struct_pid_links.at, VIEW_PIDS);
}

static int read_pids(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t head, ns = w->k->symbol[SYM_INIT_PID_NS].address;
	int r;

	if (!ns || !at->pid_namespace_idr.size || !at->pid_tasks.size ||
	    !at->task_struct_pid_links.size)
		return -ENOENT;
	r = kernel_member(w->k, ns, at->pid_namespace_idr, &head);
	return r ? r : xarray_walk(w->k, head, MAX_SEEN, add_pid, w);
}

static int push_child(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	uint64_t task = node - w->k->at.task_struct_sibling.at;
	uint32_t before = w->v->view[VIEW_TREE].n;
	int r = task_views_add(w->v, task, VIEW_TREE);

	/* Met before: the tree has a loop. */
	if (!r && w->v->view[VIEW_TREE].n == before)
		r = -ELOOP;
	if (!r && w->depth == MAX_SEEN)
		r = -E2BIG;
	if (!r)
		w->stack[w->depth++] = task;
	return r;
}

static int push_children(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	uint64_t task = node - w->k->at.task_struct_thread_node.at;

	return list_walk(w->k, task + w->k->at.task_struct_children.at, MAX_SEEN, push_child, w);
}

/* Each thread may have children of its own. */
static int visit_parent(struct walk *w, uint64_t task)
{
	uint64_t signal;
	int r = kernel_member(w->k, task, w->k->at.task_struct_signal, &signal);

	if (r || !signal)
		return r == -EFAULT ? -ELOOP : r;
	return list_walk(w->k, signal + w->k->at.signal_struct_thread_head.at, MAX_SEEN,
			 push_children, w);
}

static int read_tree(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t root = w->k->symbol[SYM_INIT_TASK].address;
	int r;

	if (!at->task_struct_children.size || !at->task_struct_sibling.size)
		return -ENOENT;
	w->stack = malloc(MAX_SEEN * sizeof(*w->stack));
	if (!w->stack)
		return -ENOMEM;
	w->depth = 0;
	r = list_walk(w->k, root + at->task_struct_children.at, MAX_SEEN, push_child, w);
	while (!r && w->depth)
		r = visit_parent(w, w->stack[--w->depth]);
	free(w->stack);
	return r;
}

static int add_css_set(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	const struct field lists[] = {
		at->css_set_tasks, at->css_set_mg_tasks, at->css_set_dying_tasks,
	};
	uint64_t set = node - at->css_set_hlist.at;
	int r = 0;

	w->at = at->task_struct_cg_list.at;
	for (size_t i = 0; !r && i < ARRAY_SIZE(lists); i++)
		if (lists[i].size)
			r = list_walk(w->k, set + lists[i].at, MAX_SEEN, add_node, w);
	return r;
}

static int read_cgroups(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t table = w->k->symbol[SYM_CSS_SET_TABLE].address;
	int r = 0;

	if (!table || !at->css_set_hlist.size || !at->css_set_tasks.size ||
	    !at->task_struct_cg_list.size)
		return -ENOENT;
	for (uint32_t i = 0; !r && i < CSS_BUCKETS; i++)
		r = hlist_walk(w->k, table + 8 * i, MAX_CSS_SETS, add_css_set, w);
	return r;
}

static int add_slab(void *ctx, uint64_t va)
{
	return task_views_add(ctx, va, VIEW_SLAB);
}

static int read_slab(struct walk *w)
{
	return slab_tasks(w->k, add_slab, w->v);
}

static void add_idle(struct task_views *v, uint64_t task)
{
	for (uint32_t i = 0; i < v->nidle; i++)
		if (v->idle[i] == task)
			return;
	if (v->nidle < ARRAY_SIZE(v->idle))
		v->idle[v->nidle++] = task;
}

static int read_queue(struct walk *w, uint64_t rq)
{
	const struct layout *at = &w->k->at;
	uint64_t task;
	int r = kernel_member(w->k, rq, at->rq_curr, &task);

	if (!r && kernel_pointer(w->k, task))
		r = task_views_add(w->v, task, VIEW_QUEUES);
	if (!r)
		r = kernel_member(w->k, rq, at->rq_idle, &task);
	if (!r)
		add_idle(w->v, task);
	w->at = at->task_struct_group_node.at;
	if (!r && at->rq_cfs_tasks.size && at->task_struct_group_node.size)
		r = list_walk(w->k, rq + at->rq_cfs_tasks.at, MAX_SEEN, add_node, w);
	return r;
}

static int read_queues(struct walk *w)
{
	const struct layout *at = &w->k->at;
	const struct symbol *s = w->k->symbol;
	uint32_t cpus = 0;
	int r;

	if (!s[SYM_RUNQUEUES].address || !s[SYM_PER_CPU_OFFSET].address ||
	    !s[SYM_NR_CPU_IDS].address || !at->rq_curr.size || !at->rq_idle.size)
		return -ENOENT;
	w->v->nidle = 0;
	r = virt_read(&w->k->as, s[SYM_NR_CPU_IDS].address, &cpus, sizeof(cpus));
	for (uint32_t cpu = 0; !r && cpu < MIN(cpus, MAX_CPUS); cpu++) {
		uint64_t offset;

		r = virt_read_u64(&w->k->as, s[SYM_PER_CPU_OFFSET].address + 8 * cpu, &offset);
		/* Modulo 2^64: symbols are absolute from 6.15 on. */
		if (!r)
			r = read_queue(w, offset + s[SYM_RUNQUEUES].address);
	}
	return r;
}

static int (*const readers[TASK_VIEWS])(struct walk *w) = {
	read_tasks, read_pids, read_tree, read_cgroups, read_slab, read_queues,
};

int task_views_read(struct task_views *v)
{
	while (v->n)
		v->slot[v->used[--v->n]] = (struct seen){ 0 };
	for (int view = 0; view < TASK_VIEWS; view++) {
		struct walk w = { .v = v, .k = &v->in->kernel, .view = view };
		int r = -ELOOP;

		v->view[view].n = 0;
		/* Made of lists that change: tried again with fresh memory. */
		for (int i = 0; i < ATTEMPTS && (r == -ELOOP || r == -EFAULT || r == -EPROTO); i++) {
			forget_view(v, view);
			memory_refresh(v->in->mem);
			r = readers[view](&w);
		}
		v->view[view].error = r;
		if (r == -ENODEV)
			v->in->gone = true;
		if (r == -ENODEV || r == -ETIME)
			return r;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Views compared.  A guest that runs changes between two of them, so a task
 * that is missing somewhere is looked at again, several times and later each
 * time, and is a finding only if it is the same task and missing all along.
 */
#include "introspect/views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/lists.h"
#include "lib/util.h"

#define MAX_CANDIDATES 4096u
#define LOOKS 5
#define FIRST_PAUSE_MS 15		/* before the second look; then times 3 */
#define PF_EXITING 0x4u
#define TASK_DEAD 0x80u
#define TASK_NEW 0x800u
#define MAX_PID (1u << 22)

/* A task that a view lacks which should have it. */
struct candidate {
	uint64_t va, start_ns, mm, stack;
	uint32_t pid, tgid, seen, missing;
	bool passing;			/* by its own word it comes or goes, in each look */
	char comm[17];
};

struct comparison {
	struct introspector *in;
	struct task_views views;
	struct candidate *candidate;	/* MAX_CANDIDATES */
	uint32_t n;
	uint32_t passing;		/* those that come or go */
	uint32_t stood_still;		/* those that nobody can tell of: the guest did not run */
	bool cut;
};

/* ---- one look ---- */

/* The queues' word for it is the guest's: one with a pid or with memory of its own is none. */
static bool is_idle(const struct comparison *c, const struct candidate *t)
{
	if (t->va == c->in->kernel.symbol[SYM_INIT_TASK].address)
		return true;
	for (uint32_t i = 0; i < c->views.nidle; i++)
		if (c->views.idle[i] == t->va)
			return !t->pid && !t->mm;
	return false;
}

struct status {
	uint64_t flags, exit_state, state;
};

static int read_status(const struct kernel *k, uint64_t va, struct candidate *ret, struct status *s)
{
	uint64_t pid, tgid;
	int r = kernel_member(k, va, k->at.task_struct_pid, &pid);

	memset(s, 0, sizeof(*s));
	if (!r)
		r = kernel_member(k, va, k->at.task_struct_tgid, &tgid);
	if (!r)
		r = kernel_member(k, va, k->at.task_struct_flags, &s->flags);
	if (!r)
		r = kernel_member(k, va, k->at.task_struct_exit_state, &s->exit_state);
	if (!r)
		r = kernel_member(k, va, k->at.task_struct_start_time, &ret->start_ns);
	if (!r)
		r = kernel_member(k, va, k->at.task_struct_mm, &ret->mm);
	if (!r)
		r = virt_read(&k->as, va + k->at.task_struct_comm.at, ret->comm,
			      MIN(k->at.task_struct_comm.size, 16u));
	if (!r && k->at.task_struct_state.size)
		kernel_member(k, va, k->at.task_struct_state, &s->state);
	if (!r && k->at.task_struct_stack.size)
		kernel_member(k, va, k->at.task_struct_stack, &ret->stack);
	if (r)
		return r;
	ret->va = va;
	ret->pid = pid;
	ret->tgid = tgid;
	return 0;
}

/* It says that it ends, and has no memory any more. */
static bool is_leaving(const struct candidate *c, const struct status *s)
{
	return s->exit_state && (s->flags & PF_EXITING) && !c->mm;
}

/*
 * One that has ended may be held in memory for as long as anybody likes.  It
 * has no memory of its own, and its last state is one that nothing leaves: to
 * say so of itself alone, while it runs, is not enough.
 */
static bool has_ended(const struct kernel *k, const struct candidate *c, const struct status *s)
{
	return is_leaving(c, s) &&
	       (!k->at.task_struct_state.size || s->state == TASK_DEAD);
}

/*
 * In the middle of its end, or of the fork that makes it.  Both are short in a guest that
 * gets on; a starved one was seen to stay there for seconds, with its clock going.  It is
 * only its own word, and may be no news for ten minutes.
 */
static bool is_passing(const struct candidate *c, const struct status *s)
{
	return s->state == TASK_NEW || is_leaving(c, s);
}

struct twin {
	const struct kernel *k;
	const struct candidate *of;
	bool found;
};

static int look_for_twin(void *ctx, uint64_t node)
{
	struct twin *t = ctx;
	uint64_t va = node - t->k->at.task_struct_thread_node.at, pid, start;

	t->found = va != t->of->va && !kernel_member(t->k, va, t->k->at.task_struct_pid, &pid) &&
		   !kernel_member(t->k, va, t->k->at.task_struct_start_time, &start) &&
		   pid == t->of->pid && start == t->of->start_ns;
	return t->found;
}

/*
 * A fork under way, which lasts for as long as its guest stands still: at first it
 * is its parent's copy, down to whose threads it counts among; then it has a state
 * that no task can run with.
 */
static bool is_being_made(const struct kernel *k, const struct candidate *c, const struct status *s)
{
	struct twin twin = { k, c, false };
	uint64_t signal;

	if (s->state == TASK_NEW)
		return true;
	if (!kernel_member(k, c->va, k->at.task_struct_signal, &signal))
		list_walk(k, signal + k->at.signal_struct_thread_head.at, MAX_SEEN, look_for_twin, &twin);
	return twin.found;
}

/* The views that have to show it. */
static uint32_t expected(const struct comparison *c, const struct candidate *t,
			 const struct status *s)
{
	uint32_t views = 1u << VIEW_TASKS | 1u << VIEW_PIDS | 1u << VIEW_TREE |
			 1u << VIEW_CGROUPS | 1u << VIEW_SLAB;

	/* Only the first thread of a process is anyone's child. */
	if (t->pid != t->tgid)
		views &= ~(1u << VIEW_TREE);
	/* On its way out it leaves its cgroup first. */
	if ((s->flags & PF_EXITING) || s->exit_state)
		views &= ~(1u << VIEW_CGROUPS);
	for (int view = 0; view < TASK_VIEWS; view++)
		if (c->views.view[view].error)
			views &= ~(1u << view);
	return views;
}

static bool is_missing(const struct comparison *c, const struct seen *seen, struct candidate *ret)
{
	struct status s;

	memset(ret, 0, sizeof(*ret));
	if (read_status(&c->in->kernel, seen->va, ret, &s) || is_idle(c, ret) ||
	    has_ended(&c->in->kernel, ret, &s))
		return false;
	ret->seen = seen->views;
	ret->missing = expected(c, ret, &s) & ~seen->views;
	ret->passing = is_passing(ret, &s);
	/* Nobody but the allocator knows of it yet. */
	if (seen->views == 1u << VIEW_SLAB && is_being_made(&c->in->kernel, ret, &s))
		ret->missing = 0;
	return ret->missing;
}

static int look(struct comparison *c)
{
	int r = task_views_read(&c->views);

	c->n = 0;
	c->cut = false;
	for (uint32_t i = 0; !r && i < c->views.n; i++) {
		const struct seen *s = &c->views.slot[c->views.used[i]];

		if (!is_missing(c, s, &c->candidate[c->n]))
			continue;
		if (c->n == MAX_CANDIDATES - 1) {
			c->cut = true;
			break;
		}
		c->n++;
	}
	return r;
}

/* ---- looking again ---- */

static bool is_same(const struct candidate *a, const struct candidate *b)
{
	return a->va == b->va && a->pid == b->pid && a->start_ns == b->start_ns &&
	       a->stack == b->stack && (a->missing & b->missing);
}

/* Of old, those that are missing now as well; their views are what both say. */
static uint32_t keep_common(struct candidate *old, uint32_t n, const struct comparison *now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < now->n; j++) {
			struct candidate both = now->candidate[j];

			if (!is_same(&old[i], &both))
				continue;
			both.missing &= old[i].missing;
			both.seen |= old[i].seen;
			both.passing = both.passing && old[i].passing;
			old[kept++] = both;
			break;
		}
	return kept;
}

static int confirm(struct comparison *c)
{
	struct candidate *old = malloc(MAX_CANDIDATES * sizeof(*old));
	unsigned pause = FIRST_PAUSE_MS;
	struct check_looks looks;
	uint32_t n = c->n;
	int r = 0;

	if (!old)
		return -ENOMEM;
	memcpy(old, c->candidate, n * sizeof(*old));
	check_looks_begin(&looks, &c->in->kernel);
	/* A dump shows the same for ever. */
	for (int i = 1; !r && n && !c->in->mem->still && i < LOOKS; i++, pause *= 3) {
		if (!check_look_again(&looks, pause, LOOKS - 1 - i))
			continue;
		r = look(c);
		n = keep_common(old, n, c);
	}
	/* Of a guest that stands still nobody can say what passes. */
	c->stood_still = check_looks_enough(&looks) ? 0 : n;
	memcpy(c->candidate, old, n * sizeof(*old));
	c->n = c->stood_still ? 0 : n;
	free(old);
	return r;
}

/* What comes or goes is a finding if it does so for ever. */
static void set_passing_apart(struct comparison *c)
{
	struct passing *p = &c->in->passing_tasks;
	const uint64_t now = clock_now_ns();
	uint32_t n = 0;

	passing_begin(p);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct candidate *t = &c->candidate[i];

		if (!t->passing || passing_stays(p, t->va, t->start_ns, now))
			c->candidate[n++] = *t;
	}
	c->passing = c->n - n;
	c->n = n;
	passing_end(p);
}

/* ---- what is said ---- */

static int sign_candidate(struct comparison *c, const struct candidate *t,
			  const struct check_sink *sink)
{
	struct m_sign m = {
		.kind = SIGN_HIDDEN, .pid = t->pid, .start_ns = t->start_ns, .address = t->va,
		.name = "Hidden.Process",
	};
	char seen[TEXT_WHY], missing[TEXT_WHY];
	struct task task;

	text_escape(m.comm, sizeof(m.comm), t->comm, strlen(t->comm));
	if (task_read(&c->in->kernel, t->va, &task) == 0 && task.exe_file)
		check_exe(&c->in->kernel, task.exe_file, m.exe, sizeof(m.exe));
	snprintf(m.subject, sizeof(m.subject), "%s", m.exe[0] ? m.exe : m.comm);
	check_list_views(t->seen, TASK_VIEWS, task_view_name, seen, sizeof(seen));
	check_list_views(t->missing, TASK_VIEWS, task_view_name, missing, sizeof(missing));
	snprintf(m.detail, sizeof(m.detail),
		 "%s %u (%s) is not in: %s; it is in: %s", t->pid == t->tgid ? "process" : "thread",
		 t->pid, m.comm, missing, seen);
	return sink->sign(sink->ctx, &m);
}

static void count_views(const struct comparison *c, struct m_checked *m)
{
	for (int view = 0; view < TASK_VIEWS; view++) {
		size_t at = strlen(m->counts);

		if (c->views.view[view].error != -ENOENT)
			snprintf(m->counts + at, sizeof(m->counts) - at, "%s%s %u", at ? ", " : "",
				 task_view_name(view), c->views.view[view].n);
	}
}

static void explain(const struct comparison *c, struct m_checked *m)
{
	for (int view = 0; view < TASK_VIEWS; view++) {
		int error = c->views.view[view].error;

		if (error)
			check_add_why(m, "%s: %s", task_view_name(view), check_problem(error));
	}
	if (c->passing)
		check_add_why(m, "%u tasks come or go", c->passing);
	if (c->stood_still)
		check_add_why(m, "the guest stood still: %u differences may be under way", c->stood_still);
	if (c->cut)
		check_add_why(m, "more than %u tasks differ", MAX_CANDIDATES - 1);
	m->status = m->signs ? CHECK_DIFFERS : m->why[0] ? CHECK_INCOMPLETE : CHECK_CLEAN;
}

int check_processes(struct introspector *in, const struct check_sink *sink,
		    struct m_checked *ret_checked)
{
	struct comparison c = { .in = in };
	uint64_t started = clock_now_ns();
	int r, stop = 0;

	*ret_checked = (struct m_checked){ .check = CHECK_PROCESSES, .status = CHECK_CLEAN };
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
	c.candidate = malloc(MAX_CANDIDATES * sizeof(*c.candidate));
	r = c.candidate ? task_views_init(&c.views, in) : -ENOMEM;
	if (!r)
		r = look(&c);
	if (!r)
		r = confirm(&c);
	if (!r)
		set_passing_apart(&c);
	for (uint32_t i = 0; !r && !stop && i < c.n; i++) {
		stop = sign_candidate(&c, &c.candidate[i], sink);
		ret_checked->signs++;
		ret_checked->status = CHECK_DIFFERS;
	}
	if (r)
		check_failed(in, ret_checked, r);
	else
		explain(&c, ret_checked);
	count_views(&c, ret_checked);
	task_views_free(&c.views);
	free(c.candidate);
	ret_checked->elapsed_us = (clock_now_ns() - started) / 1000;
	return stop;
}

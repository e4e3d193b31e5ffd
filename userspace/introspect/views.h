/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's processes as six structures of its kernel show them.  Who hides a
 * process cuts it out of some; to run it must stay in others.
 */
#ifndef WARDEN_VIEWS_H
#define WARDEN_VIEWS_H

#include "introspect/look.h"

enum task_view {
	VIEW_TASKS,		/* init_task's list, and each process's threads */
	VIEW_PIDS,		/* the table that /proc and kill() use */
	VIEW_TREE,		/* children of parents; processes alone */
	VIEW_CGROUPS,		/* tasks of css_sets */
	VIEW_SLAB,		/* task_struct's slab cache: the memory itself */
	VIEW_QUEUES,		/* on a CPU or waiting for one: those that run now */
	TASK_VIEWS,
};

#define SEEN_SLOTS (1u << 18)		/* a power of two */
#define MAX_SEEN (SEEN_SLOTS / 2)

struct seen {
	uint64_t va;			/* of a task_struct; 0: free */
	uint32_t views;			/* bit n: enum task_view */
};

struct task_views {
	struct introspector *in;
	struct seen *slot;		/* SEEN_SLOTS */
	uint32_t *used;			/* n slots of it, in the order they were taken */
	uint32_t n;
	uint64_t key;			/* the guest chooses addresses, not slots */
	struct {
		int error;		/* 0: complete; -ENOENT: this kernel has none */
		uint32_t n;
	} view[TASK_VIEWS];
	uint64_t idle[64];		/* the CPUs' idle threads */
	uint32_t nidle;
};

int task_views_init(struct task_views *v, struct introspector *in);
void task_views_free(struct task_views *v);

/* Reads all of them anew.  0, or -ETIME, -ENODEV. */
int task_views_read(struct task_views *v);

/* Marks a task; nonzero if there is no room. */
int task_views_add(struct task_views *v, uint64_t va, enum task_view view);

const char *task_view_name(int view);

/* slabs.c: calls fn for each allocated object of the cache of task_structs. */
int slab_tasks(const struct kernel *k, int (*fn)(void *ctx, uint64_t va), void *ctx);

/* ---- checks, each with signs to a sink and one word on itself ---- */

struct check_sink {
	int (*sign)(void *ctx, const struct m_sign *sign);
	void *ctx;
};

/* These need introspector_ready.  0, or what the callback returned. */
int check_modules(struct introspector *in, const struct check_sink *sink,
		  struct m_checked *ret_checked);
int check_kernel(struct introspector *in, const struct check_sink *sink,
		 struct m_checked *ret_checked);
int check_processes(struct introspector *in, const struct check_sink *sink,
		    struct m_checked *ret_checked);
/* Each of checks (CHECK_*); done is called after each, with the sink's ctx. */
int check_all(struct introspector *in, uint32_t checks, const struct check_sink *sink,
	      int (*done)(void *ctx, const struct m_checked *checked));

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes of a guest: thread-group leaders on init_task's list. */
#ifndef WARDEN_TASKS_H
#define WARDEN_TASKS_H

#include "introspect/lists.h"

#define MAX_TASKS 65536u
#define ARGV_SIZE 1024

struct task {
	uint64_t va;
	uint64_t mm;			/* 0: a kernel thread, or it is exiting */
	uint64_t thread;		/* its first that has not given its memory and files back; or va */
	uint64_t exec_id;		/* grows with each program that it executes; 0 if not told */
	uint64_t pgd;			/* physical; 0 without mm */
	uint64_t exe_file;		/* struct file, or 0 */
	uint64_t start_ns;
	uint32_t pid, ppid, uid;
	bool kthread, dying;
	char comm[17];
};

struct task_list {
	uint64_t *va;			/* of each task_struct, swapper first */
	uint32_t n;
};

/*
 * The whole list, at one stroke and checked link by link; tried again, with
 * fresh memory, while a running guest changes it underfoot.  -ELOOP: still
 * inconsistent (what was found is there all the same); -E2BIG: more than
 * MAX_TASKS; else an errno of memory_read.  Free with task_list_free.
 */
int task_list_read(const struct kernel *k, struct task_list *ret_list);
void task_list_free(struct task_list *list);

/* 0 or -errno; -EPROTO if what lies there is no task. */
int task_read(const struct kernel *k, uint64_t va, struct task *ret_task);

/*
 * Is it the same process, in the same program?  The mm alone does not tell: an exec frees
 * one, and the next may be given it again.
 */
bool task_is_same(const struct task *a, const struct task *b);

/* Arguments divided by spaces; raw bytes.  Its length; 0 if not resident. */
size_t task_argv(const struct kernel *k, const struct task *t, char *buf, size_t size);

/*
 * Of the process with that signal_struct each thread's thread_node, from the first again
 * with fresh memory while they come and go; as list_walk.
 */
int threads_walk(const struct kernel *k, uint64_t signal, list_fn fn, void *ctx);

/* The process's own page tables. */
struct address_space task_space(const struct kernel *k, const struct task *t);

/* Does CR3 as the hardware holds it (PCID, KPTI's user half) mean this task? */
bool task_has_cr3(const struct task *t, uint64_t cr3, bool user_half);

#endif

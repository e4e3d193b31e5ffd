// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/util.h"

#define PF_EXITING 0x00000004u
#define PF_KTHREAD 0x00200000u
#define MAX_PID (1u << 22)
#define ATTEMPTS 4
#define THREADS_ATTEMPTS 3
#define MAX_THREADS MAX_TASKS

struct links {
	uint64_t next, prev;
};

/*
 * One pass.  Each node must point back at the one before: that catches a list
 * that changes while it is read, and any loop that does not end at its head.
 */
static int collect(const struct kernel *k, struct task_list *list)
{
	uint64_t node = k->symbol[SYM_INIT_TASK].address + k->at.task_struct_tasks.at;
	const uint64_t head = node;
	uint64_t previous = 0;

	list->n = 0;
	for (;;) {
		struct links links;
		int r = kernel_pointer(k, node) ?
			virt_read(&k->as, node, &links, sizeof(links)) : -EFAULT;

		if (r)
			return r;
		if (previous && links.prev != previous)
			return -ELOOP;
		if (list->n == MAX_TASKS)
			return -E2BIG;
		list->va[list->n++] = node - k->at.task_struct_tasks.at;
		previous = node;
		node = links.next;
		if (node == head)
			return 0;
	}
}

int task_list_read(const struct kernel *k, struct task_list *ret_list)
{
	int r = -ELOOP;

	ret_list->n = 0;
	ret_list->va = malloc(MAX_TASKS * sizeof(*ret_list->va));
	if (!ret_list->va)
		return -ENOMEM;
	for (int i = 0; i < ATTEMPTS && (r == -ELOOP || r == -EFAULT); i++) {
		if (i)
			memory_refresh(k->mem);
		r = collect(k, ret_list);
	}
	return r == -EFAULT ? -ELOOP : r;
}

void task_list_free(struct task_list *list)
{
	free(list->va);
	list->va = NULL;
	list->n = 0;
}

struct member {
	struct field f;
	uint64_t *to;
};

static int read_members(const struct kernel *k, uint64_t base, const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = kernel_member(k, base, m[i].f, m[i].to);

		if (r)
			return r;
	}
	return 0;
}

static int read_mm(const struct kernel *k, struct task *t)
{
	uint64_t pgd;
	const struct member members[] = {
		{ k->at.mm_struct_pgd, &pgd },
		{ k->at.mm_struct_exe_file, &t->exe_file },
	};
	int r = read_members(k, t->mm, members, ARRAY_SIZE(members));

	return r ? r : virt_to_phys(&k->as, pgd, &t->pgd);
}

/*
 * A first thread that ended leaves a process without an mm of its own, whose
 * other threads run on: an old way to hide.  The mm of the first of them that
 * has one is the process's.  0 if there is none; -EPROTO: not all were seen.
 */
static int find_thread_mm(const struct kernel *k, uint64_t task, struct task *t)
{
	uint64_t signal, head, node;
	int r = kernel_member(k, task, k->at.task_struct_signal, &signal);

	if (r || !signal)
		return r;
	head = signal + k->at.signal_struct_thread_head.at;
	r = kernel_member(k, head, (struct field){ 0, 8 }, &node);
	for (uint32_t i = 0; !r && !t->mm && node != head && i < MAX_THREADS; i++) {
		t->thread = node - k->at.task_struct_thread_node.at;
		r = kernel_member(k, t->thread, k->at.task_struct_mm, &t->mm);
		if (!r)
			r = kernel_member(k, node, (struct field){ 0, 8 }, &node);
	}
	return r ? r : !t->mm && node != head ? -EPROTO : 0;
}

int task_read(const struct kernel *k, uint64_t va, struct task *ret_task)
{
	uint64_t pid, tgid, parent, cred, flags, exit_state, ppid = 0, uid = 0;
	struct task t = { .va = va, .thread = va };
	const struct member members[] = {
		{ k->at.task_struct_pid, &pid },
		{ k->at.task_struct_tgid, &tgid },
		{ k->at.task_struct_real_parent, &parent },
		{ k->at.task_struct_cred, &cred },
		{ k->at.task_struct_flags, &flags },
		{ k->at.task_struct_exit_state, &exit_state },
		{ k->at.task_struct_start_time, &t.start_ns },
		{ k->at.task_struct_mm, &t.mm },
	};
	int r = read_members(k, va, members, ARRAY_SIZE(members));

	if (!r)
		r = kernel_member(k, parent, k->at.task_struct_tgid, &ppid);
	if (!r)
		r = kernel_member(k, cred, k->at.cred_uid, &uid);
	if (!r)
		r = virt_read(&k->as, va + k->at.task_struct_comm.at, t.comm,
			      MIN(k->at.task_struct_comm.size, 16u));
	if (r)
		return r;
	if (pid > MAX_PID || pid != tgid || ppid > MAX_PID)
		return -EPROTO;
	t.pid = pid;
	t.ppid = ppid;
	t.uid = uid;
	t.kthread = flags & PF_KTHREAD;
	t.dying = exit_state || (flags & PF_EXITING);
	/* A kernel thread may borrow an mm for a while: it is not its own. */
	if (t.kthread) {
		t.mm = 0;
	} else if (!t.mm) {
		r = find_thread_mm(k, va, &t);
		t.dying = t.dying && !t.mm;
	}
	if (!t.mm)
		t.thread = va;
	else if (!r)
		r = read_mm(k, &t);
	if (!r && t.mm && k->at.task_struct_self_exec_id.size)
		r = kernel_member(k, t.thread, k->at.task_struct_self_exec_id, &t.exec_id);
	if (!r)
		*ret_task = t;
	return r;
}

int threads_walk(const struct kernel *k, uint64_t signal, list_fn fn, void *ctx)
{
	int r = -ELOOP;

	for (int i = 0; (r == -ELOOP || r == -EFAULT) && i < THREADS_ATTEMPTS; i++) {
		if (i)
			memory_refresh(k->mem);
		r = list_walk(k, signal + k->at.signal_struct_thread_head.at, MAX_TASKS, fn, ctx);
	}
	return r;
}

bool task_is_same(const struct task *a, const struct task *b)
{
	return a->pid == b->pid && a->start_ns == b->start_ns && a->mm == b->mm &&
	       a->exec_id == b->exec_id;
}

struct address_space task_space(const struct kernel *k, const struct task *t)
{
	return (struct address_space){ k->mem, k->as.tlb, t->pgd, k->as.levels };
}

size_t task_argv(const struct kernel *k, const struct task *t, char *buf, size_t size)
{
	struct address_space as = task_space(k, t);
	uint64_t start, end;
	size_t len;

	if (!t->mm || kernel_member(k, t->mm, k->at.mm_struct_arg_start, &start) ||
	    kernel_member(k, t->mm, k->at.mm_struct_arg_end, &end) || end <= start)
		return 0;
	/* The second page may not be resident. */
	len = virt_read_start(&as, start, buf, MIN(end - start, (uint64_t)size));
	while (len && !buf[len - 1])
		len--;
	for (size_t i = 0; i < len; i++)
		if (!buf[i])
			buf[i] = ' ';
	return len;
}

bool task_has_cr3(const struct task *t, uint64_t cr3, bool user_half)
{
	uint64_t root = cr3 & PTE_ADDRESS;

	if (user_half)
		root &= ~KPTI_USER_BIT;
	return t->pgd && (t->pgd & PTE_ADDRESS) == root;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/find.h"

#include <errno.h>

#define ATTEMPTS 3

bool find_read(struct introspector *in, uint64_t va, struct task *ret_task)
{
	int r = -EFAULT;

	for (int i = 0; i < ATTEMPTS && r && !in->mem->expired && !in->gone; i++) {
		if (i)
			memory_refresh(in->mem);
		r = task_read(&in->kernel, va, ret_task);
		if (r == -ENODEV)
			in->gone = true;
	}
	return r == 0;
}

bool find_still_listed(struct introspector *in, uint64_t va)
{
	struct task_list list;
	bool found;
	int r;

	memory_refresh(in->mem);
	r = task_list_read(&in->kernel, &list);
	found = r != 0;
	for (uint32_t i = 0; i < list.n && !found; i++)
		found = list.va[i] == va;
	task_list_free(&list);
	return found;
}

static bool is_it(const struct task *t, uint32_t pid, uint64_t start_ns)
{
	return t->pid == pid && (!start_ns || t->start_ns == start_ns);
}

int find_process(struct introspector *in, uint32_t pid, uint64_t start_ns, struct task *ret_task)
{
	struct task_list list;
	struct task t;
	int r = task_list_read(&in->kernel, &list);
	int result = r ? r : -ENOENT;

	for (uint32_t i = 0; i < list.n; i++) {
		if (!find_read(in, list.va[i], &t)) {
			if (result == -ENOENT && find_still_listed(in, list.va[i]))
				result = -EAGAIN;
		} else if (is_it(&t, pid, start_ns)) {
			*ret_task = t;
			result = 0;
			break;
		}
	}
	task_list_free(&list);
	if (result && in->gone)
		result = -ENODEV;
	else if (result && in->mem->expired)
		result = -ETIME;
	return result;
}

const char *find_problem(int error)
{
	switch (error) {
	case -EAGAIN:
		return "a process could not be read";
	case -ELOOP:
		return "the task list kept changing or is broken";
	case -E2BIG:
		return "more tasks than the limit";
	case -ETIME:
		return "time was up";
	case -ENODEV:
		return "the guest is gone";
	default:
		return "the task list could not be read";
	}
}

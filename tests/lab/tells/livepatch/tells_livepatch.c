// SPDX-License-Identifier: GPL-2.0-only
/* A live patch as a distribution ships them: one function of the kernel, by another. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_version_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "Linux, patched alive\n");
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "version_proc_show", .new_func = patched_version_proc_show },
	{ }
};

static struct klp_object objects[] = { { .funcs = functions }, { } };

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init livepatch_init(void)
{
	return klp_enable_patch(&patch);
}

/* The kernel lets it go once no task is in it. */
static void __exit livepatch_exit(void)
{
}

module_init(livepatch_init);
module_exit(livepatch_exit);
MODULE_DESCRIPTION("A live patch for the truth tests of introspection");
MODULE_INFO(livepatch, "Y");
MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hide RAM MONITOR LOOKS: a guest that is busy is looked at LOOKS times and
 * nothing is found; then a process, and a module, are cut out of one structure
 * of its kernel after the other, and each time both are found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "introspect/modset.h"

#define MOST_PAGES 8u			/* of a slab: SLUB makes none larger */
#define MOST_SECONDS 120

static struct testee t;

struct found {
	unsigned n, elsewhere;
	bool right;
	uint64_t start, end;		/* of memory; elsewhere counts tasks that lie outside */
	const char *name;
	uint32_t pid;
	char detail[TEXT_PATH];
};

static int on_sign(void *ctx, const struct m_sign *m)
{
	struct found *f = ctx;

	printf("# %s: %s\n", m->name, m->detail);
	f->n++;
	f->elsewhere += m->address < f->start || m->address >= f->end;
	if (f->name && !strcmp(m->name, f->name) && (!f->pid || m->pid == f->pid)) {
		f->right = true;
		snprintf(f->detail, sizeof(f->detail), "%s", m->detail);
	}
	return 0;
}

static bool hidden_from(const struct found *f, const char *view)
{
	const char *at = strstr(f->detail, view), *in = strstr(f->detail, "; it is in");

	return at && in && at < in;
}

/* ---- a process ---- */

static void cut_tasks(const struct task *v)
{
	testee_unlink(&t, v->va + t.in.kernel.at.task_struct_tasks.at);
}

static void cut_pid(const struct task *v)
{
	testee_unlink_hlist(&t, v->va + t.in.kernel.at.task_struct_pid_links.at);
}

static void cut_tree(const struct task *v)
{
	testee_unlink(&t, v->va + t.in.kernel.at.task_struct_sibling.at);
}

static void cut_cgroup(const struct task *v)
{
	testee_unlink(&t, v->va + t.in.kernel.at.task_struct_cg_list.at);
}

static const struct {
	const char *view;
	void (*cut)(const struct task *v);
} cuts[] = {
	{ "task list", cut_tasks }, { "pid table", cut_pid }, { "process tree", cut_tree },
	{ "cgroups", cut_cgroup },
};

#define CUTS (sizeof(cuts) / sizeof(*cuts))

static void expect_hidden(const struct task *v, unsigned from, unsigned to)
{
	struct found f = { .name = "Hidden.Process", .pid = v->pid };
	struct check_sink sink = { on_sign, &f };
	struct m_checked m;
	bool all = true;

	check_processes(&t.in, &sink, &m);
	for (unsigned i = from; i <= to; i++)
		all = all && hidden_from(&f, cuts[i].view);
	ok(f.right && all && f.n == 1 && m.status == CHECK_DIFFERS,
	   "process %u cut out of %s%s is found", v->pid, cuts[to].view,
	   from < to ? " too" : " alone");
}

/* The first page of a slab says whose it is; task_structs are several to one. */
static uint64_t slab_of(const struct task *v, uint64_t *ret_start)
{
	const struct kernel *k = &t.in.kernel;
	const uint32_t at = k->at.slab_slab_cache.size ? k->at.slab_slab_cache.at : k->at.page_slab_cache.at;
	const uint64_t cache = testee_read(&t, k->symbol[SYM_TASK_CACHE].address);
	uint64_t frame = (v->va - k->page_offset) / FRAME_SIZE;

	for (unsigned i = 0; i < MOST_PAGES; i++, frame--) {
		uint64_t page = k->vmemmap + frame * k->at.page_size.size;

		if (testee_read(&t, page + at) != cache)
			continue;
		*ret_start = k->page_offset + frame * FRAME_SIZE;
		return page + at;
	}
	return 0;
}

/* Nobody's slab: all tasks in it are missing there, and no others are. */
static void cut_slab(const struct task *v, struct found *ret_lies)
{
	uint64_t start = 0, slab = slab_of(v, &start);

	*ret_lies = (struct found){ .start = start, .end = start + MOST_PAGES * FRAME_SIZE };
	if (slab)
		testee_write(&t, slab, 0);
}

/* A slow guest starts its processes late. */
static bool find(const char *comm, struct task *ret_task)
{
	bool found = false;

	for (int i = 0; !found && i < MOST_SECONDS; i++) {
		if (i)
			check_pause(1000);
		found = testee_find(&t, comm, 0, ret_task);
	}
	if (!found)
		ok(false, "there is a process %s to hide", comm);
	return found;
}

static void hide_from_slab(void)
{
	struct check_sink sink = { on_sign, NULL };
	struct m_checked m;
	struct found f;
	struct task v;

	if (!find("sleep", &v))
		return;
	testee_stop(&t);
	cut_slab(&v, &f);
	f.name = "Hidden.Process";
	f.pid = v.pid;
	sink.ctx = &f;
	check_processes(&t.in, &sink, &m);
	ok(f.right && hidden_from(&f, "task_struct slab") && !f.elsewhere && m.status == CHECK_DIFFERS,
	   "process %u cut out of task_struct slab alone is found, with %u neighbours and %u others", v.pid,
	   f.n - 1, f.elsewhere);
	testee_restore(&t);
	testee_run(&t);
}

/* One that runs all the time: to get a CPU it has to wait for it in a queue. */
static void hide_from_all_but_queues(void)
{
	struct check_sink sink = { on_sign, NULL };
	struct m_checked m;
	struct found f;
	struct task v;
	bool all = true;

	if (!find("miner", &v))
		return;
	testee_stop(&t);
	cut_slab(&v, &f);
	for (unsigned i = 0; i < CUTS; i++)
		cuts[i].cut(&v);
	f.name = "Hidden.Process";
	f.pid = v.pid;
	sink.ctx = &f;
	check_processes(&t.in, &sink, &m);
	for (unsigned i = 0; i < CUTS; i++)
		all = all && hidden_from(&f, cuts[i].view);
	ok(f.right && all && hidden_from(&f, "task_struct slab") && strstr(f.detail, "it is in: run queues"),
	   "process %u that is in the run queues alone is found", v.pid);
	testee_restore(&t);
	testee_run(&t);
}

static void hide_process(void)
{
	struct task v;

	if (!find("sleep", &v))
		return;
	for (unsigned i = 0; i < CUTS; i++) {
		testee_stop(&t);
		cuts[i].cut(&v);
		expect_hidden(&v, i, i);
		testee_restore(&t);
		testee_run(&t);
	}
	/* One after the other; what is undone at the end is undone in reverse. */
	testee_stop(&t);
	for (unsigned i = 0; i < CUTS; i++) {
		cuts[i].cut(&v);
		expect_hidden(&v, 0, i);
	}
	testee_restore(&t);
	testee_run(&t);
}

/* ---- a module ---- */

static int on_checked_module(struct module_set *set, const char *name)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (!strcmp(set->m[i].name, name))
			return i;
	return -1;
}

static void expect_module(const char *name, const char *view, unsigned least)
{
	struct found f = { .name = name };
	struct check_sink sink = { on_sign, &f };
	struct m_checked m;

	check_modules(&t.in, &sink, &m);
	ok(f.right && f.n >= least && hidden_from(&f, view), "a module cut out of the %s is found", view);
}

/* Out of all three, its memory is still there. */
static void hide_module(const char *name)
{
	const struct layout *at = &t.in.kernel.at;
	struct found code = { .name = "Hidden.Code" };
	struct check_sink sink = { on_sign, &code };
	struct m_checked m;
	struct module_set set;
	int i;

	if (module_set_init(&set) || module_set_read(&t.in.kernel, &set) ||
	    (i = on_checked_module(&set, name)) < 0) {
		ok(false, "there is a module %s", name);
		return;
	}
	/* Neighbours come and go while a guest runs: what is put back would be of before. */
	testee_stop(&t);
	testee_unlink(&t, set.m[i].va + at->module_link.at);
	expect_module("Hidden.Module", "module list", 2);
	testee_restore(&t);
	testee_unlink(&t, set.m[i].va + at->module_mkobj.at + at->module_kobject_kobj.at +
		      at->kobject_entry.at);
	expect_module("Hidden.Module", "/sys/module", 1);
	/* And from the list, and the tree, whose root is taken for a while. */
	testee_unlink(&t, set.m[i].va + at->module_link.at);
	testee_write(&t, t.in.kernel.symbol[SYM_MOD_TREE].address + at->mod_tree_root_root.at, 0);
	check_modules(&t.in, &sink, &m);
	ok(code.right, "the code of a module that is in no list is found");
	testee_restore(&t);
	testee_run(&t);
	module_set_free(&set);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	testee_stays_clean(&t, CHECK_PROCESSES | CHECK_MODULES, atoi(argv[3]));
	hide_process();
	hide_from_slab();
	hide_from_all_but_queues();
	testee_stays_clean(&t, CHECK_PROCESSES, 3);
	hide_module("loop");
	testee_stays_clean(&t, CHECK_MODULES, 3);
	return ok_done();
}

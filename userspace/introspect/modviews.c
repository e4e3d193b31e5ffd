// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Modules by three structures, and executable memory that is nobody's.  Loading
 * and unloading passes; what is missing in look after look is hidden.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/image.h"
#include "introspect/modset.h"
#include "lib/util.h"

#define LOOKS 12
#define MIN_PAUSE_MS 10			/* at random, so as not to keep step with the guest */
#define MAX_PAUSE_MS 90
#define MODULES_END 0xffffffffff000000ull
#define MAX_TABLES 65536u
#define MAX_RUNS 256u
#define MAX_PAGES 65536u		/* executable ones without an owner that are read */

/* Executable pages side by side that nobody owns. */
struct orphan {
	uint64_t start, end;
};

struct lookout {
	struct introspector *in;
	const struct kernel *k;
	struct module_set modules;
	struct owners owners;
	struct orphan orphan[MAX_RUNS];
	uint32_t norphans, pages, executable;
	int error;			/* of the walk over executable memory */
};

/* ---- executable memory ---- */

static bool is_uniform(const uint8_t *page)
{
	return !memcmp(page, page + 1, FRAME_SIZE - 1);
}

/*
 * Nothing but jumps through registers: the kernel's own thunks against
 * speculation (ITS), which lie in no list that is the same in all kernels.
 */
static bool is_thunks(const uint8_t *page)
{
	for (size_t i = 0; i < FRAME_SIZE; i++) {
		if (page[i] == 0xcc || page[i] == 0x2e || page[i] == 0x3e)
			continue;
		if (page[i] == 0x41 && i + 1 < FRAME_SIZE)
			i++;
		if (page[i] != 0xff || i + 1 == FRAME_SIZE || (page[i + 1] & 0xf8) != 0xe0)
			return false;
		i++;
	}
	return true;
}

static bool is_empty(const struct lookout *l, uint64_t pa)
{
	uint8_t page[FRAME_SIZE];

	/* Never touched: there is no code. */
	return memory_read(l->k->mem, pa, page, sizeof(page)) || is_uniform(page) || is_thunks(page);
}

static bool is_image(const struct kernel *k, uint64_t va)
{
	return va >= k->text_base && va < ((k->symbol[SYM_ETEXT].address + FRAME_MASK) &
					   ~(uint64_t)FRAME_MASK);
}

static int add_orphan(struct lookout *l, uint64_t va)
{
	struct orphan *last = l->norphans ? &l->orphan[l->norphans - 1] : NULL;

	if (last && last->end == va) {
		last->end += FRAME_SIZE;
		return 0;
	}
	if (l->norphans == MAX_RUNS)
		return -E2BIG;
	l->orphan[l->norphans++] = (struct orphan){ va, va + FRAME_SIZE };
	return 0;
}

static int on_leaf(void *ctx, const struct mapping *leaf)
{
	struct lookout *l = ctx;
	int r = 0;

	if (leaf->nx || leaf->user)
		return 0;
	for (uint64_t at = 0; !r && at < leaf->size; at += FRAME_SIZE) {
		uint64_t va = leaf->va + at;

		if (is_image(l->k, va))
			continue;
		l->executable++;
		if (owners_have(&l->owners, va))
			continue;
		if (l->pages++ == MAX_PAGES)
			return -E2BIG;
		if (!is_empty(l, leaf->pa + at) &&
		    owners_trampoline(l->k, &l->owners, va) != TRAMPOLINE_KEPT)
			r = add_orphan(l, va);
	}
	return r;
}

/* The direct map and vmalloc's; the image's and what lies behind it. */
static int find_orphans(struct lookout *l)
{
	int r;

	l->norphans = l->pages = l->executable = 0;
	if (!l->k->symbol[SYM_ETEXT].address)
		return -ENOENT;
	r = page_leaves(&l->k->as, l->k->page_offset, l->k->vmemmap, MAX_TABLES, on_leaf, l);
	return r ? r : page_leaves(&l->k->as, IMAGE_LOW, MODULES_END, MAX_TABLES, on_leaf, l);
}

/* ---- looking, and again ---- */

static int look(struct lookout *l)
{
	int r = module_set_read(l->k, &l->modules);

	if (!r)
		r = owners_read(l->k, &l->modules, &l->owners);
	if (r)
		return r;
	l->norphans = 0;
	/* Without a whole list of owners nothing is nobody's. */
	l->error = l->owners.error ? l->owners.error : find_orphans(l);
	return l->error == -ETIME || l->error == -ENODEV ? l->error : 0;
}

static uint32_t missing_views(const struct module_set *set, const struct module *m)
{
	uint32_t views = 0;

	for (int view = 0; view < MODULE_VIEWS; view++)
		if (!set->view[view].error && !(m->views >> view & 1))
			views |= 1u << view;
	return views;
}

struct missed {
	struct module m;
	uint32_t missing;
};

struct differences {
	struct missed *module;		/* MODULE_SET_MAX */
	struct orphan orphan[MAX_RUNS];
	uint32_t nmodules, norphans;
	uint32_t passing;		/* left out of them */
	bool stood_still;
};

static void remember(const struct lookout *l, struct differences *d)
{
	d->nmodules = 0;
	for (uint32_t i = 0; i < l->modules.n; i++) {
		uint32_t missing = missing_views(&l->modules, &l->modules.m[i]);

		if (missing)
			d->module[d->nmodules++] = (struct missed){ l->modules.m[i], missing };
	}
	memcpy(d->orphan, l->orphan, sizeof(d->orphan));
	d->norphans = l->norphans;
}

static void keep_common(const struct lookout *l, struct differences *d)
{
	uint32_t modules = 0, orphans = 0;

	for (uint32_t i = 0; i < d->nmodules; i++)
		for (uint32_t j = 0; j < l->modules.n; j++) {
			const struct module *now = &l->modules.m[j];
			uint32_t missing = missing_views(&l->modules, now) & d->module[i].missing;

			if (now->va != d->module[i].m.va || !missing)
				continue;
			d->module[modules++] = (struct missed){ *now, missing };
		}
	for (uint32_t i = 0; i < d->norphans; i++)
		for (uint32_t j = 0; j < l->norphans; j++)
			if (l->orphan[j].start < d->orphan[i].end &&
			    d->orphan[i].start < l->orphan[j].end) {
				d->orphan[orphans++] = (struct orphan){
					MAX(l->orphan[j].start, d->orphan[i].start),
					MIN(l->orphan[j].end, d->orphan[i].end),
				};
				break;
			}
	d->nmodules = modules;
	d->norphans = orphans;
}

static int look_until_sure(struct lookout *l, struct differences *d)
{
	uint64_t clock = check_clock(l->k);
	int r = look(l);

	remember(l, d);
	for (int i = 1; !r && (d->nmodules || d->norphans) && i < LOOKS; i++) {
		check_pause(MIN_PAUSE_MS + randombytes_uniform(MAX_PAUSE_MS - MIN_PAUSE_MS));
		r = look(l);
		if (!r)
			keep_common(l, d);
	}
	d->stood_still = (d->nmodules || d->norphans) && check_clock(l->k) == clock;
	return r;
}

/* Half loaded or half unloaded a module may lack its directory alone. */
static bool module_passes(struct passing *p, const struct missed *d)
{
	return d->m.passing && d->missing == 1u << VIEW_SYSFS &&
	       !passing_stays(p, d->m.va, clock_now_ns());
}

static bool orphan_passes(struct lookout *l, struct passing *p, const struct orphan *o)
{
	bool passes = true;

	for (uint64_t va = o->start; passes && va < o->end; va += FRAME_SIZE)
		passes = owners_trampoline(l->k, &l->owners, va) == TRAMPOLINE_LEFT;
	return passes && !passing_stays(p, o->start, clock_now_ns());
}

/* Of a guest that stands still nobody can say what passes. */
static void leave_out_passing(struct lookout *l, struct differences *d)
{
	struct passing *p = &l->in->passing;
	uint32_t modules = 0, orphans = 0;

	passing_begin(p);
	for (uint32_t i = 0; i < d->nmodules; i++)
		if (!d->stood_still && !module_passes(p, &d->module[i]))
			d->module[modules++] = d->module[i];
	for (uint32_t i = 0; i < d->norphans; i++)
		if (!d->stood_still && !orphan_passes(l, p, &d->orphan[i]))
			d->orphan[orphans++] = d->orphan[i];
	passing_end(p);
	d->passing = d->nmodules - modules + d->norphans - orphans;
	d->nmodules = modules;
	d->norphans = orphans;
}

/* ---- what is said ---- */

static int sign_module(const struct missed *d, const struct check_sink *sink)
{
	struct m_sign m = { .kind = SIGN_HIDDEN, .address = d->m.va, .name = "Hidden.Module" };
	char seen[TEXT_WHY], missing[TEXT_WHY];

	snprintf(m.subject, sizeof(m.subject), "%s", d->m.name);
	check_list_views(d->m.views, MODULE_VIEWS, module_view_name, seen, sizeof(seen));
	check_list_views(d->missing, MODULE_VIEWS, module_view_name, missing, sizeof(missing));
	snprintf(m.detail, sizeof(m.detail), "module %s is not in: %s; it is in: %s", d->m.name,
		 missing, seen[0] ? seen : "nothing else");
	return sink->sign(sink->ctx, &m);
}

static int sign_orphan(const struct orphan *o, const struct check_sink *sink)
{
	struct m_sign m = { .kind = SIGN_HIDDEN, .address = o->start, .name = "Hidden.Code" };

	snprintf(m.subject, sizeof(m.subject), "kernel memory %llx-%llx",
		 (unsigned long long)o->start, (unsigned long long)o->end);
	snprintf(m.detail, sizeof(m.detail), "%llu pages of executable kernel memory at %llx belong"
		 " to no module that is listed, nor to BPF, ftrace or kprobes",
		 (unsigned long long)(o->end - o->start) / FRAME_SIZE, (unsigned long long)o->start);
	return sink->sign(sink->ctx, &m);
}

static void explain(const struct lookout *l, const struct differences *d, struct m_checked *m)
{
	const struct module_set *set = &l->modules;

	for (int view = 0; view < MODULE_VIEWS; view++) {
		size_t at = strlen(m->counts);

		if (!set->view[view].error)
			snprintf(m->counts + at, sizeof(m->counts) - at, "%s%s %u", at ? ", " : "",
				 module_view_name(view), set->view[view].n);
		else
			check_add_why(m, "%s: %s", module_view_name(view),
				      check_problem(set->view[view].error));
	}
	if (l->error)
		check_add_why(m, "executable memory: %s%s%s", l->owners.error ? l->owners.who : "",
			      l->owners.error ? ": " : "", check_problem(l->error));
	else
		snprintf(m->counts + strlen(m->counts), sizeof(m->counts) - strlen(m->counts),
			 "; executable pages %u", l->executable);
	if (d->stood_still)
		check_add_why(m, "the guest stood still: %u differences may be under way", d->passing);
	else if (d->passing)
		check_add_why(m, "%u modules or trampolines come or go", d->passing);
	m->status = m->signs ? CHECK_DIFFERS : m->why[0] ? CHECK_INCOMPLETE : CHECK_CLEAN;
}

int check_modules(struct introspector *in, const struct check_sink *sink,
		  struct m_checked *ret_checked)
{
	struct differences *d = NULL;
	struct lookout *l = NULL;
	uint64_t started = clock_now_ns();
	int r, stop = 0;

	*ret_checked = (struct m_checked){ .check = CHECK_MODULES, .status = CHECK_CLEAN };
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
	if (!check_booted(&in->kernel, ret_checked))
		return 0;
	l = calloc(1, sizeof(*l));
	d = calloc(1, sizeof(*d));
	r = l && d ? 0 : -ENOMEM;
	if (!r) {
		l->in = in;
		l->k = &in->kernel;
		d->module = calloc(MODULE_SET_MAX, sizeof(*d->module));
		r = d->module ? module_set_init(&l->modules) : -ENOMEM;
	}
	if (!r)
		r = owners_init(&l->owners);
	if (!r)
		r = look_until_sure(l, d);
	if (!r)
		leave_out_passing(l, d);
	for (uint32_t i = 0; !r && !stop && i < d->nmodules; i++, ret_checked->signs++)
		stop = sign_module(&d->module[i], sink);
	for (uint32_t i = 0; !r && !stop && i < d->norphans; i++, ret_checked->signs++)
		stop = sign_orphan(&d->orphan[i], sink);
	in->gone = in->gone || r == -ENODEV;
	if (r)
		check_failed(in, ret_checked, r);
	else
		explain(l, d, ret_checked);
	if (l) {
		module_set_free(&l->modules);
		owners_free(&l->owners);
	}
	if (d)
		free(d->module);
	free(d);
	free(l);
	ret_checked->elapsed_us = (clock_now_ns() - started) / 1000;
	return stop;
}

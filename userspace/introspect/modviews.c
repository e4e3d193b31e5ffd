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
#include "introspect/modset.h"
#include "introspect/orphans.h"
#include "lib/util.h"

#define LOOKS 12
#define MOST 24				/* while a grace period is waited for */
#define LEAST 2				/* what flickers may be gone in one */
#define WAITED_LOOKS 3u			/* nobody waited for a grace period in so many */
#define WAITED_PERIODS 2u		/* or so many went by: nothing waits to be freed */
#define MAX_SIGNS 128u			/* of one check: a guest is not to flood the journal */
#define QUIET 3u			/* that saw nothing: it has passed */
#define MIN_PAUSE_MS 10			/* at random, so as not to keep step with the guest */
#define MAX_PAUSE_MS 90
#define MODULE_PASSES 1u		/* whose that is, where it is no tracer's */
#define WAITS 2u
#define LATE_PAUSE_MS 300		/* what is unloaded waits for all CPUs, which may be slow */

struct lookout {
	struct introspector *in;
	const struct kernel *k;
	struct module_set modules;
	struct owners owners;
	struct orphans orphans;
	int error;			/* of the walk over executable memory */
};

/* Looks that a view lacked it. */
struct absent {
	struct module m;
	uint32_t looks[MODULE_VIEWS];
	bool passing;			/* in each of them */
};

struct nobodys {
	struct orphan page;
	uint32_t looks;
	uint64_t period;		/* RCU's when it was first seen */
	uint32_t idle;			/* looks in which RCU had none */
	bool passing;
};

/* All that any look saw that counts. */
struct tally {
	struct absent *module;		/* MODULE_SET_MAX */
	struct nobodys *page, *merged;	/* MAX_ORPHANS; by address */
	uint32_t nmodules, npages;
	uint32_t looks[MODULE_VIEWS], memory;	/* that saw them whole */
	uint32_t all;			/* looks */
	uint32_t quiet;			/* looks since one saw anything */
	uint32_t unread, doubtful;	/* pages that could not be read, owners; the least of any look */
	struct check_looks looks_again;
	uint64_t period;		/* RCU's, as of the last look */
	bool period_known, cut, still;
	/* what was made of it */
	uint32_t passing_modules, passing_pages, unsure;
};

/* ---- one look ---- */

static int look(struct lookout *l)
{
	int r = module_set_read(l->k, &l->modules);

	if (!r)
		r = owners_read(l->k, &l->modules, &l->owners);
	if (r)
		return r;
	l->orphans.n = 0;
	/* Without a whole list of owners nothing is nobody's. */
	l->error = l->owners.error ? l->owners.error :
		   orphans_find(l->k, &l->owners, &l->orphans);
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

/* Half loaded or half unloaded one may lack its directory alone. */
static bool passes(const struct module *m, uint32_t missing)
{
	return m->state != LIVE && missing == 1u << VIEW_SYSFS;
}

static void add_module(struct tally *t, const struct module *m, uint32_t missing)
{
	struct absent *a = t->module;

	while (a < t->module + t->nmodules && a->m.va != m->va)
		a++;
	if (a == t->module + t->nmodules) {
		if (t->nmodules == MODULE_SET_MAX) {
			t->cut = true;
			return;
		}
		t->nmodules++;
		*a = (struct absent){ .passing = true };
	}
	a->m = *m;
	a->passing = a->passing && passes(m, missing);
	for (int view = 0; view < MODULE_VIEWS; view++)
		a->looks[view] += missing >> view & 1;
}

/* How many grace periods began, times four, and whether one is under way. */
#define PERIOD_STATE 3u

static void read_period(const struct kernel *k, struct tally *t)
{
	/* The state begins with its nodes, the first of which is the root of all CPUs. */
	t->period_known = k->symbol[SYM_RCU_STATE].address &&
			  !kernel_member(k, k->symbol[SYM_RCU_STATE].address, k->at.rcu_node_gp_seq,
					 &t->period);
}

/* A module that goes, or has started, leaves code behind until a grace period is over. */
static bool may_wait(const struct tally *t, const struct nobodys *n)
{
	const uint64_t since = t->period / (PERIOD_STATE + 1) - n->period / (PERIOD_STATE + 1);

	return !t->still && (!t->period_known || (n->idle < WAITED_LOOKS && since < WAITED_PERIODS));
}

static void count_page(struct nobodys *n, const struct tally *t, const struct orphan *now)
{
	n->passing = n->passing && now->tracer;
	n->page = *now;
	n->looks++;
	n->idle += t->period_known && !(t->period & PERIOD_STATE);
}

static void add_pages(struct tally *t, const struct orphans *o)
{
	struct nobodys *all = t->page, *out = t->merged;
	uint32_t i = 0, j = 0, n = 0;

	while (i < t->npages || j < o->n) {
		const bool old = i < t->npages && (j == o->n || all[i].page.va <= o->page[j].va);
		const bool now = j < o->n && (i == t->npages || o->page[j].va <= all[i].page.va);

		if (n == MAX_ORPHANS) {
			t->cut = true;
			break;
		}
		out[n] = old ? all[i] : (struct nobodys){ .passing = true, .period = t->period };
		if (now)
			count_page(&out[n], t, &o->page[j++]);
		i += old;
		n++;
	}
	t->page = out;
	t->merged = all;
	t->npages = n;
}

/* True if it saw none that is missing. */
static bool count_modules(const struct lookout *l, struct tally *t)
{
	bool quiet = true;

	for (uint32_t i = 0; i < l->modules.n; i++) {
		const uint32_t missing = missing_views(&l->modules, &l->modules.m[i]);

		if (missing)
			add_module(t, &l->modules.m[i], missing);
		quiet = quiet && !missing;
	}
	return quiet;
}

/* The same of pages. */
static bool count_pages(const struct lookout *l, struct tally *t)
{
	const struct orphans *o = &l->orphans;

	t->unread = t->memory ? MIN(t->unread, o->unread) : o->unread;
	t->doubtful = t->memory ? MIN(t->doubtful, l->owners.doubtful) : l->owners.doubtful;
	t->cut = t->cut || o->cut;
	t->memory++;
	add_pages(t, o);
	return !o->n;
}

static void count_look(const struct lookout *l, struct tally *t)
{
	bool whole = !l->error, quiet;

	for (int view = 0; view < MODULE_VIEWS; view++) {
		t->looks[view] += !l->modules.view[view].error;
		whole = whole && (!l->modules.view[view].error || l->modules.view[view].error == -ENOENT);
	}
	read_period(l->k, t);
	quiet = count_modules(l, t);
	if (!l->error)
		quiet = count_pages(l, t) && quiet;
	t->all++;
	/* One that failed says nothing. */
	t->quiet = quiet ? t->quiet + whole : 0;
}

/* ---- looking, and again ---- */

static unsigned pause_before(int look)
{
	const unsigned least = look < LOOKS / 2 ? MIN_PAUSE_MS : LATE_PAUSE_MS;

	return least + randombytes_uniform(MAX_PAUSE_MS - MIN_PAUSE_MS);
}

/* There is code that is nobody's, if only RCU got on. */
static bool waits(const struct tally *t)
{
	for (uint32_t i = 0; i < t->npages; i++)
		if (t->page[i].looks == t->memory && !t->page[i].passing && may_wait(t, &t->page[i]))
			return true;
	return false;
}

static bool wants_more(const struct tally *t, int looks)
{
	return t->nmodules || t->npages ? t->quiet < QUIET : looks < LEAST;
}

static int look_until_sure(struct lookout *l, struct tally *t)
{
	int r;

	check_looks_begin(&t->looks_again, l->k);
	r = look(l);
	if (!r)
		count_look(l, t);
	/* A dump shows the same for ever. */
	for (int i = 1; !r && !t->still && i < (waits(t) ? MOST : LOOKS) && wants_more(t, i); i++) {
		if (!check_look_again(&t->looks_again, pause_before(i), i < LOOKS ? LOOKS - 1 - i : 0))
			continue;
		r = look(l);
		if (!r)
			count_look(l, t);
	}
	return r;
}

/* ---- what was made of it ---- */

static bool is_sure(const struct tally *t, uint32_t looks, uint32_t of)
{
	return looks == of && (of >= CHECK_ENOUGH || t->still);
}

/* Hidden in some looks, and the last of all were not quiet; or seen too seldom. */
static bool is_unsure(const struct tally *t, uint32_t looks, uint32_t of)
{
	return looks && t->quiet < QUIET && !is_sure(t, looks, of);
}

static int sign_module(const struct absent *a, uint32_t views, const struct check_sink *sink)
{
	struct m_sign m = { .kind = SIGN_HIDDEN, .address = a->m.va, .name = "Hidden.Module" };
	static const char *const states[] = {
		"", "; it says it is being loaded", "; it says it is being unloaded",
		"; it says it is not formed yet",
	};
	char seen[TEXT_WHY], missing[TEXT_WHY];

	snprintf(m.subject, sizeof(m.subject), "%s", a->m.name);
	check_list_views(a->m.views, MODULE_VIEWS, module_view_name, seen, sizeof(seen));
	check_list_views(views, MODULE_VIEWS, module_view_name, missing, sizeof(missing));
	snprintf(m.detail, sizeof(m.detail), "module %s is not in: %s; it is in: %s%s", a->m.name,
		 missing, seen[0] ? seen : "nothing else", states[a->m.state]);
	return sink->sign(sink->ctx, &m);
}

/* Passing in some looks is passing, for as long as it may. */
static void note_unsure(struct lookout *l, struct tally *t, bool unsure, uint64_t passing,
			uint64_t whose)
{
	if (!unsure)
		return;
	if (!passing || passing_stays(&l->in->passing, passing, whose, clock_now_ns()))
		t->unsure++;
	else if (whose == MODULE_PASSES)
		t->passing_modules++;
	else
		t->passing_pages++;
}

static int judge_modules(struct lookout *l, struct tally *t, const struct check_sink *sink,
			 struct m_checked *m)
{
	int stop = 0;

	for (uint32_t i = 0; !stop && i < t->nmodules; i++) {
		const struct absent *a = &t->module[i];
		uint32_t missing = 0, unsure = 0;

		for (int view = 0; view < MODULE_VIEWS; view++) {
			missing |= (uint32_t)(a->looks[view] &&
					      is_sure(t, a->looks[view], t->looks[view])) << view;
			unsure |= is_unsure(t, a->looks[view], t->looks[view]);
		}
		if (!missing) {
			note_unsure(l, t, unsure, a->passing ? a->m.va : 0, MODULE_PASSES);
		} else if (a->passing && !passing_stays(&l->in->passing, a->m.va, MODULE_PASSES,
						       clock_now_ns())) {
			t->passing_modules++;
		} else if (m->signs == MAX_SIGNS) {
			t->cut = true;
		} else {
			stop = sign_module(a, missing, sink);
			m->signs++;
		}
	}
	return stop;
}

/* The last page of all ends at 2^64. */
static int sign_pages(uint64_t start, uint64_t last, const struct check_sink *sink)
{
	struct m_sign m = { .kind = SIGN_HIDDEN, .address = start, .name = "Hidden.Code" };

	snprintf(m.subject, sizeof(m.subject), "kernel memory %llx-%llx",
		 (unsigned long long)start, (unsigned long long)last);
	snprintf(m.detail, sizeof(m.detail), "%llu pages of executable kernel memory at %llx belong"
		 " to no module that is listed, nor to BPF, ftrace or kprobes",
		 (unsigned long long)(last - start) / FRAME_SIZE + 1, (unsigned long long)start);
	return sink->sign(sink->ctx, &m);
}

static bool is_hidden(struct lookout *l, struct tally *t, const struct nobodys *n)
{
	const bool sure = is_sure(t, n->looks, t->memory), passing = n->passing || may_wait(t, n);
	const uint64_t whose = n->passing ? n->page.tracer : WAITS;

	if (!sure)
		note_unsure(l, t, is_unsure(t, n->looks, t->memory), passing ? n->page.va : 0, whose);
	else if (!passing || passing_stays(&l->in->passing, n->page.va, whose, clock_now_ns()))
		return true;
	else
		t->passing_pages++;
	return false;
}

/* Pages side by side are one finding. */
static int judge_pages(struct lookout *l, struct tally *t, const struct check_sink *sink,
		       struct m_checked *m)
{
	uint64_t start = 0, last = 0;
	bool open = false;
	int stop = 0;

	for (uint32_t i = 0; !stop && i <= t->npages; i++) {
		const struct nobodys *n = i < t->npages ? &t->page[i] : NULL;
		const bool hidden = n && is_hidden(l, t, n);

		if (open && (!n || (hidden && n->page.va != last + 1))) {
			if (m->signs == MAX_SIGNS) {
				t->cut = true;
				break;
			}
			stop = sign_pages(start, last, sink);
			m->signs++;
			open = false;
		}
		if (hidden) {
			start = open ? start : n->page.va;
			last = n->page.va + (n->page.size - 1);
			open = true;
		}
	}
	return stop;
}

/* Of a guest that stands still nobody can say what passes. */
static int judge(struct lookout *l, struct tally *t, const struct check_sink *sink,
		 struct m_checked *m, bool whole)
{
	struct passing *p = &l->in->passing;
	int stop;

	if (!check_looks_enough(&t->looks_again)) {
		t->unsure = t->quiet < QUIET ? t->nmodules + t->npages : 0;
		return 0;
	}
	passing_begin(p);
	stop = judge_modules(l, t, sink, m);
	if (!stop)
		stop = judge_pages(l, t, sink, m);
	if (whole && !stop)
		passing_end(p);
	return stop;
}

/* ---- what is said ---- */

static void explain_passing(const struct tally *t, struct m_checked *m)
{
	if (t->unsure && !check_looks_enough(&t->looks_again))
		check_add_why(m, "the guest stood still: %u differences may be under way", t->unsure);
	else if (t->unsure)
		check_add_why(m, "%u modules or pages were hidden in some looks only", t->unsure);
	if (t->passing_modules || t->passing_pages)
		check_add_why(m, "%u modules and %u pages come or go", t->passing_modules, t->passing_pages);
	if (t->cut)
		check_add_why(m, "more differs than the limit");
}

static void explain_views(const struct lookout *l, const struct tally *t, struct m_checked *m)
{
	const struct module_set *set = &l->modules;

	for (int view = 0; view < MODULE_VIEWS; view++) {
		size_t at = strlen(m->counts);

		if (t->looks[view])
			snprintf(m->counts + at, sizeof(m->counts) - at, "%s%s %u", at ? ", " : "",
				 module_view_name(view), set->view[view].n);
		else
			check_add_why(m, "%s: %s", module_view_name(view),
				      check_problem(set->view[view].error));
		if (t->looks[view] && 2 * t->looks[view] < t->all)
			check_add_why(m, "%s: whole in %u of %u looks only", module_view_name(view),
				      t->looks[view], t->all);
	}
}

static void explain_memory(const struct lookout *l, const struct tally *t, struct m_checked *m)
{
	if (!t->memory)
		check_add_why(m, "executable memory: %s%s%s", l->owners.error ? l->owners.who : "",
			      l->owners.error ? ": " : "", check_problem(l->error));
	else
		snprintf(m->counts + strlen(m->counts), sizeof(m->counts) - strlen(m->counts),
			 "; executable pages %llu", (unsigned long long)l->orphans.executable);
	if (t->memory && 2 * t->memory < t->all)
		check_add_why(m, "executable memory: whole in %u of %u looks only", t->memory, t->all);
	if (t->unread)
		check_add_why(m, "%u pages of executable memory, or page tables, could not be read", t->unread);
	if (t->doubtful)
		check_add_why(m, "%u modules, or others, claim code that is not executable, or another's",
			      t->doubtful);
}

static void explain(const struct lookout *l, const struct tally *t, struct m_checked *m)
{
	explain_views(l, t, m);
	explain_memory(l, t, m);
	explain_passing(t, m);
	m->status = m->signs ? CHECK_DIFFERS : m->why[0] ? CHECK_INCOMPLETE : CHECK_CLEAN;
}

/* ---- all ---- */

static int make_room(struct lookout *l, struct tally *t)
{
	int r = module_set_init(&l->modules);

	if (!r)
		r = owners_init(&l->owners);
	if (!r)
		r = orphans_init(&l->orphans);
	t->module = calloc(MODULE_SET_MAX, sizeof(*t->module));
	t->page = malloc(MAX_ORPHANS * sizeof(*t->page));
	t->merged = malloc(MAX_ORPHANS * sizeof(*t->merged));
	return r ? r : t->module && t->page && t->merged ? 0 : -ENOMEM;
}

static void free_room(struct lookout *l, struct tally *t)
{
	module_set_free(&l->modules);
	owners_free(&l->owners);
	orphans_free(&l->orphans);
	free(t->module);
	free(t->page);
	free(t->merged);
}

int check_modules(struct introspector *in, const struct check_sink *sink,
		  struct m_checked *ret_checked)
{
	struct lookout l = { .in = in, .k = &in->kernel };
	struct tally t = { .still = in->mem->still };
	uint64_t started = clock_now_ns();
	int r, stop = 0;

	*ret_checked = (struct m_checked){ .check = CHECK_MODULES, .status = CHECK_CLEAN };
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
	if (!check_booted(&in->kernel, ret_checked))
		return 0;
	r = make_room(&l, &t);
	if (!r)
		r = look_until_sure(&l, &t);
	/* What was sure before time was up is sure. */
	if (!r || r == -ETIME)
		stop = judge(&l, &t, sink, ret_checked, !r);
	in->gone = in->gone || r == -ENODEV;
	if (r)
		check_failed(in, ret_checked, r);
	else
		explain(&l, &t, ret_checked);
	free_room(&l, &t);
	ret_checked->elapsed_us = (clock_now_ns() - started) / 1000;
	return stop;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/kerneltell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/facts.h"
#include "introspect/find.h"
#include "lib/util.h"

#define ATTEMPTS 6

_Static_assert(BUILD_ID_MAX <= HASH_BYTES, "m_kernel_facts has room for a BUILD-ID");
_Static_assert(4 * (COMMAND_LINE_SIZE - 1) < TEXT_LINE && 4 * (MODULE_NAME_SIZE - 1) < TEXT_MODULE,
	       "and for texts, escaped");

/* ---- what it says of itself ---- */

static void describe(const struct introspector *in, struct m_kernel_facts *ret)
{
	const struct kernel *k = &in->kernel;
	struct kernel_facts f;

	kernel_read_facts(k, &f);
	*ret = (struct m_kernel_facts){
		.boot_ns = f.boot_ns, .uptime_ns = f.uptime_ns, .text_base = k->text_base,
		.paging_levels = k->as.levels, .symbols = k->kallsyms.nsyms,
		.discovery_us = k->discovery_us,
		.kpti = f.kpti < 0 ? KPTI_UNKNOWN : f.kpti ? KPTI_ON : KPTI_OFF,
	};
	hex_encode(ret->build_id, f.build_id, f.build_id_size);
	snprintf(ret->release, sizeof(ret->release), "%s", in->state.release);
	snprintf(ret->banner, sizeof(ret->banner), "%s", in->state.banner);
	text_escape(ret->command_line, sizeof(ret->command_line), f.command_line,
		    strlen(f.command_line));
}

/* ---- modules ---- */

/* They are kept until the list is known to hold together: it may be read again. */
struct module_list {
	struct kernel_module *module;	/* MAX_MODULES */
	uint32_t n;
};

static int keep(void *ctx, const struct kernel_module *m)
{
	struct module_list *l = ctx;

	l->module[l->n++] = *m;
	return 0;
}

/* Again, with fresh memory, while a running guest changes it underfoot. */
static int collect(struct introspector *in, struct module_list *l)
{
	int r = -ELOOP;

	for (int i = 0; i < ATTEMPTS && r == -ELOOP && !in->mem->expired; i++) {
		if (i)
			memory_refresh(in->mem);
		l->n = 0;
		r = modules_walk(&in->kernel, keep, l);
	}
	in->gone = in->gone || r == -ENODEV;
	return r;
}

static int tell_modules(const struct module_list *l, const struct kernel_sink *sink)
{
	int stop = 0;

	for (uint32_t i = 0; i < l->n && !stop; i++) {
		const struct kernel_module *k = &l->module[i];
		struct m_module m = {
			.base = k->base, .size = MIN(k->size, (uint64_t)INT64_MAX), .state = k->state,
		};

		text_escape(m.name, sizeof(m.name), k->name, strlen(k->name));
		stop = sink->module(sink->ctx, &m);
	}
	return stop;
}

/* ---- all ---- */

static const char *problem(const struct introspector *in, int error)
{
	return in->gone ? find_problem(-ENODEV) : in->mem->expired ? find_problem(-ETIME) :
	       error == -ENOENT ? "this kernel has no list of modules that is known here" :
	       error == -ELOOP ? "the list of modules does not hold together" :
	       "the list of modules could not be read whole";
}

int kernel_tell(struct introspector *in, const struct kernel_sink *sink, struct m_done *ret_done)
{
	autofree struct kernel_module *room = malloc(MAX_MODULES * sizeof(*room));
	struct module_list modules = { .module = room };
	uint64_t started = clock_now_ns();
	struct m_kernel_facts facts;
	int r, stop;

	*ret_done = (struct m_done){ .status = DONE_COMPLETE };
	memory_set_budget(in->mem, LOOK_BUDGET_MS);
	describe(in, &facts);
	r = room ? collect(in, &modules) : -ENOMEM;
	stop = sink->facts(sink->ctx, &facts);
	if (!stop)
		stop = tell_modules(&modules, sink);
	if (r || in->gone || in->mem->expired) {
		ret_done->status = DONE_INCOMPLETE;
		snprintf(ret_done->why, sizeof(ret_done->why), "incomplete; %s", problem(in, r));
	}
	ret_done->elapsed_us = (clock_now_ns() - started) / 1000;
	return stop;
}

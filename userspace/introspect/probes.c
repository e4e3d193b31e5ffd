// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/probes.h"

#include <errno.h>

#include "lib/util.h"

#define BUCKETS 64u			/* KPROBE_HASH_BITS has been 6 for ever */
#define MAX_PROBES 65536u

struct walk {
	const struct kernel *k;
	struct addresses *called;
};

static int add_probe(struct walk *w, uint64_t probe)
{
	const struct layout *at = &w->k->at;
	const struct field own[] = { at->kprobe_pre_handler, at->kprobe_post_handler };
	const struct field of_return[] = { at->kretprobe_handler, at->kretprobe_entry_handler };
	uint64_t first;
	int r = kernel_member(w->k, probe, at->kprobe_pre_handler, &first);

	if (!r)
		r = tracers_add_handlers(w->k, w->called, probe, own, ARRAY_SIZE(own));
	/* A kretprobe begins with its kprobe. */
	if (!r && first && first == w->k->symbol[SYM_PRE_HANDLER_KRETPROBE].address)
		r = tracers_add_handlers(w->k, w->called, probe - at->kretprobe_kp.at, of_return,
					 ARRAY_SIZE(of_return));
	return r;
}

static int on_member(void *ctx, uint64_t node)
{
	struct walk *w = ctx;

	return add_probe(w, node - w->k->at.kprobe_list.at);
}

/* Several at one place, or one that became a jump, are behind one that calls each. */
static int on_probe(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t probe = node - at->kprobe_hlist.at, first;
	int r = kernel_member(w->k, probe, at->kprobe_pre_handler, &first);

	if (r)
		return r;
	if (first && first == w->k->symbol[SYM_AGGR_PRE_HANDLER].address)
		return list_walk(w->k, probe + at->kprobe_list.at, MAX_PROBES, on_member, w);
	return add_probe(w, probe);
}

int probes_walk(const struct kernel *k, list_fn fn, void *ctx)
{
	uint64_t table = k->symbol[SYM_KPROBE_TABLE].address;
	int r = 0;

	for (uint32_t i = 0; table && !r && i < BUCKETS; i++)
		r = hlist_walk(k, table + 8 * i, MAX_PROBES, fn, ctx);
	return r;
}

int probes_read(const struct kernel *k, struct addresses *ret)
{
	uint64_t table = k->symbol[SYM_KPROBE_TABLE].address;
	uint64_t several = k->symbol[SYM_AGGR_PRE_HANDLER].address;
	struct walk w = { k, ret };
	int r;

	ret->n = 0;
	if (!table && !several)
		return 0;			/* a kernel without */
	if (!table || !several || !k->at.kprobe_list.size ||
	    !k->at.kprobe_pre_handler.size || !k->at.kprobe_post_handler.size)
		return -ENOENT;
	r = probes_walk(k, on_probe, &w);
	return r == -EFAULT ? -ELOOP : r;
}

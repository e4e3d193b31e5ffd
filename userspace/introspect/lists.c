// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/lists.h"

#include <errno.h>
#include <string.h>

struct links {
	uint64_t next, back;
};

static int read_links(const struct kernel *k, uint64_t node, struct links *ret)
{
	int r = kernel_pointer(k, node) ? virt_read(&k->as, node, ret, sizeof(*ret)) : -EFAULT;

	/* Not mapped any more: it changes underfoot. */
	return r == -EFAULT ? -ELOOP : r;
}

int list_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx)
{
	struct links links;
	uint64_t before = head;
	int r = read_links(k, head, &links);

	for (uint32_t i = 0; !r && links.next != head; i++) {
		uint64_t node = links.next;

		if (i == max)
			return -E2BIG;
		r = read_links(k, node, &links);
		if (!r && links.back != before)
			r = -ELOOP;
		if (!r)
			r = fn(ctx, node);
		before = node;
	}
	return r;
}

/*
 * The last nodes that were seen, the newest first.  The list goes on behind one that is
 * in it still: what was taken out points at itself, or at what points elsewhere.
 */
#define TRAIL 32
#define RESUMES 16u		/* without a node in between */

struct trail {
	uint64_t node[TRAIL];
	unsigned n;
};

static void leave(struct trail *t, uint64_t node)
{
	memmove(t->node + 1, t->node, (TRAIL - 1) * sizeof(*t->node));
	t->node[0] = node;
	t->n += t->n < TRAIL;
}

static int find_way_back(const struct kernel *k, uint64_t head, const struct trail *t,
			 uint64_t *ret_before, struct links *ret_links)
{
	struct links its, other;

	memory_refresh(k->mem);
	for (unsigned i = 0; i < t->n; i++) {
		const uint64_t node = t->node[i];
		int r = read_links(k, node, &its);

		if (!r && (its.back != node || node == head))
			r = read_links(k, its.back, &other);
		else if (!r)
			r = -ELOOP;
		if (r && r != -ELOOP)
			return r;
		if (r || other.next != node)
			continue;
		*ret_before = node;
		*ret_links = its;
		return 0;
	}
	return -ELOOP;
}

int list_walk_moving(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx)
{
	struct trail trail = { { head }, 1 };
	uint64_t before = head;
	struct links links, next;
	uint32_t resumes = 0;
	int r = read_links(k, head, &links);

	for (uint32_t i = 0; !r && links.next != head; i++) {
		const uint64_t node = links.next;

		if (i == max)
			return -E2BIG;
		r = read_links(k, node, &next);
		if (!r && next.back != before)
			r = -ELOOP;
		if (r == -ELOOP && resumes++ < RESUMES) {
			r = find_way_back(k, head, &trail, &before, &links);
			continue;
		}
		if (!r)
			r = fn(ctx, node);
		resumes = 0;
		leave(&trail, node);
		before = node;
		links = next;
	}
	return r;
}

/* back is here the address of the pointer to the node. */
int hlist_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx)
{
	struct links links;
	uint64_t node, at = head;
	int r = kernel_member(k, head, (struct field){ 0, 8 }, &node);

	for (uint32_t i = 0; !r && node; i++) {
		if (i == max)
			return -E2BIG;
		r = read_links(k, node, &links);
		if (!r && links.back != at)
			r = -ELOOP;
		if (!r)
			r = fn(ctx, node);
		at = node;
		node = links.next;
	}
	return r;
}

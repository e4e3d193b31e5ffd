// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/lists.h"

#include <errno.h>

struct links {
	uint64_t next, back;
};

static int read_links(const struct kernel *k, uint64_t node, struct links *ret)
{
	int r = kernel_pointer(k, node) ? virt_read(&k->as, node, ret, sizeof(*ret)) : -EFAULT;

	/* Not mapped any more: it changes underfoot. */
	return r == -EFAULT ? -ELOOP : r;
}

int list_walk_behind(const struct kernel *k, uint64_t head, uint64_t before, uint32_t max, list_fn fn,
		     void *ctx)
{
	struct links links;
	int r = read_links(k, before, &links);

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

int list_walk(const struct kernel *k, uint64_t head, uint32_t max, list_fn fn, void *ctx)
{
	return list_walk_behind(k, head, head, max, fn, ctx);
}

bool list_holds(const struct kernel *k, uint64_t node)
{
	struct links links, back;

	return !read_links(k, node, &links) && !read_links(k, links.back, &back) && back.next == node &&
	       links.next != node;
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

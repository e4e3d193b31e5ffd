// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/dentries.h"

#include <errno.h>
#include <string.h>

#include "introspect/lists.h"

#define MAX_CHILDREN 65536u
#define ATTEMPTS 3

struct search {
	const struct kernel *k;
	const char *name;
	uint32_t link;
	uint64_t dentry, inode;		/* 0: not found */
};

static int on_child(void *ctx, uint64_t node)
{
	struct search *s = ctx;
	uint64_t dentry = node - s->link, text, inode, hashed;
	char name[256];

	if (kernel_member(s->k, dentry, s->k->at.dentry_inode, &inode) || !inode ||
	    kernel_member(s->k, dentry, s->k->at.dentry_hash_pprev, &hashed) || !hashed ||
	    kernel_member(s->k, dentry, s->k->at.dentry_name, &text) || !kernel_pointer(s->k, text) ||
	    virt_read_text(&s->k->as, text, name, sizeof(name)) < 0 || strcmp(name, s->name))
		return 0;
	s->dentry = dentry;
	s->inode = inode;
	return 1;
}

static int search(struct search *s, uint64_t parent)
{
	const struct layout *at = &s->k->at;

	if (at->dentry_inode.size && at->dentry_children.size && at->dentry_sib.size) {
		s->link = at->dentry_sib.at;
		return hlist_walk(s->k, parent + at->dentry_children.at, MAX_CHILDREN, on_child, s);
	}
	if (at->dentry_inode.size && at->dentry_subdirs.size && at->dentry_child.size) {
		s->link = at->dentry_child.at;
		return list_walk(s->k, parent + at->dentry_subdirs.at, MAX_CHILDREN, on_child, s);
	}
	return -EOPNOTSUPP;
}

int dentry_find(const struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_dentry,
		uint64_t *ret_inode)
{
	struct search s = { .k = k, .name = name };
	int r = -ELOOP;

	/* Names come and go while it is walked. */
	for (int i = 0; i < ATTEMPTS && !s.dentry && r == -ELOOP; i++) {
		if (i)
			memory_refresh(k->mem);
		r = search(&s, parent);
	}
	if (!s.dentry)
		return r ? r : -ENOENT;
	*ret_dentry = s.dentry;
	*ret_inode = s.inode;
	return 0;
}

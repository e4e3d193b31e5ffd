// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/modset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/lists.h"
#include "lib/util.h"

#define ATTEMPTS 6
#define MAX_DEPTH 128			/* of a red-black tree: 2^64 nodes */
#define MAX_NODES (8 * MODULE_SET_MAX)
#define MAX_TEXT (256u << 20)
#define MOD_TEXT 0			/* enum mod_mem_type, which BTF has no use for */
#define MOD_INIT_TEXT 4

const char *module_view_name(int view)
{
	static const char *const names[MODULE_VIEWS] = {
		"module list", "module address tree", "/sys/module",
	};

	return names[view];
}

int module_set_init(struct module_set *set)
{
	memset(set, 0, sizeof(*set));
	set->m = calloc(MODULE_SET_MAX, sizeof(*set->m));
	return set->m ? 0 : -ENOMEM;
}

void module_set_free(struct module_set *set)
{
	free(set->m);
	set->m = NULL;
}

const char *module_set_at(const struct module_set *set, uint64_t va)
{
	for (uint32_t i = 0; i < set->n; i++)
		for (int t = 0; t < MODULE_TEXTS; t++) {
			const struct memory_range *r = &set->m[i].text[t];

			if (va >= r->gpa && va - r->gpa < r->size)
				return set->m[i].name;
		}
	return "";
}

/* ---- one module ---- */

static void read_text(const struct kernel *k, uint64_t va, struct field base, struct field len,
		      struct memory_range *ret)
{
	uint64_t at, size;

	if (!base.size || !len.size || kernel_member(k, va, base, &at) ||
	    kernel_member(k, va, len, &size) || !kernel_pointer(k, at) || size > MAX_TEXT)
		return;
	*ret = (struct memory_range){ at, size };
}

static void read_texts(const struct kernel *k, struct module *m)
{
	const struct layout *at = &k->at;
	static const unsigned types[MODULE_TEXTS] = { MOD_TEXT, MOD_INIT_TEXT };

	if (!at->module_parts.size) {
		read_text(k, m->va, at->module_core_at, at->module_core_text, &m->text[0]);
		read_text(k, m->va, at->module_init_base, at->module_init_text, &m->text[1]);
		return;
	}
	for (int i = 0; i < MODULE_TEXTS; i++) {
		uint64_t mem = m->va + at->module_parts.at + types[i] * at->module_memory_each.size;

		read_text(k, mem, at->module_memory_at, at->module_memory_len, &m->text[i]);
	}
}

static int add_module(const struct kernel *k, struct module_set *set, uint64_t va,
		      enum module_view view)
{
	struct module *m;
	char name[MODULE_NAME] = "";
	uint64_t state;
	uint32_t i = 0;
	int r;

	while (i < set->n && set->m[i].va != va)
		i++;
	m = &set->m[i];
	if (i < set->n) {
		/* The tree has a node for each of its parts. */
		set->view[view].n += !(m->views >> view & 1);
		m->views |= 1u << view;
		return 0;
	}
	if (set->n == MODULE_SET_MAX)
		return -E2BIG;
	r = kernel_pointer(k, va) ? virt_read(&k->as, va + k->at.module_title.at, name,
					      MIN(k->at.module_title.size, MODULE_NAME - 1)) : -EFAULT;
	if (r)
		return r == -EFAULT ? -ELOOP : r;
	memset(m, 0, sizeof(*m));
	m->va = va;
	m->views = 1u << view;
	text_escape(m->name, sizeof(m->name), name, strlen(name));
	set->view[view].n++;
	read_texts(k, m);
	if (k->at.module_status.size && !kernel_member(k, va, k->at.module_status, &state))
		m->state = state <= UNFORMED ? state : LIVE;
	set->n++;
	return 0;
}

/* ---- the views ---- */

struct walk {
	const struct kernel *k;
	struct module_set *set;
	uint32_t left;
};

static int on_list(void *ctx, uint64_t node)
{
	struct walk *w = ctx;

	return add_module(w->k, w->set, node - w->k->at.module_link.at, VIEW_LIST);
}

static int read_list(struct walk *w)
{
	uint64_t head = w->k->symbol[SYM_MODULE_LIST].address;

	return head ? list_walk(w->k, head, MODULE_SET_MAX, on_list, w) : -ENOENT;
}

static int walk_tree(struct walk *w, uint64_t node, int depth)
{
	const struct layout *at = &w->k->at;
	uint64_t left, right, mod;
	int r;

	if (!node)
		return 0;
	if (!depth || !w->left)
		return -ELOOP;
	w->left--;
	r = kernel_member(w->k, node, at->rb_node_left, &left);
	if (!r)
		r = kernel_member(w->k, node, at->rb_node_right, &right);
	if (!r)
		r = kernel_member(w->k, node - at->mod_tree_node_node.at, at->mod_tree_node_mod, &mod);
	if (!r)
		r = add_module(w->k, w->set, mod, VIEW_LATCH_TREE);
	if (!r)
		r = walk_tree(w, left, depth - 1);
	return r ? r : walk_tree(w, right, depth - 1);
}

static int read_tree(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t root, tree = w->k->symbol[SYM_MOD_TREE].address;
	int r;

	if (!tree || !at->mod_tree_root_root.size || !at->mod_tree_node_node.size ||
	    !at->mod_tree_node_mod.size || !at->rb_node_left.size || !at->rb_node_right.size)
		return -ENOENT;
	/* The first of a latch's two trees. */
	r = kernel_member(w->k, tree, (struct field){ at->mod_tree_root_root.at, 8 }, &root);
	w->left = MAX_NODES;
	return r ? r : walk_tree(w, root, MAX_DEPTH);
}

/* What is built in is there too, without a module. */
static int on_kobject(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t owner = node - at->kobject_entry.at - at->module_kobject_kobj.at, mod;
	int r = kernel_member(w->k, owner, at->module_kobject_mod, &mod);

	if (r)
		return r == -EFAULT ? -ELOOP : r;
	return mod ? add_module(w->k, w->set, mod, VIEW_SYSFS) : 0;
}

static int read_sysfs(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t kset, symbol = w->k->symbol[SYM_MODULE_KSET].address;
	int r;

	if (!symbol || !at->kset_list.size || !at->kobject_entry.size ||
	    !at->module_kobject_mod.size)
		return -ENOENT;
	r = virt_read_u64(&w->k->as, symbol, &kset);
	return r ? r : list_walk(w->k, kset + at->kset_list.at, 4 * MODULE_SET_MAX, on_kobject, w);
}

static int (*const readers[MODULE_VIEWS])(struct walk *w) = { read_list, read_tree, read_sysfs };

static void forget_view(struct module_set *set, enum module_view view)
{
	for (uint32_t i = 0; i < set->n; i++)
		set->m[i].views &= ~(1u << view);
	set->view[view].n = 0;
}

int module_set_read(const struct kernel *k, struct module_set *set)
{
	set->n = 0;
	for (int view = 0; view < MODULE_VIEWS; view++) {
		struct walk w = { .k = k, .set = set };
		int r = k->at.module_title.size && k->at.module_link.size ? -ELOOP : -ENOENT;

		for (int i = 0; i < ATTEMPTS && (r == -ELOOP || r == -EFAULT); i++) {
			forget_view(set, view);
			memory_refresh(k->mem);
			r = readers[view](&w);
		}
		set->view[view].error = r;
		if (r == -ENODEV || r == -ETIME)
			return r;
	}
	return 0;
}

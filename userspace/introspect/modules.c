// SPDX-License-Identifier: GPL-2.0-or-later
/* The list of modules: their parts are an array from 6.4 on, two layouts before. */
#include <errno.h>
#include <string.h>

#include "introspect/facts.h"
#include "lib/util.h"

#define MAX_PARTS 16u
#define STATE_UNFORMED 3u		/* not in /proc/modules either */

static int read_parts(const struct kernel *k, uint64_t va, struct kernel_module *m)
{
	const struct layout *at = &k->at;
	uint32_t one = at->module_memory_whole.size;
	uint32_t n = one ? MIN(at->module_mem.size / one, MAX_PARTS) : 0;
	int r = n ? kernel_member(k, va + at->module_mem.at, at->module_memory_base, &m->base) : -ENOENT;

	for (uint32_t i = 0; !r && i < n; i++) {
		uint64_t size;

		r = kernel_member(k, va + at->module_mem.at + i * one, at->module_memory_size, &size);
		m->size += size;
	}
	return r;
}

static int read_layouts(const struct kernel *k, uint64_t va, struct kernel_module *m)
{
	const struct layout *at = &k->at;
	uint64_t core, init;
	int r = kernel_member(k, va, at->module_core_base, &m->base);

	if (!r)
		r = kernel_member(k, va, at->module_core_size, &core);
	if (!r)
		r = kernel_member(k, va, at->module_init_size, &init);
	m->size = r ? 0 : core + init;
	return r;
}

static int read_module(const struct kernel *k, uint64_t va, struct kernel_module *ret)
{
	const struct layout *at = &k->at;
	struct kernel_module m = { .va = va };
	uint64_t state;
	int r = kernel_member(k, va, at->module_state, &state);

	if (!r)
		r = virt_read(&k->as, va + at->module_name.at, m.name,
			      MIN(at->module_name.size, MODULE_NAME_SIZE - 1));
	if (!r)
		r = at->module_mem.size ? read_parts(k, va, &m) : read_layouts(k, va, &m);
	m.state = state;
	if (!r)
		*ret = m;
	return r;
}

int modules_walk(const struct kernel *k,
		 int (*fn)(void *ctx, const struct kernel_module *module), void *ctx)
{
	const uint64_t head = k->symbol[SYM_MODULES].address;
	const struct layout *at = &k->at;
	uint64_t node = head;
	int r = 0;

	if (!head || !at->module_list.size || !at->module_name.size ||
	    !(at->module_mem.size || at->module_core_base.size))
		return -ENOENT;
	for (uint32_t i = 0; i < MAX_MODULES; i++) {
		struct kernel_module m;

		r = kernel_member(k, node, (struct field){ 0, 8 }, &node);
		if (r || node == head)
			return r == -EFAULT ? -ELOOP : r;
		r = kernel_pointer(k, node) ? read_module(k, node - at->module_list.at, &m) : -EFAULT;
		if (r)
			return r == -EFAULT ? -ELOOP : r;
		r = m.state == STATE_UNFORMED ? 0 : fn(ctx, &m);
		if (r)
			return r;
	}
	return -ELOOP;
}

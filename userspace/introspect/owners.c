// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who owns executable memory of the guest's kernel, by what the kernel itself
 * keeps.  A hidden module's code is nobody's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/image.h"
#include "introspect/lists.h"
#include "introspect/modset.h"
#include "introspect/tracers.h"
#include "introspect/trampoline.h"
#include "lib/util.h"

#define ATTEMPTS 6
#define PACK_SIZE (2u << 20)		/* BPF_PROG_PACK_SIZE, for each possible node */
#define MAX_NODES 1024u			/* NODES_SHIFT is 10 at most */
#define MAX_OWNER (64u << 20)
#define MAX_AREAS (1u << 18)
#define JIT_CODE 512u			/* more than either of its functions has */
#define MIN_TRAMPOLINE 72u		/* less cannot save the registers */

int owners_init(struct owners *o)
{
	memset(o, 0, sizeof(*o));
	o->range = malloc(MAX_OWNED * sizeof(*o->range));
	o->module = malloc(MAX_OWNED * sizeof(*o->module));
	return o->range && o->module ? 0 : -ENOMEM;
}

void owners_free(struct owners *o)
{
	free(o->range);
	free(o->module);
	o->range = o->module = NULL;
}

static int add_range(struct owners *o, uint64_t start, uint64_t size)
{
	uint64_t first = start & ~(uint64_t)FRAME_MASK;

	if (!size || size > MAX_OWNER)
		return 0;
	if (o->n == MAX_OWNED)
		return -E2BIG;
	o->range[o->n++] = (struct memory_range){
		first, (start + size - first + FRAME_MASK) & ~(uint64_t)FRAME_MASK,
	};
	return 0;
}

/* ---- is it theirs? ---- */

#define MAX_TABLES 512u			/* that MAX_OWNER can need, and more */

struct claim {
	uint64_t start, end, executable;
};

static int add_executable(void *ctx, const struct mapping *leaf)
{
	struct claim *c = ctx;

	if (!leaf->nx)
		c->executable += MIN(c->end, leaf->va + leaf->size) - MAX(c->start, leaf->va);
	return 0;
}

/* Who claims more than its code could be hiding another's beside it. */
static void doubt(const struct kernel *k, struct owners *o, uint64_t start, uint64_t size)
{
	struct claim c = {
		.start = start & ~(uint64_t)FRAME_MASK,
		.end = (start + size + FRAME_MASK) & ~(uint64_t)FRAME_MASK,
	};

	if (size && (c.end <= c.start ||
		     page_leaves(&k->as, c.start, c.end, MAX_TABLES, add_executable, &c) ||
		     c.executable < c.end - c.start))
		o->doubtful++;
}

struct walk {
	const struct kernel *k;
	struct owners *o;
	uint32_t nodes;
};

/* ---- BPF ---- */

static int on_ksym(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t ksym = node - at->bpf_ksym_lnode.at, start, end;
	int r = kernel_member(w->k, ksym, at->bpf_ksym_start, &start);

	if (!r)
		r = kernel_member(w->k, ksym, at->bpf_ksym_end, &end);
	if (r)
		return r == -EFAULT ? -ELOOP : r;
	return end > start ? add_range(w->o, start, end - start) : 0;
}

static int read_ksyms(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t head = w->k->symbol[SYM_BPF_KALLSYMS].address;

	if (!head || !at->bpf_ksym_lnode.size || !at->bpf_ksym_start.size || !at->bpf_ksym_end.size)
		return -ENOENT;
	return list_walk(w->k, head, MAX_OWNED, on_ksym, w);
}

/* Programs that are in no list of names (seccomp's, all of classic BPF) lie in packs too. */
static int on_pack(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	uint64_t ptr;
	int r = kernel_member(w->k, node, w->k->at.bpf_prog_pack_ptr, &ptr);

	if (r)
		return r == -EFAULT ? -ELOOP : r;
	doubt(w->k, w->o, ptr, MIN(w->nodes * PACK_SIZE, MAX_OWNER));
	/* A list is the struct's first member. */
	return add_range(w->o, ptr, MIN(w->nodes * PACK_SIZE, MAX_OWNER));
}

/* node_states[N_POSSIBLE], the first of several masks. */
static uint32_t count_nodes(const struct kernel *k)
{
	uint64_t mask[MAX_NODES / 64];
	uint32_t most = 1, n = 0;

	if (!k->symbol[SYM_NODES].address || !k->symbol[SYM_NODE_STATES].address ||
	    virt_read(&k->as, k->symbol[SYM_NODES].address, &most, sizeof(most)) ||
	    virt_read(&k->as, k->symbol[SYM_NODE_STATES].address, mask, sizeof(mask)))
		return 1;
	most = MIN(most, MAX_NODES);
	for (uint32_t i = 0; i < most; i++)
		n += mask[i / 64] >> i % 64 & 1;
	return MAX(n, 1u);
}

/* ---- BPF before there were packs (5.18): memory that its JIT asked for ---- */

static bool is_jit(const struct kernel *k, uint64_t caller)
{
	static const enum kernel_symbol jit[] = { SYM_JIT_ALLOC, SYM_JIT_ALLOC_EXEC };

	for (size_t i = 0; i < ARRAY_SIZE(jit); i++) {
		const uint64_t start = k->symbol[jit[i]].address;

		if (start && caller > start && caller - start < JIT_CODE)
			return true;
	}
	return false;
}

/* It begins with its number of pages; behind them is one that is not mapped. */
static int on_area(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t vm, caller, addr, size;
	uint32_t pages;
	int r = kernel_member(w->k, node - at->vmap_area_node.at, at->vmap_area_vm, &vm);

	if (r)
		return r == -EFAULT ? -ELOOP : r;
	if (!kernel_pointer(w->k, vm))
		return 0;
	r = kernel_member(w->k, vm, at->vm_struct_caller, &caller);
	if (!r && !is_jit(w->k, caller))
		return 0;
	if (!r)
		r = kernel_member(w->k, vm, at->vm_struct_addr, &addr);
	if (!r)
		r = kernel_member(w->k, vm, at->vm_struct_size, &size);
	if (!r)
		r = virt_read(&w->k->as, addr, &pages, sizeof(pages));
	if (r)
		return r == -EFAULT ? -ELOOP : r;
	return pages && size / FRAME_SIZE == pages + 1ull ?
	       add_range(w->o, addr, (uint64_t)pages * FRAME_SIZE) : 0;
}

static int read_areas(struct walk *w)
{
	const struct layout *at = &w->k->at;
	uint64_t head = w->k->symbol[SYM_AREA_LIST].address;

	if (!head || !w->k->symbol[SYM_JIT_ALLOC].address || !at->vmap_area_node.size ||
	    !at->vmap_area_vm.size || !at->vm_struct_caller.size || !at->vm_struct_addr.size ||
	    !at->vm_struct_size.size)
		return -ENOENT;
	return list_walk(w->k, head, MAX_AREAS, on_area, w);
}

static int read_packs(struct walk *w)
{
	uint64_t head = w->k->symbol[SYM_PACK_LIST].address;

	if (!head)
		return read_areas(w);
	if (!w->k->at.bpf_prog_pack_ptr.size)
		return -ENOENT;
	w->nodes = count_nodes(w->k);
	return list_walk(w->k, head, MAX_OWNED, on_pack, w);
}

/* ---- tracing ---- */

static int on_ops(void *ctx, uint64_t ops)
{
	struct walk *w = ctx;
	const struct layout *at = &w->k->at;
	uint64_t start, size;
	int r = kernel_member(w->k, ops, at->ftrace_ops_trampoline, &start);

	if (!r)
		r = kernel_member(w->k, ops, at->ftrace_ops_trampoline_size, &size);
	return r || !start || size > MAX_TRAMPOLINE ? r : add_range(w->o, start, size);
}

static int read_trampolines(struct walk *w)
{
	int r = -ENOENT;

	if (w->k->at.ftrace_ops_trampoline.size && w->k->at.ftrace_ops_trampoline_size.size)
		r = tracers_walk(w->k, on_ops, w);
	return r == -ENOENT ? 0 : r;	/* a kernel without */
}

static bool owns(const struct kernel *k, uint64_t ops, uint64_t page, uint32_t size)
{
	const struct layout *at = &k->at;
	uint64_t start, length;

	return kernel_pointer(k, ops) && !(ops % 8) &&
	       !kernel_member(k, ops, at->ftrace_ops_trampoline, &start) && start == page &&
	       !kernel_member(k, ops, at->ftrace_ops_trampoline_size, &length) && length == size;
}

/* The kernel's own: static, in its image, and it calls the kernel's text. */
static bool is_kept(const struct kernel *k, uint64_t ops, uint64_t page, const uint8_t *code,
		    uint32_t size)
{
	uint64_t called;

	return ops >= k->text_base && ops < IMAGE_HIGH &&
	       !trampoline_calls(k, page, code, size, &called) && kernel_text(k, called);
}

static enum trampoline what_is(const struct kernel *k, uint64_t page, uint64_t *ret_tracer)
{
	uint8_t code[MAX_TRAMPOLINE];
	uint64_t ops;

	if (!k->at.ftrace_ops_trampoline.size || !k->at.ftrace_ops_trampoline_size.size ||
	    virt_read(&k->as, page, code, sizeof(code)))
		return NO_TRAMPOLINE;
	for (uint32_t end = MIN_TRAMPOLINE; end <= sizeof(code); end++) {
		memcpy(&ops, code + end - sizeof(ops), sizeof(ops));
		if (!owns(k, ops, page, end))
			continue;
		*ret_tracer = ops;
		return is_kept(k, ops, page, code, end) ? TRAMPOLINE_KEPT : TRAMPOLINE_LEFT;
	}
	return NO_TRAMPOLINE;
}

enum trampoline owners_trampoline(const struct kernel *k, struct owners *o, uint64_t va)
{
	if (va & FRAME_MASK)
		return NO_TRAMPOLINE;
	if (o->page != va) {
		/* What a module or anybody else has is no trampoline, whatever it says. */
		o->is = owners_have(o, va) ? NO_TRAMPOLINE : what_is(k, va, &o->tracer);
		o->page = va;
	}
	return o->is;
}

static int on_slots(void *ctx, uint64_t node)
{
	struct walk *w = ctx;
	uint64_t insns;
	int r = kernel_member(w->k, node, w->k->at.kprobe_insn_page_insns, &insns);

	return r ? r == -EFAULT ? -ELOOP : r : add_range(w->o, insns, FRAME_SIZE);
}

static int read_kprobes(struct walk *w)
{
	static const enum kernel_symbol caches[] = { SYM_KPROBE_SLOTS, SYM_KPROBE_OPTSLOTS };
	int r = 0;

	if (!w->k->at.kprobe_insn_cache_pages.size || !w->k->at.kprobe_insn_page_insns.size)
		return 0;
	for (size_t i = 0; !r && i < ARRAY_SIZE(caches); i++) {
		uint64_t cache = w->k->symbol[caches[i]].address;

		if (cache)
			r = list_walk(w->k, cache + w->k->at.kprobe_insn_cache_pages.at, MAX_OWNED,
				      on_slots, w);
	}
	return r;
}

/* ---- the start of CPUs and of other kernels ---- */

static int read_boot_code(struct walk *w)
{
	const struct symbol *s = w->k->symbol;
	uint64_t at, size = s[SYM_REAL_BLOB_END].address - s[SYM_REAL_BLOB].address;
	int r = 0;

	if (s[SYM_REAL_MODE].address && s[SYM_REAL_BLOB].address &&
	    s[SYM_REAL_BLOB_END].address > s[SYM_REAL_BLOB].address) {
		r = virt_read_u64(&w->k->as, s[SYM_REAL_MODE].address, &at);
		if (!r && kernel_pointer(w->k, at))
			r = add_range(w->o, at, MIN(size, 1u << 20));
	}
	for (int i = SYM_KEXEC_IMAGE; !r && i <= SYM_KEXEC_CRASH; i++) {
		uint64_t page, frame;

		if (!s[i].address || virt_read_u64(&w->k->as, s[i].address, &at) || !at ||
		    kernel_member(w->k, at, w->k->at.kimage_control_code_page, &page))
			continue;
		frame = kernel_page_frame(w->k, page);
		if (frame != NO_FRAME)
			r = add_range(w->o, w->k->page_offset + frame, FRAME_SIZE);
	}
	return r;
}

/* ---- all ---- */

static int by_start(const void *a, const void *b)
{
	const struct memory_range *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* Sorted, and merged where they touch or overlap; how many there are then. */
static uint32_t tidy(struct memory_range *range, uint32_t all, uint32_t *ret_overlaps)
{
	uint32_t n = 0;

	*ret_overlaps = 0;
	if (!all)
		return 0;
	qsort(range, all, sizeof(*range), by_start);
	for (uint32_t i = 1; i < all; i++) {
		struct memory_range *last = &range[n];
		const uint64_t end = range[i].gpa + range[i].size, last_end = last->gpa + last->size;

		*ret_overlaps += range[i].gpa < last_end;
		if (range[i].gpa <= last_end)
			last->size = MAX(last_end, end) - last->gpa;
		else
			range[++n] = range[i];
	}
	return n + 1;
}

static uint64_t end_of(const struct memory_range *range, uint32_t n, uint64_t va)
{
	uint32_t low = 0, high = n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (range[middle].gpa + range[middle].size <= va)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && range[low].gpa <= va ? range[low].gpa + range[low].size : 0;
}

static int add_module(const struct kernel *k, struct owners *o, const struct module *m)
{
	int r = 0;

	for (int t = 0; !r && t < MODULE_TEXTS; t++) {
		/* One that comes or goes has it in part, or not yet. */
		if (m->state == LIVE)
			doubt(k, o, m->text[t].gpa, m->text[t].size);
		r = add_range(o, m->text[t].gpa, m->text[t].size);
	}
	return r;
}

static int add_modules(const struct kernel *k, struct owners *o, const struct module_set *modules)
{
	uint32_t overlaps;
	int r = 0;

	for (uint32_t i = 0; !r && i < modules->n; i++)
		if (modules->m[i].views & 1u << VIEW_LIST)
			r = add_module(k, o, &modules->m[i]);
	memcpy(o->module, o->range, o->n * sizeof(*o->range));
	o->nmodules = tidy(o->module, o->n, &overlaps);
	o->doubtful += overlaps;
	return r;
}

int owners_read(const struct kernel *k, const struct module_set *modules, struct owners *o)
{
	static const struct {
		int (*read)(struct walk *w);
		const char *who;
	} all[] = {
		{ read_ksyms, "BPF programs" }, { read_packs, "BPF's memory" },
		{ read_trampolines, "ftrace" }, { read_kprobes, "kprobes" },
		{ read_boot_code, "boot code" },
	};
	struct walk w = { .k = k, .o = o };
	uint32_t overlaps;

	o->n = o->doubtful = 0;
	o->page = UINT64_MAX;
	o->is = NO_TRAMPOLINE;
	o->error = add_modules(k, o, modules);
	o->who = "modules";
	for (size_t i = 0; !o->error && i < ARRAY_SIZE(all); i++) {
		const uint32_t before = o->n, doubtful = o->doubtful;
		int r = -ELOOP;

		for (int t = 0; t < ATTEMPTS && (r == -ELOOP || r == -EFAULT); t++) {
			o->n = before;
			o->doubtful = doubtful;
			memory_refresh(k->mem);
			r = all[i].read(&w);
		}
		o->error = r;
		o->who = all[i].who;
	}
	o->n = tidy(o->range, o->n, &overlaps);
	return o->error == -ETIME || o->error == -ENODEV ? o->error : 0;
}

bool owners_generated(const struct owners *o, uint64_t va)
{
	return !end_of(o->module, o->nmodules, va) && owners_have(o, va);
}

bool owners_have(const struct owners *o, uint64_t va)
{
	return owners_end(o, va) != 0;
}

uint64_t owners_end(const struct owners *o, uint64_t va)
{
	return end_of(o->range, o->n, va);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/vmas.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define MAX_DEPTH 12			/* 10 slots a node: 65536 mappings need 5 */
#define MAX_NODE 512u			/* bytes; 256 in all kernels so far */
#define MAX_VMA 1024u			/* bytes of a vm_area_struct looked at */
#define MAX_NODES (2 * MAX_VMAS)

struct walk {
	const struct kernel *k;
	uint64_t mm, last_end;
	uint32_t vmas, nodes;
	int (*fn)(void *ctx, const struct vma *vma);
	void *ctx;
};

static uint64_t member(const uint8_t *bytes, size_t room, struct field f)
{
	uint64_t v = 0;
	uint32_t size = MIN(f.size, (uint32_t)sizeof(v));

	/* A copy of a size known here is one load; nearly all are of 8 bytes. */
	if (size == sizeof(v) && f.at + sizeof(v) <= room)
		memcpy(&v, bytes + f.at, sizeof(v));
	else if (f.at + size <= room)
		memcpy(&v, bytes + f.at, size);
	return v;
}

static bool is_word(const struct layout *at, struct field f)
{
	return f.size == 8 && f.at + 8 <= MIN(at->vm_area_struct_size.size, MAX_VMA);
}

/* As in every kernel: a mapping is read by the ten thousand, and each word is one load. */
static bool has_words(const struct layout *at)
{
	return is_word(at, at->vm_area_struct_vm_start) && is_word(at, at->vm_area_struct_vm_end) &&
	       is_word(at, at->vm_area_struct_vm_flags) && is_word(at, at->vm_area_struct_vm_pgoff) &&
	       is_word(at, at->vm_area_struct_vm_file) && is_word(at, at->vm_area_struct_vm_mm);
}

/* Read once, however often the caller looks at what it got. */
static uint64_t word(const uint8_t *bytes, struct field f)
{
	typedef uint64_t __attribute__((aligned(1), may_alias)) anywhere;

	return *(const volatile anywhere *)(bytes + f.at);
}

static int visit(struct walk *w, uint64_t va)
{
	const struct layout *at = &w->k->at;
	uint8_t copy[MAX_VMA];
	size_t size = MIN(at->vm_area_struct_size.size, MAX_VMA);
	const uint8_t *bytes;
	struct vma v;
	int r = kernel_pointer(w->k, va) ? virt_view(&w->k->as, va, copy, size, &bytes) : -EPROTO;

	if (r)
		return r;
	/* Each is read once: the guest may change them meanwhile. */
	v = (struct vma){
		.va = va,
		.start = word(bytes, at->vm_area_struct_vm_start),
		.end = word(bytes, at->vm_area_struct_vm_end),
		.flags = word(bytes, at->vm_area_struct_vm_flags),
		.pgoff = word(bytes, at->vm_area_struct_vm_pgoff),
		.file = word(bytes, at->vm_area_struct_vm_file),
		.ops = member(bytes, size, at->vm_area_struct_vm_ops),
		.private_data = member(bytes, size, at->vm_area_struct_vm_private_data),
		.anon = member(bytes, size, at->vm_area_struct_anon_vma),
	};
	/* In order, never overlapping: this also ends every loop. */
	if (word(bytes, at->vm_area_struct_vm_mm) != w->mm || v.start >= v.end ||
	    v.start < w->last_end || (v.start | v.end) & FRAME_MASK || v.end >> 63)
		return -EPROTO;
	if (w->vmas++ == MAX_VMAS)
		return -E2BIG;
	w->last_end = v.end;
	return w->fn(w->ctx, &v);
}

/*
 * A node's mappings lie all over the guest's memory, and to wait for each is most
 * of what a walk does: all are asked for before the first is looked at.
 */
static void expect_mappings(const struct walk *w, const uint8_t *node, size_t size, struct field slots)
{
	const size_t len = MIN(w->k->at.vm_area_struct_size.size, MAX_VMA);

	for (uint32_t i = 0; i < MIN(slots.size, size) / 8; i++) {
		uint64_t slot = member(node, size, (struct field){ slots.at + 8 * i, 8 });

		if (slot && !(slot & 3))
			virt_prefetch(&w->k->as, slot, len);
	}
}

/* ---- maple tree ---- */

struct node_shape {
	struct field pivot, slot;
	bool leaf;
};

static int shape_of(const struct kernel *k, uint64_t entry, struct node_shape *ret)
{
	unsigned type = (entry >> 3) & 15;

	if (type == k->at.maple_arange_64)
		*ret = (struct node_shape){ k->at.maple_arange_64_pivot,
					    k->at.maple_arange_64_slot, false };
	else if (type == k->at.maple_range_64 || type == k->at.maple_leaf_64)
		*ret = (struct node_shape){ k->at.maple_range_64_pivot,
					    k->at.maple_range_64_slot,
					    type == k->at.maple_leaf_64 };
	else
		return -EPROTO;
	return 0;
}

static int walk_node(struct walk *w, uint64_t entry, uint64_t min, uint64_t max, int depth);

static int walk_slot(struct walk *w, uint64_t slot, bool leaf, uint64_t min, uint64_t max, int depth)
{
	if (!slot)
		return 0;
	if (!leaf)
		return walk_node(w, slot, min, max, depth - 1);
	/* Internal and value entries are no mappings. */
	return slot & 3 ? 0 : visit(w, slot);
}

static int walk_node(struct walk *w, uint64_t entry, uint64_t min, uint64_t max, int depth)
{
	uint8_t bytes[MAX_NODE];
	size_t size = MIN(w->k->at.maple_node_size.size, MAX_NODE);
	uint64_t node = entry & ~0xffull;
	struct node_shape s;
	uint32_t pivots;
	int r = shape_of(w->k, entry, &s);

	if (!r)
		r = depth && w->nodes++ < MAX_NODES && kernel_pointer(w->k, node) ? 0 : -EPROTO;
	if (!r)
		r = virt_read(&w->k->as, node, bytes, size);
	if (!r && s.leaf)
		expect_mappings(w, bytes, size, s.slot);
	pivots = s.pivot.size / 8;
	for (uint32_t i = 0; !r && i < s.slot.size / 8; i++) {
		const struct field pivot = { s.pivot.at + 8 * i, 8 };
		const struct field slot = { s.slot.at + 8 * i, 8 };
		uint64_t last = i < pivots ? member(bytes, size, pivot) : max;

		if ((i && !last) || last > max)
			last = max;
		r = walk_slot(w, member(bytes, size, slot), s.leaf, min, last, depth);
		if (last >= max)
			break;
		min = last + 1;
	}
	return r;
}

static int walk_tree(struct walk *w)
{
	uint64_t root;
	int r = kernel_member(w->k, w->mm, w->k->at.mm_struct_ma_root, &root);

	if (r || !root)
		return r;
	if ((root & 3) == 2 && root > 4096)
		return walk_node(w, root, 0, UINT64_MAX, MAX_DEPTH);
	return root & 3 ? -EPROTO : visit(w, root);
}

/* ---- list ---- */

static int walk_list(struct walk *w)
{
	uint64_t vma;
	int r = kernel_member(w->k, w->mm, w->k->at.mm_struct_mmap, &vma);

	while (!r && vma) {
		r = visit(w, vma);
		if (!r)
			r = kernel_member(w->k, vma, w->k->at.vm_area_struct_vm_next, &vma);
	}
	return r;
}

int vmas_walk(const struct kernel *k, uint64_t mm,
	      int (*fn)(void *ctx, const struct vma *vma), void *ctx)
{
	struct walk w = { .k = k, .mm = mm, .fn = fn, .ctx = ctx };

	if (!has_words(&k->at))
		return -EPROTO;
	return k->at.mm_struct_ma_root.size ? walk_tree(&w) : walk_list(&w);
}

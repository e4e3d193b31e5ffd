// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's BTF.  libbpf parses it; every id, count and offset it holds is
 * still the guest's word and is checked again where it is used.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/layout.h"
#include "lib/util.h"

#define BTF_MIN_SECTION 65536u		/* a kernel's types are megabytes */
#define BTF_MAX_SECTION (64u << 20)
#define MAX_CANDIDATES 32u		/* a hostile image may be full of headers */
#define MAX_STRIP 16			/* typedefs and qualifiers in a row */
#define MAX_ANONYMOUS 6			/* unions within structs within unions */
#define MAX_NAMED 4096			/* types looked at for one name */
#define MAX_MEMBERS 20000000u		/* members looked at for a whole layout */

/* ---- finding ---- */

static bool section_fits(const struct btf_header *h, uint32_t off, uint32_t size, size_t room)
{
	return size >= BTF_MIN_SECTION && size <= BTF_MAX_SECTION &&
	       off <= BTF_MAX_SECTION && (uint64_t)h->hdr_len + off + size <= room;
}

/* Length of the blob at p, or 0 if that is no header of a kernel's BTF. */
static size_t header_check(const uint8_t *p, size_t room)
{
	struct btf_header h;
	const uint8_t *text;

	if (room < sizeof(h))
		return 0;
	memcpy(&h, p, sizeof(h));
	if (h.version != BTF_VERSION || h.flags || h.hdr_len < sizeof(h) || h.hdr_len > 256 ||
	    h.type_off % 4 || !section_fits(&h, h.type_off, h.type_len, room) ||
	    !section_fits(&h, h.str_off, h.str_len, room))
		return 0;
	text = p + h.hdr_len + h.str_off;
	if (text[0] || text[h.str_len - 1])
		return 0;
	return h.hdr_len + MAX(h.type_off + h.type_len, h.str_off + h.str_len);
}

size_t btf_next_header(const uint8_t *image, size_t len, size_t from, size_t *ret_len)
{
	static const uint8_t magic[4] = { 0x9f, 0xeb, BTF_VERSION, 0 };

	while (from < len) {
		/* Faster than memmem, which has no use of a needle so short. */
		const uint8_t *p = memchr(image + from, magic[0], len - from);
		size_t blob;

		if (!p || len - (p - image) < sizeof(magic))
			return len;
		blob = memcmp(p, magic, sizeof(magic)) ? 0 : header_check(p, len - (p - image));
		if (blob) {
			*ret_len = blob;
			return p - image;
		}
		from = p - image + 1;
	}
	return len;
}

struct btf *btf_find(const uint8_t *image, size_t len, size_t *ret_offset, size_t *ret_len)
{
	unsigned candidates = 0;
	size_t blob = 0;

	for (size_t at = btf_next_header(image, len, 0, &blob);
	     at < len && candidates++ < MAX_CANDIDATES;
	     at = btf_next_header(image, len, at + 1, &blob)) {
		struct btf *btf = btf__new(image + at, blob);

		if (!btf)
			continue;
		if (btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT) > 0) {
			*ret_offset = at;
			*ret_len = blob;
			return btf;
		}
		btf__free(btf);
	}
	return NULL;
}

/* ---- members ---- */

static const struct btf_type *strip(const struct btf *btf, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	for (int i = 0; t && i < MAX_STRIP; i++) {
		switch (btf_kind(t)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			t = btf__type_by_id(btf, t->type);
			break;
		default:
			return t;
		}
	}
	return NULL;
}

static uint32_t type_size(const struct btf *btf, uint32_t id)
{
	uint64_t count = 1;

	for (int i = 0; i < MAX_STRIP; i++) {
		const struct btf_type *t = strip(btf, id);

		if (!t)
			return 0;
		if (btf_is_ptr(t))
			return count * sizeof(uint64_t);
		if (!btf_is_array(t))
			return count * t->size <= UINT16_MAX ? count * t->size : 0;
		count *= btf_array(t)->nelems;
		if (count > UINT16_MAX)
			return 0;
		id = btf_array(t)->type;
	}
	return 0;
}

struct found {
	uint64_t bit;
	uint32_t type;
};

/*
 * Anonymous structs and unions are looked through, MAX_ANONYMOUS deep.  A type
 * may claim to hold itself many times, so that a few bytes unfold without end:
 * *left counts down for all lookups together.
 */
static bool find_member(const struct btf *btf, const struct btf_type *t, const char *name,
			size_t len, int depth, uint32_t *left, struct found *ret_found)
{
	const struct btf_member *m = btf_members(t);

	for (uint32_t i = 0; i < btf_vlen(t) && *left; i++) {
		const char *n = btf__name_by_offset(btf, m[i].name_off);
		uint64_t bit = btf_member_bit_offset(t, i);
		const struct btf_type *inner;

		--*left;
		if (!n)
			continue;
		if (strncmp(n, name, len) == 0 && n[len] == '\0') {
			*ret_found = (struct found){ bit, m[i].type };
			return true;
		}
		if (n[0] || depth == 0)
			continue;
		inner = strip(btf, m[i].type);
		if (inner && btf_is_composite(inner) &&
		    find_member(btf, inner, name, len, depth - 1, left, ret_found)) {
			ret_found->bit += bit;
			return true;
		}
	}
	return false;
}

/* One alternative: "a.b.c", len bytes of it. */
static struct field follow(const struct btf *btf, uint32_t id, const char *path, size_t len,
			   uint32_t *left)
{
	const struct field none = { 0, 0 };
	uint64_t bit = 0;

	while (len) {
		const char *dot = memchr(path, '.', len);
		size_t part = dot ? (size_t)(dot - path) : len;
		const struct btf_type *t = strip(btf, id);
		struct found found;

		if (!t || !btf_is_composite(t) ||
		    !find_member(btf, t, path, part, MAX_ANONYMOUS, left, &found))
			return none;
		bit += found.bit;
		id = found.type;
		part += dot ? 1 : 0;
		path += part;
		len -= part;
	}
	if (bit % 8 || bit / 8 > UINT16_MAX)
		return none;
	return (struct field){ bit / 8, type_size(btf, id) };
}

static struct field first_of(const struct btf *btf, uint32_t id, const char *paths,
			     uint32_t *left)
{
	for (;;) {
		size_t len = strcspn(paths, "|");
		struct field f = follow(btf, id, paths, len, left);

		if (f.size || !paths[len])
			return f;
		paths += len + 1;
	}
}

/* ---- types by name ---- */

#define MAX_NAMES 255u

/*
 * The structs and enums that are wanted, found in one pass over all types.
 * Names are not unique (a driver may have a "struct file" of its own).
 */
struct index {
	const char *name[MAX_NAMES];
	uint32_t names;
	uint8_t first[256];		/* the last name that begins with this character, and 1 */
	uint8_t next[MAX_NAMES];	/* the one before it, likewise; 0: none */
	struct {
		uint32_t id, name;
	} found[MAX_NAMED];
	uint32_t n;
};

static void index_want(struct index *x, const char *name)
{
	for (uint32_t i = 0; i < x->names; i++)
		if (!strcmp(x->name[i], name))
			return;
	if (x->names == MAX_NAMES)
		return;
	x->name[x->names] = name;
	x->next[x->names] = x->first[(uint8_t)name[0]];
	x->first[(uint8_t)name[0]] = ++x->names;
}

static void index_type(struct index *x, uint32_t id, const char *name)
{
	for (uint32_t i = x->first[(uint8_t)name[0]]; i; i = x->next[i - 1]) {
		if (strcmp(x->name[i - 1], name))
			continue;
		x->found[x->n].id = id;
		x->found[x->n++].name = i - 1;
		return;
	}
}

static void index_build(struct index *x, const struct btf *btf)
{
	uint32_t types = btf__type_cnt(btf);

	for (uint32_t id = 1; id < types && x->n < MAX_NAMED; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		const char *name;

		if (!t || !(btf_is_composite(t) || btf_is_enum(t)))
			continue;
		name = btf__name_by_offset(btf, t->name_off);
		if (name)
			index_type(x, id, name);
	}
}

/* Of the types of that name that have the member, the largest is the kernel's. */
static struct field search(const struct btf *btf, const struct index *x, const char *structure,
			   const char *paths, uint32_t *hint, uint32_t *left)
{
	struct field best = { 0, 0 };
	uint32_t largest = 0;

	for (uint32_t i = 0; i < x->n && *left; i++) {
		const struct btf_type *t = btf__type_by_id(btf, x->found[i].id);
		struct field f;

		if (strcmp(x->name[x->found[i].name], structure) || !btf_is_composite(t) ||
		    t->size <= largest)
			continue;
		f = first_of(btf, x->found[i].id, paths, left);
		if (f.size) {
			best = f;
			largest = t->size;
			*hint = x->found[i].id;
		}
	}
	return best;
}

struct field layout_member(const struct btf *btf, const char *structure, const char *paths)
{
	autofree struct index *x = calloc(1, sizeof(*x));
	uint32_t hint, left = MAX_MEMBERS;

	if (!x)
		return (struct field){ 0, 0 };
	index_want(x, structure);
	index_build(x, btf);
	return search(btf, x, structure, paths, &hint, &left);
}

/* ---- the table ---- */

static const struct wanted {
	const char *structure, *paths;
	size_t at;			/* in struct layout */
	bool need;
} wanted[] = {
#define X(s, n, p, need) { #s, p, offsetof(struct layout, s##_##n), need },
	LAYOUT_FIELDS(X)
#undef X
};

static uint32_t enum_value(const struct btf *btf, const struct index *x, const char *enumeration,
			   const char *name, uint32_t fallback)
{
	for (uint32_t f = 0; f < x->n; f++) {
		const struct btf_type *t = btf__type_by_id(btf, x->found[f].id);

		if (!btf_is_enum(t) || strcmp(x->name[x->found[f].name], enumeration))
			continue;
		for (uint32_t i = 0; i < btf_vlen(t); i++) {
			const char *n = btf__name_by_offset(btf, btf_enum(t)[i].name_off);

			if (n && strcmp(n, name) == 0)
				return btf_enum(t)[i].val;
		}
	}
	return fallback;
}

static int resolve_enums(const struct btf *btf, const struct index *x, struct layout *l, char *why,
			 size_t size)
{
	l->pg_head = enum_value(btf, x, "pageflags", "PG_head", 64);
	l->pg_uptodate = enum_value(btf, x, "pageflags", "PG_uptodate", 64);
	l->maple_leaf_64 = enum_value(btf, x, "maple_type", "maple_leaf_64", 1);
	l->maple_range_64 = enum_value(btf, x, "maple_type", "maple_range_64", 2);
	l->maple_arange_64 = enum_value(btf, x, "maple_type", "maple_arange_64", 3);
	l->system_running = enum_value(btf, x, "system_states", "SYSTEM_RUNNING", 3);
	if (l->pg_head < 64 && l->pg_uptodate < 64)
		return 0;
	snprintf(why, size, "BTF: no PG_head or PG_uptodate in enum pageflags");
	return -ENOENT;
}

/* What a kernel has one of: without either there is no walk. */
static int check_alternatives(const struct layout *l, char *why, size_t size)
{
	bool maple = l->mm_struct_ma_root.size && l->maple_node_size.size &&
		     l->maple_range_64_slot.size && l->maple_range_64_pivot.size &&
		     l->maple_arange_64_slot.size && l->maple_arange_64_pivot.size;
	bool list = l->mm_struct_mmap.size && l->vm_area_struct_vm_next.size;
	bool order = l->folio_order.size || l->folio_flags_1.size || l->page_compound_order.size;

	if ((maple || list) && order)
		return 0;
	snprintf(why, size, "BTF: no known way to %s",
		 order ? "walk VMAs" : "tell a folio's order");
	return -ENOENT;
}

int layout_resolve(const struct btf *btf, struct layout *ret_layout, char *why, size_t size)
{
	autofree struct index *x = calloc(1, sizeof(*x));
	struct layout l = { 0 };
	uint32_t hint = 0, left = MAX_MEMBERS;
	const char *last = "";
	int r;

	if (!x)
		return -ENOMEM;
	index_want(x, "pageflags");
	index_want(x, "maple_type");
	index_want(x, "system_states");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		index_want(x, wanted[i].structure);
	index_build(x, btf);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct wanted *w = &wanted[i];
		struct field f = { 0, 0 };

		/* Neighbours in the table share their struct: no second search. */
		if (strcmp(last, w->structure))
			hint = 0;
		last = w->structure;
		if (hint)
			f = first_of(btf, hint, w->paths, &left);
		if (!f.size && (!hint || w->need))
			f = search(btf, x, w->structure, w->paths, &hint, &left);
		if (!left) {
			snprintf(why, size, "BTF refuses to resolve: more members than any kernel has");
			return -E2BIG;
		}
		if (!f.size && w->need) {
			snprintf(why, size, "BTF: struct %s has no %s", w->structure, w->paths);
			return -ENOENT;
		}
		memcpy((uint8_t *)&l + w->at, &f, sizeof(f));
	}
	r = resolve_enums(btf, x, &l, why, size);
	if (!r)
		r = check_alternatives(&l, why, size);
	if (!r)
		*ret_layout = l;
	return r;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Finding and reading BTF, honest and hostile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "introspect/layout.h"

#define AT 12345			/* BTF lies at any alignment */

static uint8_t *image;
static size_t image_len, blob_len;

/* struct task_struct { int pid; union { struct { long inner; }; const long deep; }; char comm[16]; } */
static void add_task_struct(struct btf *b)
{
	int num = btf__add_int(b, "int", 4, BTF_INT_SIGNED);
	int wide = btf__add_int(b, "long", 8, BTF_INT_SIGNED);
	int byte = btf__add_int(b, "char", 1, 0);
	int array = btf__add_array(b, num, byte, 16);
	int constant = btf__add_const(b, wide);
	int inner = btf__add_struct(b, NULL, 8), either, kuid;

	btf__add_field(b, "inner", wide, 0, 0);
	either = btf__add_union(b, NULL, 8);
	btf__add_field(b, NULL, inner, 0, 0);
	btf__add_field(b, "deep", constant, 0, 0);
	btf__add_struct(b, "task_struct", 8);	/* another's, smaller */
	btf__add_field(b, "pid", num, 32, 0);
	kuid = btf__add_struct(b, "kuid", 4);
	btf__add_field(b, "val", num, 0, 0);
	btf__add_struct(b, "task_struct", 40);
	btf__add_field(b, "pid", num, 64, 0);
	btf__add_field(b, NULL, either, 128, 0);
	btf__add_field(b, "comm", array, 192, 0);
	btf__add_field(b, "uid", kuid, 8 * 36, 0);
	btf__add_struct(b, "task_struct", 12);	/* and one behind */
	btf__add_field(b, "pid", num, 0, 0);
}

/* Types enough for a kernel's size. */
static void add_ballast(struct btf *b)
{
	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "ballast_structure_%d", i);
		btf__add_struct(b, name, 4);
		btf__add_field(b, "x", 1, 0, 0);
	}
}

static int setup(void **state)
{
	struct btf *b = btf__new_empty();
	const void *raw;
	uint32_t size;

	assert_non_null(b);
	add_task_struct(b);
	add_ballast(b);
	raw = btf__raw_data(b, &size);
	assert_non_null(raw);
	blob_len = size;
	image_len = AT + size + 1000;
	image = calloc(1, image_len);
	memcpy(image + AT, raw, size);
	btf__free(b);
	return 0;
}

static int teardown(void **state)
{
	free(image);
	return 0;
}

static struct btf_header get_header(void)
{
	struct btf_header h;

	memcpy(&h, image + AT, sizeof(h));
	return h;
}

static void put_header(const struct btf_header *h)
{
	memcpy(image + AT, h, sizeof(*h));
}

static struct btf *find(void)
{
	size_t at = 0, len = 0;
	struct btf *b = btf_find(image, image_len, &at, &len);

	if (b) {
		assert_int_equal(at, AT);
		assert_int_equal(len, blob_len);
	}
	return b;
}

static void test_found(void **state)
{
	struct btf *b;

	/* Magic bytes that are no header come first. */
	memcpy(image + 7, "\x9f\xeb\x01\0", 4);
	memcpy(image + AT - 3, "\x9f\xeb\x01", 3);
	b = find();
	assert_non_null(b);
	btf__free(b);
}

static void assert_field(const struct btf *b, const char *paths, uint32_t at, uint32_t size)
{
	struct field f = layout_member(b, "task_struct", paths);

	assert_int_equal(f.at, at);
	assert_int_equal(f.size, size);
}

static void test_members(void **state)
{
	struct btf *b = find();

	assert_field(b, "pid", 8, 4);
	assert_field(b, "inner", 16, 8);
	assert_field(b, "deep", 16, 8);
	assert_field(b, "comm", 24, 16);
	assert_field(b, "uid.val", 36, 4);
	assert_field(b, "", 0, 40);
	assert_field(b, "renamed|nothing|comm", 24, 16);
	assert_field(b, "uid.nothing|pid", 8, 4);
	assert_int_equal(layout_member(b, "task_struct", "pi").size, 0);
	assert_int_equal(layout_member(b, "task_struct", "pid.x").size, 0);
	assert_int_equal(layout_member(b, "no_struct", "pid").size, 0);
	btf__free(b);
}

static void test_missing_member_is_named(void **state)
{
	struct btf *b = find();
	struct layout l;
	char why[128] = "";

	assert_int_not_equal(layout_resolve(b, &l, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "task_struct"));
	btf__free(b);
}

static void test_bad_bounds(void **state)
{
	const struct btf_header good = get_header();
	struct btf_header bad[11];
	size_t len;

	for (size_t i = 0; i < 11; i++)
		bad[i] = good;
	bad[0].hdr_len = 8;
	bad[1].hdr_len = 0xffffffff;
	bad[2].type_len = 0xfffffff0;
	bad[3].type_off = 0xfffffffc;
	bad[4].str_len = 0xffffffff;
	bad[5].str_off = 0xffffffff;
	bad[6].type_off = 2;
	bad[7].str_len = 3;
	bad[8].flags = 1;
	bad[9].str_len -= 2;		/* no NUL at its end */
	bad[10].str_off += 2;		/* no NUL at its start, too long */
	for (size_t i = 0; i < 11; i++) {
		put_header(&bad[i]);
		assert_int_equal(btf_next_header(image, image_len, 0, &len), image_len);
		assert_null(find());
	}
	put_header(&good);
	assert_int_equal(btf_next_header(image, image_len, 0, &len), AT);
	assert_int_equal(btf_next_header(image, AT + blob_len - 1, 0, &len), AT + blob_len - 1);
	assert_int_equal(btf_next_header(image, AT + 4, 0, &len), AT + 4);
}

/* A header that holds, over types that do not. */
static void test_torn_types(void **state)
{
	uint8_t *types = image + AT + get_header().hdr_len;

	memset(types + 4096, 0xff, 64);
	assert_null(find());
}

static void test_no_task_struct(void **state)
{
	for (size_t i = AT; i + 11 < image_len; i++)
		if (memcmp(image + i, "task_struct", 11) == 0)
			image[i] = 'T';
	assert_null(find());
}

/* Ids out of range and loops of typedefs and unions end. */
static void test_hostile_types(void **state)
{
	uint8_t *types = image + AT + get_header().hdr_len;
	struct btf *b;

	for (size_t at = 0; at + 4 < 600; at += 4) {
		uint8_t saved[4];
		static const uint32_t evil[] = { 0xffffffff, 0, 7, 6, 0x00ffffff };

		memcpy(saved, types + at, 4);
		for (size_t e = 0; e < 5; e++) {
			size_t off, len;

			memcpy(types + at, &evil[e], 4);
			b = btf_find(image, image_len, &off, &len);
			if (!b)
				continue;
			layout_member(b, "task_struct", "pid|nothing");
			layout_member(b, "task_struct", "uid.val.x|inner|deep");
			layout_member(b, "task_struct", "comm");
			btf__free(b);
		}
		memcpy(types + at, saved, 4);
	}
	b = find();
	assert_non_null(b);
	btf__free(b);
}

/* ---- the whole table, over a kernel made from the table itself ---- */

static const struct entry {
	const char *structure, *name, *paths;
} entries[] = {
#define X(s, n, p, need) { #s, #s "." #n, p },
	LAYOUT_FIELDS(X)
#undef X
};

#define ENTRIES (sizeof(entries) / sizeof(*entries))

/* The last of the alternatives. */
static const char *last_path(const struct entry *e)
{
	const char *bar = strrchr(e->paths, '|');

	return bar ? bar + 1 : e->paths;
}

static bool same_first(const struct entry *a, const struct entry *b)
{
	const char *x = last_path(a), *y = last_path(b);
	size_t n = strcspn(x, ".");

	return strcmp(a->structure, b->structure) == 0 && n == strcspn(y, ".") &&
	       strncmp(x, y, n) == 0;
}

/* "a.b" and "a.c": a struct that holds both, b at 8. */
static int add_inner(struct btf *b, size_t first)
{
	int id = btf__add_struct(b, NULL, 256);
	unsigned n = 0;

	for (size_t i = 0; i < ENTRIES; i++) {
		const char *dot = strchr(last_path(&entries[i]), '.');

		if (dot && same_first(&entries[i], &entries[first]))
			btf__add_field(b, dot + 1, 1, 64 * ++n, 0);
	}
	return n ? id : 1;
}

static void add_member(struct btf *b, size_t i, int type)
{
	const char *path = last_path(&entries[i]);
	char first[64];

	for (size_t j = 0; j < i; j++)
		if (same_first(&entries[j], &entries[i]))
			return;
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(path, "."), path);
	btf__add_field(b, first, type, 8 * 16 * (i + 1), 0);
}

static void add_enums(struct btf *b, bool pageflags)
{
	btf__add_enum(b, "maple_type", 4);
	btf__add_enum_value(b, "maple_leaf_64", 1);
	btf__add_enum_value(b, "maple_arange_64", 7);
	btf__add_enum(b, "pageflags", 4);
	btf__add_enum_value(b, "PG_uptodate", 3);
	if (pageflags)
		btf__add_enum_value(b, "PG_head", 15);
}

/* Every struct of the table but the member named by without. */
static struct btf *build_kernel(const char *without, bool pageflags)
{
	struct btf *b = btf__new_empty();
	int inner[ENTRIES];

	btf__add_int(b, "long", 8, 0);
	for (size_t i = 0; i < ENTRIES; i++)
		inner[i] = add_inner(b, i);
	for (size_t i = 0; i < ENTRIES; i++) {
		bool again = i && strcmp(entries[i].structure, entries[i - 1].structure) == 0;

		if (!again)
			btf__add_struct(b, entries[i].structure, 4096);
		if (entries[i].paths[0] && strcmp(entries[i].name, without))
			add_member(b, i, inner[i]);
	}
	add_enums(b, pageflags);
	return b;
}

static int resolve(const char *without, bool pageflags, struct layout *l, char *why)
{
	struct btf *b = build_kernel(without, pageflags);
	int r;

	why[0] = '\0';
	r = layout_resolve(b, l, why, 128);
	btf__free(b);
	return r;
}

static void test_layout(void **state)
{
	struct layout l;
	char why[128];

	assert_int_equal(resolve("", true, &l, why), 0);
	assert_int_equal(l.task_struct_tasks.at, 16);
	assert_int_equal(l.task_struct_pid.at, 32);
	assert_int_equal(l.mount_mnt_root.at, l.mount_mnt.at + 8);
	assert_int_equal(l.page_size.size, 4096);
	assert_int_equal(l.pg_head, 15);
	assert_int_equal(l.maple_arange_64, 7);
	assert_int_equal(l.maple_range_64, 2);
}

/* 6.12 has no page.compound_order, and only the second of folio's two. */
static void test_layout_of_later_folios(void **state)
{
	struct layout l;
	char why[128];

	assert_int_equal(resolve("folio.order", true, &l, why), 0);
	assert_int_equal(l.folio_order.size, 0);
	assert_int_not_equal(l.folio_flags_1.size, 0);
	assert_int_equal(resolve("page.compound_order", true, &l, why), 0);
	assert_int_not_equal(l.folio_order.size, 0);
}

static void test_layout_without_what_it_needs(void **state)
{
	struct layout l;
	char why[128];

	assert_int_not_equal(resolve("mm_struct.exe_file", true, &l, why), 0);
	assert_non_null(strstr(why, "exe_file"));
	assert_int_not_equal(resolve("", false, &l, why), 0);
	assert_non_null(strstr(why, "PG_head"));
}

/* Its own type many times over, without a name: six deep that is 200^6. */
static void test_types_that_unfold_without_end(void **state)
{
	struct btf *b = btf__new_empty();
	struct layout l;
	char why[128];
	int self;

	btf__add_int(b, "int", 4, 0);
	self = btf__add_struct(b, NULL, 8);
	for (int i = 0; i < 200; i++)
		btf__add_field(b, NULL, self, 0, 0);
	btf__add_struct(b, "task_struct", 8);
	btf__add_field(b, NULL, self, 0, 0);
	alarm(20);
	assert_int_equal(layout_member(b, "task_struct", "tasks").size, 0);
	assert_int_equal(layout_resolve(b, &l, why, sizeof(why)), -E2BIG);
	alarm(0);
	assert_non_null(strstr(why, "BTF refuses to resolve"));
	btf__free(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_found), T(test_members), T(test_missing_member_is_named),
		T(test_bad_bounds), T(test_torn_types), T(test_no_task_struct),
		T(test_hostile_types), T(test_layout), T(test_layout_of_later_folios),
		T(test_layout_without_what_it_needs), T(test_types_that_unfold_without_end),
	};

	libbpf_set_print(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

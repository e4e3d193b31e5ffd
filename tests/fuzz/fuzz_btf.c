// SPDX-License-Identifier: GPL-2.0-or-later
/* Types as a guest likes: first found in an image, then resolved into a layout. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdio.h>

#include "fuzz.h"
#include "introspect/layout.h"
#include "patch.h"

#define ROOM (1u << 18)
#define AT 1000

static uint8_t image[ROOM];
static struct patched patched;

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* Each structure with its first member by first name; and types of every kind. */
static void add_structures(struct btf *b, int word)
{
#define X(s, n, p, need)							\
	if (btf__find_by_name_kind(b, #s, BTF_KIND_STRUCT) < 0) {		\
		char name[64];							\
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, "|."), p);	\
		btf__add_struct(b, #s, 64);					\
		if (*name)							\
			btf__add_field(b, name, word, 64, 0);			\
	}
	LAYOUT_FIELDS(X)
#undef X
}

static void start(void)
{
	struct btf *b = btf__new_empty();
	int word, pointer, array, inner;
	const void *raw;
	uint32_t size;

	libbpf_set_print(quiet);
	word = btf__add_int(b, "long", 8, BTF_INT_SIGNED);
	pointer = btf__add_ptr(b, word);
	array = btf__add_array(b, word, pointer, 16);
	inner = btf__add_struct(b, NULL, 128);
	btf__add_field(b, "pid", btf__add_typedef(b, "pid_t", word), 0, 0);
	btf__add_field(b, "comm", array, 64, 0);
	btf__add_struct(b, "task_struct", 256);
	btf__add_field(b, NULL, inner, 0, 0);
	btf__add_field(b, "mm", btf__add_const(b, pointer), 1024, 0);
	btf__add_enum(b, "pageflags", 4);
	btf__add_enum_value(b, "PG_head", 16);
	btf__add_enum(b, "maple_type", 4);
	btf__add_enum_value(b, "maple_leaf_64", 1);
	add_structures(b, word);
	for (int i = 0; i < 5000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "ballast_structure_%d", i);
		btf__add_struct(b, name, 4);
		btf__add_field(b, "x", word, 0, 0);
	}
	raw = btf__raw_data(b, &size);
	must(raw && AT + size < ROOM);
	memcpy(image + AT, raw, size);
	btf__free(b);
	/* The header, and the types before the ballast. */
	patched = (struct patched){ .bytes = image + AT, .size = 4096 };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct layout layout;
	size_t at, len;
	struct btf *b;
	char why[256];

	if (!patched.size)
		start();
	patch_apply(&patched, data, size);
	b = btf_find(image, ROOM, &at, &len);
	if (b) {
		must(at < ROOM && len <= ROOM - at);
		if (!layout_resolve(b, &layout, why, sizeof(why)))
			must(layout.task_struct_mm.size <= 8);
		btf__free(b);
	}
	patch_undo(&patched);
	return 0;
}

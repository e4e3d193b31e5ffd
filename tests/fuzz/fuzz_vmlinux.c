// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A kernel's file, as the operator got it from who knows where, and a guest's
 * memory held to it.  First byte: 0, a file as it is; 1, a small kernel in which
 * the input changes bytes of the file, 2, of the memory.
 */
#include "fuzz.h"
#include "introspect/kernelfiles.h"
#include "lib/util.h"
#include "patch.h"
#include "../vmlinux_image.h"

#define SLIDE 0x1e000000ull

static uint8_t whole[V_SIZE];
static struct patched patched;

static bool on_read(void *ctx, uint64_t va, void *out, size_t n)
{
	memset(out, va, n);
	return va & 1;
}

static bool on_leads(void *ctx, enum vmlinux_lead lead, uint64_t to)
{
	return to >> 6 & 1;
}

/* Every line has its verdict, and what differs says where. */
static void compare(struct vmlinux *v, enum vmlinux_part part, const uint8_t *data, size_t size)
{
	const struct vmlinux_probe probe = { V_TEXT + SLIDE + P_FENTRY + 8 };
	const struct vmlinux_guest guest = { on_read, on_leads, NULL, &probe, 1 };
	uint64_t start, end, pages;
	uint8_t *memory, *lines, *first;
	bool *present;
	char name[128];

	vmlinux_range(v, part, &start, &end);
	must(end >= start);
	pages = (end - start) / 4096 + 1;
	if (pages > 4096)
		return;
	memory = calloc(pages, 4096);
	present = malloc(pages);
	lines = malloc(pages * 64 + 1);
	first = calloc(pages * 64 + 1, 1);
	for (uint64_t at = 0; at < pages * 4096; at += 4096)
		vmlinux_bytes(v, start + at, memory + at, 4096);
	memset(present, true, pages);
	if (size)
		present[data[0] % pages] = data[0] & 1;
	for (size_t i = 1; i + 4 <= size; i += 4)
		memory[(data[i] | data[i + 1] << 8 | data[i + 2] << 16) % (pages * 4096)] = data[i + 3];
	must(vmlinux_compare(v, part, &guest, memory, present, lines, first));
	for (uint64_t i = 0; i < (end - start + VMLINUX_LINE - 1) / VMLINUX_LINE; i++) {
		must(lines[i] <= LINE_OTHER);
		if (lines[i] == LINE_OTHER)
			vmlinux_name(v, start + i * VMLINUX_LINE + first[i], name, sizeof(name));
	}
	free(memory);
	free(present);
	free(lines);
	free(first);
}

static void hold(struct vmlinux *v, const uint8_t *data, size_t size)
{
	const struct vmlinux_guest guest = { .read = on_read };
	struct vmlinux_counts counts;

	vmlinux_counts_calls(v, &guest);
	compare(v, VMLINUX_TEXT, data, size);
	compare(v, VMLINUX_RODATA, data, size);
	vmlinux_count(v, &counts);
}

/* NULL: refused, and why. */
static struct vmlinux *parse(const uint8_t *bytes, size_t n)
{
	char why[VMLINUX_WHY] = "";
	struct vmlinux *v = kernel_file_parse(bytes, n, why);

	must(v || why[0]);
	if (!v || vmlinux_place(v, V_TEXT + SLIDE, why))
		return v;
	must(why[0]);
	vmlinux_free(v);
	return NULL;
}

static void parse_and_hold(const uint8_t *bytes, size_t n)
{
	struct vmlinux *v = parse(bytes, n);

	if (v)
		hold(v, NULL, 0);
	vmlinux_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmlinux *good;

	if (!good) {
		v_build();
		memcpy(whole, v_bytes, v_size);
		good = parse(whole, v_size);
	}
	must(good);
	if (!size)
		return 0;
	if (data[0] == 0) {
		parse_and_hold(data + 1, size - 1);
		return 0;
	}
	if (data[0] > 1) {
		hold(good, data + 1, size - 1);
		return 0;
	}
	patched.bytes = whole;
	patched.size = v_size;
	patch_apply(&patched, data + 1, size - 1);
	parse_and_hold(whole, v_size);
	patch_undo(&patched);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image that holds the symbol tables of a kernel, in every layout known. */
#ifndef TEST_KALLSYMS_IMAGE_H
#define TEST_KALLSYMS_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test may want a smaller one. */
#ifndef KALLSYMS_IMAGE
#define KALLSYMS_IMAGE (1u << 20)
#define NSYMS (256 * 20 + 17)
#endif
#define KALLSYMS_BASE 0xffffffff82000000ull
#define KALLSYMS_TEXT 0xffffffff81000000ull
#define NMARKERS ((NSYMS + 255) / 256)

enum order { BEFORE, BEHIND };
enum formula { NEGATIVE, PLACE };

struct shape {
	enum order order;
	enum formula formula;
	unsigned align;
	bool seqs, relative_base;
};

static const struct shape v5_10 = { BEFORE, NEGATIVE, 8, false, true };
static const struct shape v6_1 = { BEFORE, NEGATIVE, 8, true, true };
static const struct shape v6_12 = { BEHIND, NEGATIVE, 8, true, true };
static const struct shape v7_2 = { BEHIND, PLACE, 4, true, false };

static uint8_t image[KALLSYMS_IMAGE];
static size_t at, offsets_at, names_at, markers_at, index_at, table_at;

/* A test may name and place the first symbols itself, in order. */
static const struct own_symbol {
	const char *name;		/* with its type */
	uint64_t address;
} *own_symbols;
static uint32_t nown_symbols;

static void align(unsigned a)
{
	at = (at + a - 1) / a * a;
}

static void put32(uint32_t v)
{
	memcpy(image + at, &v, 4);
	at += 4;
}

static uint64_t address(uint32_t i)
{
	if (i < nown_symbols)
		return own_symbols[i].address;
	return (nown_symbols ? own_symbols[nown_symbols - 1].address : KALLSYMS_TEXT) + i * 16ull;
}

static void symbol_name(uint32_t i, char *out, size_t size)
{
	if (i < nown_symbols)
		snprintf(out, size, "%s", own_symbols[i].name);
	else if (i == 0)
		snprintf(out, size, "T_text");
	else if (i == 700)
		snprintf(out, size, "Dinit_task");
	else if (i == 701)
		snprintf(out, size, "dinit_task");	/* the second of its name */
	else
		snprintf(out, size, "tsymbol_number_%u", i);
}

static void put_offsets(const struct shape *s)
{
	align(8);
	offsets_at = at;
	for (uint32_t i = 0; i < NSYMS; i++) {
		uint64_t a = address(i);

		if (s->formula == NEGATIVE)
			put32(KALLSYMS_TEXT - 1 - a);
		else
			put32(a - (KALLSYMS_BASE + at));
	}
	align(8);
	if (s->relative_base) {
		uint64_t base = KALLSYMS_TEXT;

		memcpy(image + at, &base, 8);
		at += 8;
	}
}

/* One token for each character, and a few longer ones for bytes never used. */
static void put_tokens(const struct shape *s)
{
	uint16_t index[256];

	align(s->align);
	table_at = at;
	for (unsigned t = 0; t < 256; t++) {
		index[t] = at - table_at;
		if (t > 32 && t < 127)
			image[at++] = t;
		else
			at += sprintf((char *)image + at, "tok%u", t);
		image[at++] = 0;
	}
	align(s->align);
	index_at = at;
	memcpy(image + at, index, sizeof(index));
	at += sizeof(index);
}

static void put_names(const struct shape *s)
{
	uint32_t markers[NMARKERS];

	align(8);
	if (s->align == 4)
		at += 4;
	put32(NSYMS);
	if (s->align == 8)
		at += 4;
	names_at = at;
	for (uint32_t i = 0; i < NSYMS; i++) {
		char name[64];
		size_t len;

		if (i % 256 == 0)
			markers[i / 256] = at - names_at;
		symbol_name(i, name, sizeof(name));
		len = strlen(name);
		if (i == 5 && !nown_symbols) {
			/* A long name takes two bytes of length. */
			image[at++] = 0x80 | (200 & 0x7f);
			image[at++] = 200 >> 7;
			memset(image + at, 'x', 200);
			at += 200;
			continue;
		}
		image[at++] = len;
		memcpy(image + at, name, len);
		at += len;
	}
	align(s->align);
	markers_at = at;
	memcpy(image + at, markers, sizeof(markers));
	at += sizeof(markers);
}

static inline void build(const struct shape *s)
{
	memset(image, 0, sizeof(image));
	at = 65536;
	memset(image, 0xa5, at);
	if (s->order == BEFORE)
		put_offsets(s);
	put_names(s);
	if (s->seqs) {
		align(s->align);
		memset(image + at, 0x5a, 3 * NSYMS);
		at += 3 * NSYMS;
	}
	put_tokens(s);
	if (s->order == BEHIND) {
		align(s->align);
		put_offsets(s);
	}
	if (at >= KALLSYMS_IMAGE - 65536)
		abort();
	memset(image + at, 0xa5, KALLSYMS_IMAGE - at);
}

#endif

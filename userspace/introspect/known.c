// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/known.h"

#include <sodium.h>
#include <string.h>

#include "lib/util.h"

#define KNOWN 8u
#define HEAD 64u			/* bytes of the BTF that tell most kernels apart */
#define TOKEN_INDEX_SIZE 512u

/* All addresses are distances from the kernel's text. */
struct known_range {
	uint64_t at;
	size_t len;
};

enum { BTF, OFFSETS, NAMES, RANGES };	/* NAMES: to the end of the token index */

struct known {
	struct known_range range[RANGES];
	uint8_t head[HEAD];
	uint8_t hash[crypto_onetimeauth_BYTES];
	uint64_t image_at;
	size_t image_len;		/* what the kallsyms' own offsets are of */
	struct layout at;
	struct kallsyms kallsyms;
	bool based;			/* the kallsyms' relative base is in the image ... */
	uint64_t relative_base;		/* ... there */
	uint64_t symbol[SYM_COUNT];
	bool absolute[SYM_COUNT];	/* not in the image: moves with nothing */
};

static struct known known[KNOWN];
static uint32_t nknown, oldest;
/* A universal hash whose values never leave the process: no guest can aim at one. */
static uint8_t key[crypto_onetimeauth_KEYBYTES];

void known_forget(void)
{
	nknown = oldest = 0;
}

static bool in_image(uint64_t va)
{
	return va >= IMAGE_LOW && va < IMAGE_HIGH;
}

/* ---- knowing again ---- */

/* len bytes, frame by frame, in place where they are mapped. */
static bool hash_guest(const struct kernel *k, uint64_t va, size_t len, crypto_onetimeauth_state *state)
{
	uint8_t copy[FRAME_SIZE];

	while (len) {
		size_t chunk = MIN(len, FRAME_SIZE - (va & FRAME_MASK));
		const uint8_t *p;
		uint64_t pa;

		if (virt_to_phys(&k->as, va, &pa))
			return false;
		p = memory_at(k->mem, pa, chunk);
		if (!p) {
			if (memory_read(k->mem, pa, copy, chunk))
				return false;
			p = copy;
		}
		crypto_onetimeauth_update(state, p, chunk);
		if (p != copy && !memory_holds(k->mem, pa))
			return false;
		va += chunk;
		len -= chunk;
	}
	return true;
}

static bool matches(const struct kernel *k, const struct known *n)
{
	uint8_t head[HEAD], hash[sizeof(n->hash)];
	crypto_onetimeauth_state state;

	if (virt_read(&k->as, k->text_base + n->range[BTF].at, head, sizeof(head)) ||
	    memcmp(head, n->head, sizeof(head)))
		return false;
	crypto_onetimeauth_init(&state, key);
	for (int i = 0; i < RANGES; i++)
		if (!hash_guest(k, k->text_base + n->range[i].at, n->range[i].len, &state))
			return false;
	crypto_onetimeauth_final(&state, hash);
	return sodium_memcmp(hash, n->hash, sizeof(hash)) == 0;
}

static void take(struct kernel *k, const struct known *n, const struct run *rodata)
{
	k->at = n->at;
	k->kallsyms = n->kallsyms;
	k->btf_va = k->text_base + n->range[BTF].at;
	k->kallsyms.relative_base = n->based ? k->text_base + n->relative_base : 0;
	k->rodata_start = rodata->start;
	k->rodata_end = rodata->end;
	k->symbols_start = k->text_base + n->image_at;
	k->symbols_end = k->symbols_start + n->image_len;
	for (int i = 0; i < SYM_COUNT; i++)
		k->symbol[i].address = n->absolute[i] ? n->symbol[i] : k->text_base + n->symbol[i];
}

bool known_find(struct kernel *k, const struct image_map *map)
{
	for (uint32_t i = 0; i < nknown; i++) {
		const struct run *rodata = image_run_at(map, k->text_base + known[i].range[BTF].at);

		if (!rodata || rodata->write || !rodata->nx || !matches(k, &known[i]))
			continue;
		take(k, &known[i], rodata);
		return true;
	}
	return false;
}

/* ---- remembering ---- */

static void set_ranges(const struct kernel *k, const struct known_image *image, size_t btf_len,
		       struct known *n)
{
	const struct kallsyms *t = &k->kallsyms;
	const uint64_t base = image->va - k->text_base;

	n->range[BTF] = (struct known_range){ k->btf_va - k->text_base, btf_len };
	n->range[OFFSETS] = (struct known_range){ base + t->offsets, 4 * (size_t)t->nsyms };
	n->range[NAMES] = (struct known_range){ base + t->names,
						t->token_index + TOKEN_INDEX_SIZE - t->names };
}

/* Of the copy that was parsed: the guest may have changed its own since. */
static bool hash_copy(const struct kernel *k, const struct known_image *image, struct known *n)
{
	crypto_onetimeauth_state state;

	crypto_onetimeauth_init(&state, key);
	for (int i = 0; i < RANGES; i++) {
		uint64_t at = k->text_base + n->range[i].at - image->va;

		if (at > image->len || n->range[i].len > image->len - at)
			return false;
		crypto_onetimeauth_update(&state, image->bytes + at, n->range[i].len);
	}
	crypto_onetimeauth_final(&state, n->hash);
	return true;
}

void known_add(const struct kernel *k, const struct known_image *image, size_t btf_len)
{
	struct known n = { .at = k->at, .kallsyms = k->kallsyms };

	/* Absolute addresses, in the table itself, are another at each boot. */
	if (!strcmp(k->kallsyms.layout, "absolute") || btf_len < HEAD ||
	    k->kallsyms.names > k->kallsyms.token_index)
		return;
	if (!nknown)
		randombytes_buf(key, sizeof(key));
	n.image_at = image->va - k->text_base;
	n.image_len = image->len;
	/* Behind the offsets in some layouts: of no meaning in those that have none. */
	n.based = in_image(k->kallsyms.relative_base);
	n.relative_base = k->kallsyms.relative_base - k->text_base;
	set_ranges(k, image, btf_len, &n);
	if (!hash_copy(k, image, &n))
		return;
	memcpy(n.head, image->bytes + (k->btf_va - image->va), HEAD);
	for (int i = 0; i < SYM_COUNT; i++) {
		n.absolute[i] = !in_image(k->symbol[i].address);
		n.symbol[i] = k->symbol[i].address - (n.absolute[i] ? 0 : k->text_base);
	}
	known[oldest] = n;
	oldest = (oldest + 1) % KNOWN;
	nknown = MIN(nknown + 1, KNOWN);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An input as changes to something whole, taken back afterwards: what is far
 * too large and too well connected to be made from nothing.
 *
 * A change: u24 where, u8 what, then by what: the bytes themselves, or one word
 * made from two bytes, so that pointers that lead somewhere are found.  Of what is
 * mostly never looked at the words that matter are numbered, and where counts these.
 */
#ifndef WARDEN_FUZZ_PATCH_H
#define WARDEN_FUZZ_PATCH_H

#include <stdint.h>
#include <string.h>

#define PATCH_MAX 256

struct patched {
	uint8_t *bytes;
	size_t size;
	const uint32_t *words;		/* by 8: those that matter; NULL: all */
	size_t nwords;
	const uint64_t *bases;		/* of the pointers there are */
	size_t nbases;
	size_t used;
	struct {
		size_t at, len;
		uint8_t before[16];
	} undo[PATCH_MAX];
};

/* Where its bytes lie. */
static inline size_t patch_place(const struct patched *p, size_t where)
{
	return p->nwords ? p->words[where / 8 % p->nwords] * (size_t)8 + where % 8 : where % p->size;
}

static inline void patch_put(struct patched *p, size_t at, const void *bytes, size_t len)
{
	if (at + len > p->size || len > 16 || p->used == PATCH_MAX)
		return;
	p->undo[p->used].at = at;
	p->undo[p->used].len = len;
	memcpy(p->undo[p->used++].before, p->bytes + at, len);
	memcpy(p->bytes + at, bytes, len);
}

static inline void patch_word(struct patched *p, size_t at, uint8_t what, uint16_t number)
{
	uint64_t word = number;
	unsigned base = what & 15;

	if (base < p->nbases)
		word = p->bases[base] + number * 8ull + (what >> 4 & 3);
	else if (base == 14)
		memcpy(&word, p->bytes + (patch_place(p, number * 8ull) & ~(size_t)7) % (p->size - 8), 8);
	else if (base == 15)
		word = -(uint64_t)number;
	patch_put(p, at & ~7ull, &word, 8);
}

static inline void patch_apply(struct patched *p, const uint8_t *data, size_t size)
{
	p->used = 0;
	while (size >= 6) {
		size_t at = patch_place(p, data[0] | data[1] << 8 | data[2] << 16), len = 2;
		uint8_t what = data[3];

		data += 4;
		size -= 4;
		if (what & 0x80) {
			len = (what & 15) + 1;
			if (len > size)
				len = size;
			patch_put(p, at, data, len);
		} else {
			patch_word(p, at, what, data[0] | data[1] << 8);
		}
		data += len;
		size -= len;
	}
}

static inline void patch_undo(struct patched *p)
{
	while (p->used) {
		p->used--;
		memcpy(p->bytes + p->undo[p->used].at, p->undo[p->used].before,
		       p->undo[p->used].len);
	}
}

#endif

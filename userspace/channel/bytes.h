/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Little-endian fields in and out of a bounded buffer.  A step that does not
 * fit sets bad and does nothing; whoever is done asks once.
 */
#ifndef WARDEN_BYTES_H
#define WARDEN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct writer {
	uint8_t *at, *end;
	bool bad;
};

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static inline void put_bytes(struct writer *w, const void *bytes, size_t n)
{
	if (w->bad || n > (size_t)(w->end - w->at)) {
		w->bad = true;
		return;
	}
	if (n)
		memcpy(w->at, bytes, n);
	w->at += n;
}

static inline void put_le(struct writer *w, uint64_t value, size_t n)
{
	uint8_t b[8];

	for (size_t i = 0; i < n; i++)
		b[i] = value >> (8 * i);
	put_bytes(w, b, n);
}

static inline void put_u8(struct writer *w, uint8_t v) { put_le(w, v, 1); }
static inline void put_u16(struct writer *w, uint16_t v) { put_le(w, v, 2); }
static inline void put_u32(struct writer *w, uint32_t v) { put_le(w, v, 4); }
static inline void put_u64(struct writer *w, uint64_t v) { put_le(w, v, 8); }

/* What is not there reads as zero. */
static inline void get_bytes(struct reader *r, void *out, size_t n)
{
	if (r->bad || n > (size_t)(r->end - r->at)) {
		r->bad = true;
		memset(out, 0, n);
		return;
	}
	if (n)
		memcpy(out, r->at, n);
	r->at += n;
}

static inline uint64_t get_le(struct reader *r, size_t n)
{
	uint8_t b[8];
	uint64_t value = 0;

	get_bytes(r, b, n);
	for (size_t i = n; i-- > 0;)
		value = value << 8 | b[i];
	return value;
}

static inline uint8_t get_u8(struct reader *r) { return get_le(r, 1); }
static inline uint16_t get_u16(struct reader *r) { return get_le(r, 2); }
static inline uint32_t get_u32(struct reader *r) { return get_le(r, 4); }
static inline uint64_t get_u64(struct reader *r) { return get_le(r, 8); }

/* True if every byte was read and none was missing. */
static inline bool reader_done(const struct reader *r)
{
	return !r->bad && r->at == r->end;
}

#endif

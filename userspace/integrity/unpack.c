// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/unpack.h"

#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define DECODER_MEMORY (128ull << 20)
#define WINDOW_LOG_MAX 27		/* the same */
#define STEP (1u << 20)

static const uint8_t xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
static const uint8_t zst_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

struct output {
	uint8_t *bytes;
	size_t size, room, max;
};

/* Room for more; false: the limit, or no memory. */
static bool grow(struct output *out)
{
	size_t room = out->room + STEP < out->max ? out->room + STEP : out->max;
	uint8_t *bytes;

	if (out->size < out->room)
		return true;
	if (room == out->room)
		return false;
	bytes = realloc(out->bytes, room);
	if (!bytes)
		return false;
	out->bytes = bytes;
	out->room = room;
	return true;
}

static bool unpack_xz(struct output *out, const uint8_t *packed, size_t size)
{
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret r = lzma_stream_decoder(&stream, DECODER_MEMORY, 0);

	stream.next_in = packed;
	stream.avail_in = size;
	while (r == LZMA_OK && grow(out)) {
		stream.next_out = out->bytes + out->size;
		stream.avail_out = out->room - out->size;
		r = lzma_code(&stream, LZMA_FINISH);
		out->size = out->room - stream.avail_out;
	}
	lzma_end(&stream);
	return r == LZMA_STREAM_END;
}

static bool unpack_zst(struct output *out, const uint8_t *packed, size_t size)
{
	ZSTD_inBuffer in = { packed, size, 0 };
	ZSTD_DCtx *context = ZSTD_createDCtx();
	size_t r = 1, before;

	if (!context)
		return false;
	ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	while (r && !ZSTD_isError(r) && grow(out)) {
		ZSTD_outBuffer to = { out->bytes, out->room, out->size };

		before = in.pos;
		r = ZSTD_decompressStream(context, &to, &in);
		/* It waits for bytes that are not there. */
		if (r && in.pos == before && to.pos == out->size)
			break;
		out->size = to.pos;
	}
	ZSTD_freeDCtx(context);
	return r == 0;
}

static bool copy(struct output *out, const uint8_t *packed, size_t size)
{
	if (size > out->max)
		return false;
	out->bytes = malloc(size + 1);
	if (!out->bytes)
		return false;
	memcpy(out->bytes, packed, size);
	out->size = size;
	return true;
}

static bool starts_with(const uint8_t *bytes, size_t size, const uint8_t *magic, size_t n)
{
	return size >= n && !memcmp(bytes, magic, n);
}

uint8_t *unpack(const uint8_t *packed, size_t size, size_t max, size_t *ret_size,
		const char **ret_why)
{
	struct output out = { .max = max };
	bool done;

	if (starts_with(packed, size, xz_magic, sizeof(xz_magic)))
		done = unpack_xz(&out, packed, size);
	else if (starts_with(packed, size, zst_magic, sizeof(zst_magic)))
		done = unpack_zst(&out, packed, size);
	else
		done = copy(&out, packed, size);
	if (!done) {
		free(out.bytes);
		*ret_why = "it cannot be unpacked, or is too large";
		return NULL;
	}
	*ret_size = out.size;
	return out.bytes;
}

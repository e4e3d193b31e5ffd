// SPDX-License-Identifier: GPL-2.0-or-later
#include "text/unpack.h"

#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define DECODER_MEMORY (192ull << 20)	/* kernels have a dictionary of 128 MiB, and some more */
#define WINDOW_LOG_MAX 27
#define STEP (1u << 20)
#define LZ4_BLOCK (8u << 20)		/* of the old format */

static const uint8_t xz_magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
static const uint8_t zst_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };
static const uint8_t gz_magic[] = { 0x1f, 0x8b, 8 };
static const uint8_t lz4_magic[] = { 0x02, 0x21, 0x4c, 0x18 };

struct output {
	uint8_t *bytes;
	size_t size, room, max;
};

/* Room for so many more bytes, or as many as the limit leaves; false: none. */
static bool grow_by(struct output *out, size_t step)
{
	size_t room = out->size + step < out->max ? out->size + step : out->max;
	uint8_t *bytes;

	if (room == out->size)
		return false;
	if (room <= out->room)
		return true;
	bytes = realloc(out->bytes, room);
	if (!bytes)
		return false;
	out->bytes = bytes;
	out->room = room;
	return true;
}

static bool grow(struct output *out)
{
	return out->size < out->room || grow_by(out, STEP);
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

static bool unpack_gz(struct output *out, const uint8_t *packed, size_t size)
{
	z_stream stream = { .next_in = (uint8_t *)packed, .avail_in = size };
	int r = size <= UINT32_MAX ? inflateInit2(&stream, 16 + MAX_WBITS) : Z_DATA_ERROR;

	if (r != Z_OK)
		return false;
	while (r == Z_OK && grow(out)) {
		stream.next_out = out->bytes + out->size;
		stream.avail_out = out->room - out->size;
		r = inflate(&stream, Z_NO_FLUSH);
		out->size = out->room - stream.avail_out;
	}
	inflateEnd(&stream);
	return r == Z_STREAM_END;
}

static uint32_t le32(const uint8_t *at)
{
	return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Blocks without an end; a kernel's has the size of it all behind them. */
static bool unpack_lz4(struct output *out, const uint8_t *packed, size_t size)
{
	size_t at = sizeof(lz4_magic);

	while (size - at > 4) {
		uint32_t n = le32(packed + at);
		int got;

		at += 4;
		if (!n || n > size - at || n > LZ4_COMPRESSBOUND(LZ4_BLOCK) || !grow_by(out, LZ4_BLOCK))
			return false;
		got = LZ4_decompress_safe((const char *)packed + at, (char *)out->bytes + out->size, n,
					  out->room - out->size < LZ4_BLOCK ?
					  out->room - out->size : LZ4_BLOCK);
		if (got <= 0)
			return false;
		out->size += got;
		at += n;
	}
	return out->size && (at == size || (size - at == 4 && le32(packed + at) == (uint32_t)out->size));
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
	else if (starts_with(packed, size, gz_magic, sizeof(gz_magic)))
		done = unpack_gz(&out, packed, size);
	else if (starts_with(packed, size, lz4_magic, sizeof(lz4_magic)))
		done = unpack_lz4(&out, packed, size);
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

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/bzimage.h"

#include <string.h>

#define SECTOR 512u
#define SETUP_SECTORS 0x1f1
#define HEADER_MAGIC 0x202
#define PROTOCOL 0x206
#define KERNEL_VERSION 0x20e
#define PAYLOAD_OFFSET 0x248
#define PAYLOAD_LENGTH 0x24c
#define HEADER_END 0x250
#define WITH_PAYLOAD 0x208		/* the protocol since when it is told */

static uint32_t word(const uint8_t *bytes, size_t at, size_t n)
{
	uint32_t v = 0;

	memcpy(&v, bytes + at, n);
	return v;
}

static bool is_bzimage(const uint8_t *bytes, size_t size)
{
	return size >= HEADER_END && !memcmp(bytes + HEADER_MAGIC, "HdrS", 4) &&
	       word(bytes, PROTOCOL, 2) >= WITH_PAYLOAD;
}

/* The code of real mode with its first sector. */
static size_t setup_size(const uint8_t *bytes)
{
	return (bytes[SETUP_SECTORS] ? bytes[SETUP_SECTORS] + 1u : 5u) * SECTOR;
}

bool bzimage_version(const uint8_t *head, size_t size, char version[BZIMAGE_VERSION])
{
	size_t at, n;

	if (!is_bzimage(head, size) || !word(head, KERNEL_VERSION, 2))
		return false;
	at = word(head, KERNEL_VERSION, 2) + (size_t)SECTOR;
	if (at >= size || at >= setup_size(head))
		return false;
	n = strnlen((const char *)head + at, size - at);
	if (n == size - at || n >= BZIMAGE_VERSION)
		return false;
	memcpy(version, head + at, n + 1);
	return true;
}

bool bzimage_payload(const uint8_t *bytes, size_t size, size_t *ret_offset, size_t *ret_length)
{
	size_t at;

	if (!is_bzimage(bytes, size))
		return false;
	at = setup_size(bytes) + (size_t)word(bytes, PAYLOAD_OFFSET, 4);
	if (at >= size || word(bytes, PAYLOAD_LENGTH, 4) > size - at)
		return false;
	*ret_offset = at;
	*ret_length = word(bytes, PAYLOAD_LENGTH, 4);
	return *ret_length;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file as it is installed, plain, .xz, .zst, .gz or .lz4 (old format), by its first bytes. */
#ifndef WARDEN_TEXT_UNPACK_H
#define WARDEN_TEXT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* The file's bytes, to be freed, up to max; NULL and why.  What follows their end is left. */
uint8_t *unpack(const uint8_t *packed, size_t size, size_t max, size_t *ret_size,
		const char **ret_why);

#endif

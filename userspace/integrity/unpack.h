/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A module's file as it is installed: plain, .xz or .zst, by its first bytes. */
#ifndef WARDEN_INTEGRITY_UNPACK_H
#define WARDEN_INTEGRITY_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* The file's bytes, to be freed, up to max; NULL and why. */
uint8_t *unpack(const uint8_t *packed, size_t size, size_t max, size_t *ret_size,
		const char **ret_why);

#endif

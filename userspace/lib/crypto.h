/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few uses of libsodium that more than one part shares. */
#ifndef WARDEN_CRYPTO_H
#define WARDEN_CRYPTO_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* BLAKE2b-256 without key: names a content, decides nothing inside a guest. */
static inline void hash_content(uint8_t out[32], const void *data, size_t len)
{
	crypto_generichash(out, 32, data, len, NULL, 0);
}

/*
 * A key in a file of its own: len bytes in hex and a newline.  Reading refuses
 * a secret key that others than its owner may read.  0 or -errno.
 */
int key_file_read(const char *path, void *key, size_t len, bool secret);
int key_file_write(const char *path, const void *key, size_t len, bool secret);

#endif

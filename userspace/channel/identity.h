/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An end's Ed25519 identity.  Its file holds the 32-byte seed in hex, for its
 * owner alone; FILE.pub beside it holds the public key, to be pinned by the
 * other end.
 */
#ifndef WARDEN_IDENTITY_H
#define WARDEN_IDENTITY_H

#include <stdbool.h>

#include "lib/crypto.h"

struct identity {
	uint8_t public[crypto_sign_PUBLICKEYBYTES];
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
};

/* 0 or -errno.  identity_make refuses (-EEXIST) to overwrite a secret key. */
int identity_load(const char *path, struct identity *ret_identity);
int identity_make(const char *path, struct identity *ret_identity);

/* Writes FILE.pub unless it holds that key already. */
int identity_publish(const char *path, const struct identity *identity);

#endif

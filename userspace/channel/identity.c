// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/identity.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

int identity_load(const char *path, struct identity *ret_identity)
{
	uint8_t seed[crypto_sign_SEEDBYTES];
	int r = key_file_read(path, seed, sizeof(seed), true);

	if (r)
		return r;
	crypto_sign_seed_keypair(ret_identity->public, ret_identity->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

int identity_publish(const char *path, const struct identity *identity)
{
	uint8_t there[crypto_sign_PUBLICKEYBYTES];
	char pub[PATH_MAX];

	if (snprintf(pub, sizeof(pub), "%s.pub", path) >= (int)sizeof(pub))
		return -ENAMETOOLONG;
	if (!key_file_read(pub, there, sizeof(there), false) &&
	    !sodium_memcmp(there, identity->public, sizeof(there)))
		return 0;
	if (unlink(pub) && errno != ENOENT)
		return -errno;
	return key_file_write(pub, identity->public, sizeof(identity->public), false);
}

int identity_make(const char *path, struct identity *ret_identity)
{
	uint8_t seed[crypto_sign_SEEDBYTES];
	int r;

	randombytes_buf(seed, sizeof(seed));
	r = key_file_write(path, seed, sizeof(seed), true);
	if (!r)
		crypto_sign_seed_keypair(ret_identity->public, ret_identity->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	return r ? r : identity_publish(path, ret_identity);
}

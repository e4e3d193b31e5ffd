// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/vault.h"

#include <errno.h>
#include <string.h>

#include "lib/log.h"

#define LABEL "KVM Warden quarantine 1"

void vault_load(const char *path, uint8_t ret_master[WIRE_KEY])
{
	int r = key_file_read(path, ret_master, WIRE_KEY, true);

	if (r == -ENOENT) {
		randombytes_buf(ret_master, WIRE_KEY);
		r = key_file_write(path, ret_master, WIRE_KEY, true);
		if (!r)
			log_info("%s: made the key that seals quarantines: keep a copy, "
				 "without it nothing can be restored", path);
	}
	if (r)
		fatal("%s: %s: without it no guest's quarantine can be sealed or opened", path,
		      strerror(-r));
}

/* The NUL between label and name keeps them apart. */
void vault_key(uint8_t ret_key[WIRE_KEY], const uint8_t master[WIRE_KEY], const char *name)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, master, WIRE_KEY, WIRE_KEY);
	crypto_generichash_update(&state, (const uint8_t *)LABEL, sizeof(LABEL));
	crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
	crypto_generichash_final(&state, ret_key, WIRE_KEY);
	sodium_memzero(&state, sizeof(state));
}

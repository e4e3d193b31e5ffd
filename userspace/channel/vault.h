/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys that seal what guests have in quarantine.  The host alone keeps
 * them: one master key, and from it one for each guest's name.
 */
#ifndef WARDEN_VAULT_H
#define WARDEN_VAULT_H

#include "lib/crypto.h"
#include "warden/wire.h"

/* Reads the master key of that file, or makes it; exits if neither can be. */
void vault_load(const char *path, uint8_t ret_master[WIRE_KEY]);

/* The key of the guest whose pinned identity has that name. */
void vault_key(uint8_t ret_key[WIRE_KEY], const uint8_t master[WIRE_KEY], const char *name);

#endif

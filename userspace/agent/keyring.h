/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's own key and its host's, each with a successor while it changes:
 *
 *	KEY, KEY.next		its own: either may be the one that the host knows
 *	HOST, HOST.next		the host's public keys: either is accepted
 *
 * A successor takes the place of the old key once a session with it is up, in
 * one rename: whenever the guest stops, one of the two works.
 */
#ifndef WARDEN_AGENT_KEYRING_H
#define WARDEN_AGENT_KEYRING_H

#include "channel/handshake.h"

struct keyring {
	const char *key_path, *host_path;
	struct identity self, next;
	bool has_next;
	struct host_keys hosts;
};

/* 0, or -errno and *ret_path is the file. */
int keyring_load(struct keyring *k, const char **ret_path);

/* The one to try: the new one first, then in turn. */
const struct identity *keyring_identity(const struct keyring *k, unsigned attempt);

/* The session with that identity and that host is up: what it replaces goes. */
void keyring_up(struct keyring *k, const struct identity *used, const uint8_t host[WIRE_KEY]);

/* Renames, and has it on the disk; 0 or -errno. */
int keyring_rename(const char *from, const char *to);

/* Makes the agent's next key, unless one was made before; 0 or -errno. */
int keyring_make_next(struct keyring *k);

/* Keeps the host's next key; 0 or -errno. */
int keyring_keep_host(struct keyring *k, const uint8_t key[WIRE_KEY]);

#endif

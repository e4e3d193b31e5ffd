/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agents that may log in, may enrol, and may never again.  The folder:
 *
 *	NAME.pub	a pinned key
 *	NAME.next	its successor: either may log in, until this one has
 *	NAME.invited	token key, wall and boot time of its end, id of the boot
 *	KEY.revoked	the name it had
 *
 * Read once at the start, and changed on the disk before it is in memory.
 */
#ifndef WARDEN_PINS_H
#define WARDEN_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"
#include "warden/wire.h"

#define PINS_MAX 2048
#define INVITES_MAX 64
#define REVOKED_MAX 4096

struct pin {
	bool used;			/* a place, which does not move */
	char name[TEXT_NAME];
	uint8_t key[WIRE_KEY], next[WIRE_KEY];
	bool has_next;
	uint64_t since_wall;		/* ns */
};

struct invite {
	char name[TEXT_NAME];
	uint8_t key[WIRE_KEY];		/* public, of the token */
	uint64_t since_wall, until_wall;
	uint64_t until_boot;		/* ns of CLOCK_BOOTTIME; 0: of another boot */
};

struct revoked {
	char name[TEXT_NAME];
	uint8_t key[WIRE_KEY];
	uint64_t since_wall;
};

struct pins {
	int dir;
	char boot[40];			/* id of this boot */
	struct pin *pin;		/* PINS_MAX */
	struct invite *invite;		/* INVITES_MAX */
	struct revoked *revoked;	/* REVOKED_MAX */
	size_t ninvites, nrevoked;
};

/* Bad files are skipped with a line in the log.  dir: the folder. */
void pins_load(int dir, struct pins *ret_pins);

/* NULL: neither pinned nor the successor of one that is. */
struct pin *pins_find(const struct pins *pins, const uint8_t key[WIRE_KEY]);
struct pin *pins_named(const struct pins *pins, const char *name);
bool pins_is_revoked(const struct pins *pins, const uint8_t key[WIRE_KEY]);

/* Drops the invitations whose time is over; true if any is left. */
bool pins_invites(struct pins *pins);
struct invite *pins_invite_of(struct pins *pins, const uint8_t token_key[WIRE_KEY]);

/* Each 0 or -errno: -ENOSPC if there are too many. */
int pins_invite(struct pins *pins, const char *name, const uint8_t token_key[WIRE_KEY],
		uint32_t seconds);
int pins_uninvite(struct pins *pins, const char *name);	/* -ENOENT */
int pins_pin(struct pins *pins, const char *name, const uint8_t key[WIRE_KEY],
	     struct pin **ret_pin);
int pins_revoke(struct pins *pins, struct pin *pin);
int pins_set_next(struct pins *pins, struct pin *pin, const uint8_t key[WIRE_KEY]);
int pins_promote(struct pins *pins, struct pin *pin);	/* next is the key now */

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's identity, and its next one while that is being handed to the
 * agents: FILE, FILE.next, each with its .pub.
 */
#ifndef WARDEN_HOSTKEY_H
#define WARDEN_HOSTKEY_H

#include "channel/identity.h"

/* Made if it is missing; exits if it can be neither read nor made. */
void hostkey_load(const char *path, struct identity *ret_self, struct identity *ret_next,
		  bool *ret_has_next);

/* The two steps of a change, each an exit status. */
int hostkey_rotate(const char *path);	/* makes the next one */
int hostkey_adopt(const char *path);	/* it is the one from now on */

#endif

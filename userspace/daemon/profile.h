/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's profile: what a VMM does.  An INI file:
 *
 *   [guard]
 *   mode = off | finding | deny
 *   startup = SECONDS        after its first exit, while a VMM opens what it needs
 *   sockets = FAMILY ...     unix, inet, inet6, netlink, vsock, packet; "none"
 *
 *   [allow]                  each key as often as needed, one PATH each
 *   exec = PATH              a helper; watched with less once it runs
 *   read = PATH
 *   write = PATH             reading too
 *   map = PATH               as code
 *   connect = PATH           a unix socket
 *
 * PATH is absolute; with a slash at its end all in that folder, with a star all
 * that begins so.  What matches several has the rights of all.
 */
#ifndef WARDEN_PROFILE_H
#define WARDEN_PROFILE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"
#include "warden/guard.h"

struct profile_rule {
	char path[GUARD_PATH];
	uint32_t len;			/* with the NUL of one file */
	uint32_t rights;		/* of all rules that match it */
};

struct profile {
	enum guard_mode mode;
	uint32_t startup_s;
	uint64_t families;
	struct profile_rule rule[WARDEN_GUARD_RULES];
	unsigned n;
	bool missing;			/* there is no file: off */
};

/* 0, or -1 and a line in the log that names file, line and key. */
int profile_load(const char *path, struct profile *ret_profile);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/hostkey.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

static const char *next_of(const char *path)
{
	static char next[PATH_MAX];

	if (snprintf(next, sizeof(next), "%s.next", path) >= (int)sizeof(next))
		fatal("%s: too long", path);
	return next;
}

void hostkey_load(const char *path, struct identity *ret_self, struct identity *ret_next,
		  bool *ret_has_next)
{
	int r = identity_load(path, ret_self);

	if (r == -ENOENT) {
		r = identity_make(path, ret_self);
		if (!r)
			log_info("%s: made the host's key", path);
	} else if (!r && identity_publish(path, ret_self)) {
		log_warn("%s.pub: cannot be written", path);
	}
	if (r)
		fatal("%s: %s", path, strerror(-r));
	r = identity_load(next_of(path), ret_next);
	if (r && r != -ENOENT)
		fatal("%s: %s", next_of(path), strerror(-r));
	*ret_has_next = !r;
	if (!r)
		log_info("%s: the host's next key: agents that log in are told", next_of(path));
}

int hostkey_rotate(const char *path)
{
	struct identity next;
	int r = identity_make(next_of(path), &next);

	sodium_memzero(&next, sizeof(next));
	if (r == -EEXIST)
		log_err("%s: a change is under way already: --adopt-host-key ends it", next_of(path));
	else if (r)
		log_err("%s: %s", next_of(path), strerror(-r));
	else
		printf("%s: made.  systemctl restart wardend: agents learn it when they log in.  "
		       "When all have, --adopt-host-key.\n", next_of(path));
	return r ? 1 : 0;
}

/* One rename: the host has the old key or the new one, whenever it falls. */
int hostkey_adopt(const char *path)
{
	char pub[PATH_MAX + 4];
	struct identity next;
	int r = identity_load(next_of(path), &next);

	if (!r && rename(next_of(path), path))
		r = -errno;
	if (r) {
		log_err("%s: %s%s", next_of(path), strerror(-r), r == -ENOENT ?
			": no change is under way: --rotate-host-key begins one" : "");
		return 1;
	}
	snprintf(pub, sizeof(pub), "%s.pub", next_of(path));
	unlink(pub);
	r = identity_publish(path, &next);
	sodium_memzero(&next, sizeof(next));
	if (r)
		log_warn("%s.pub: cannot be written: %s", path, strerror(-r));
	printf("%s: is the new key.  systemctl restart wardend.  An agent that was never told has "
	       "to enrol anew.\n", path);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/post.h"

#include <errno.h>
#include <poll.h>

#define AGAIN_MS 1

/*
 * The kernel counts descriptors that were sent and not yet received for each
 * user, and holds the count against the sender's RLIMIT_NOFILE.  As with a full
 * socket, the engine has to read first.
 */
int engine_post(int sock, const struct msg_schema *schema, uint64_t id,
		const void *value, int fd)
{
	int r;

	while ((r = msg_post(sock, schema, id, value, fd)) == -ETOOMANYREFS) {
		struct pollfd p = { .fd = sock };

		/* The count is checked before the peer: a dead one shows here alone. */
		if (poll(&p, 1, AGAIN_MS) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)))
			return -EPIPE;
	}
	return r;
}

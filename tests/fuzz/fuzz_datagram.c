// SPDX-License-Identifier: GPL-2.0-or-later
/* Whatever a role may write to its socket: a message of that length, or none. */
#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "lib/msg.h"

#define HEADER 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int pair[2];
	static struct msg m;
	int r;

	if (!pair[0])
		must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	must(send(pair[0], data, size, MSG_DONTWAIT) == (ssize_t)size);
	r = msg_recv(pair[1], &m, MSG_DONTWAIT);
	must(r == 1 || r == -EBADMSG || (!size && !r));
	must(r != 1 || (m.len == size - HEADER && m.len <= sizeof(m.payload) &&
			!memcmp(m.payload, data + HEADER, m.len)));
	must(m.fd == -1);
	must(msg_recv(pair[1], &m, MSG_DONTWAIT) == -EAGAIN);
	return 0;
}

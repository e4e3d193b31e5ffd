/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_TRANSPORT_H
#define WARDEN_AGENT_TRANSPORT_H

#include <stdint.h>

struct transport {
	uint32_t host_cid, port;
	/* Tests alone: a stream socket at this path, on which the first four
	 * bytes sent stand for the CID that vsock would tell. */
	const char *unix_path;
	uint32_t test_cid;
};

/* A connected, non-blocking socket, or -errno; waits a few seconds at most. */
int transport_connect(const struct transport *t);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_SERVE_H
#define WARDEN_AGENT_SERVE_H

#include <stdbool.h>

#include "channel/identity.h"
#include "warden/wire.h"

/*
 * One connection, from handshake to end.  Closes fd.  Returns why it ended;
 * *ret_up tells whether the host had let this agent in and did not itself send
 * it away again.
 */
const char *serve(int fd, const struct identity *self, const uint8_t host[WIRE_KEY],
		  bool *ret_up);

#endif

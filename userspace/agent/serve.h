/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_SERVE_H
#define WARDEN_AGENT_SERVE_H

#include <stdbool.h>

#include "agent/keyring.h"

/*
 * One connection, from handshake to end.  Closes fd.  Returns why it ended;
 * *ret_up tells whether the host had let this agent in and did not itself send
 * it away again.
 */
const char *serve(int fd, struct keyring *keys, const struct identity *self, bool *ret_up);

#endif

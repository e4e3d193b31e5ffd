/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_ENROL_H
#define WARDEN_AGENT_ENROL_H

#include "agent/transport.h"

/*
 * Makes this agent's key, has the host pin it by a one-time token, and pins
 * the host's.  text: the token, or "-" to read it from standard input.
 * Returns the exit status.
 *
 * The key is KEY.enrol until the host has said that it keeps it: cut off at
 * any point, the same command with the same token goes on.
 */
int enrol(const char *text, const char *key_path, const char *host_path,
	  const struct transport *transport);

#endif

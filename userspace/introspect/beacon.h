/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is this guest the one a session of the channel comes from?  Its agent keeps
 * the session's nonce in its memory and tells where; read there, by way of the
 * process's own page tables, it can have been put there by this guest alone.
 */
#ifndef WARDEN_BEACON_H
#define WARDEN_BEACON_H

#include "introspect/look.h"

/* Needs introspector_ready. */
void beacon_look(struct introspector *in, const struct m_beacon *beacon,
		 struct m_beacon_seen *ret_seen);

#endif

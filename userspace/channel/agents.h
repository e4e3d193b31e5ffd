/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which agents there are: the engine lists, invites and revokes them, and has
 * their keys changed; they enrol with a token.  Nothing of it needs a restart.
 */
#ifndef WARDEN_AGENTS_H
#define WARDEN_AGENTS_H

#include "channel/role.h"

/* Answers with AGENT_INFO, any number, and one AGENT_DONE, now or later. */
void agents_act(struct channel *ch, uint64_t id, const struct m_agent_act *act, uint64_t now_ms);

/* The first record of a half-open connection was an ENROL. */
void agents_enrol(struct channel *ch, struct conn *c, const struct record_enrol *enrol,
		  uint64_t now_ms);

/* Whose key this is, NULL if nobody's.  A new key's first login ends the old one. */
struct pin *agents_login(struct channel *ch, const uint8_t key[WIRE_KEY]);

/* The answer to ROTATE.  False: the record is none. */
bool agents_rotated(struct channel *ch, struct conn *c, const uint8_t *record, size_t len,
		    uint64_t now_ms);
void agents_rotate_late(struct channel *ch, struct conn *c);

/* The session is over, and with it what the engine waited for. */
void agents_lost(struct channel *ch, struct conn *c, const char *why);

#endif

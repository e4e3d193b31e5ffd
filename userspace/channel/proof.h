/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is signed inside a session, for other ends than the session itself.
 * Each signature is under its own label and over the session's transcript, so
 * that it proves nothing in any other session.
 */
#ifndef WARDEN_PROOF_H
#define WARDEN_PROOF_H

#include "channel/identity.h"
#include "warden/wire.h"

/* signature of label || transcript || key (NULL: none of it). */
void proof_sign(uint8_t ret_signature[WIRE_SIGNATURE], const struct identity *by,
		const char *label, const uint8_t transcript[WIRE_TRANSCRIPT],
		const uint8_t key[WIRE_KEY]);
bool proof_holds(const uint8_t signature[WIRE_SIGNATURE], const uint8_t by[WIRE_KEY],
		 const char *label, const uint8_t transcript[WIRE_TRANSCRIPT],
		 const uint8_t key[WIRE_KEY]);

#endif

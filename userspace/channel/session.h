/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records in both directions after the handshake, each direction a libsodium
 * secretstream: a record that is changed, repeated, left out or out of order
 * does not open.
 */
#ifndef WARDEN_SESSION_H
#define WARDEN_SESSION_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warden/wire.h"

struct session {
	crypto_secretstream_xchacha20poly1305_state tx, rx;
	uint64_t tx_bytes, rx_bytes;	/* since the last rekey */
	uint64_t tx_rekey_ms;		/* time of ours; 0: none yet */
};

#define SESSION_KEY crypto_secretstream_xchacha20poly1305_KEYBYTES

void session_start_tx(struct session *s, const uint8_t key[SESSION_KEY],
		      uint8_t ret_header[WIRE_STREAM_HEADER]);
void session_start_rx(struct session *s, const uint8_t key[SESSION_KEY],
		      const uint8_t header[WIRE_STREAM_HEADER]);
void session_wipe(struct session *s);

/*
 * Seals len (at most WIRE_RECORD_MAX) bytes into a whole frame: out has
 * room for WIRE_FRAME_HEADER + len + WIRE_STREAM_OVERHEAD.  Returns its size.
 */
size_t session_seal(struct session *s, const uint8_t *record, size_t len,
		    uint64_t now_ms, uint8_t *out);

/* Opens a frame's payload; record has room for len bytes.  Empty ones are refused. */
bool session_open(struct session *s, const uint8_t *payload, size_t len,
		  uint8_t *record, size_t *ret_len);

#endif

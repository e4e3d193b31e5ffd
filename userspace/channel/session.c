// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/session.h"

#include "channel/frames.h"

_Static_assert(WIRE_STREAM_HEADER == crypto_secretstream_xchacha20poly1305_HEADERBYTES, "wire.h");
_Static_assert(WIRE_STREAM_OVERHEAD == crypto_secretstream_xchacha20poly1305_ABYTES, "wire.h");

void session_start_tx(struct session *s, const uint8_t key[SESSION_KEY],
		      uint8_t ret_header[WIRE_STREAM_HEADER])
{
	crypto_secretstream_xchacha20poly1305_init_push(&s->tx, ret_header, key);
	s->tx_bytes = s->tx_rekey_ms = 0;
}

void session_start_rx(struct session *s, const uint8_t key[SESSION_KEY],
		      const uint8_t header[WIRE_STREAM_HEADER])
{
	crypto_secretstream_xchacha20poly1305_init_pull(&s->rx, header, key);
	s->rx_bytes = 0;
}

void session_wipe(struct session *s)
{
	sodium_memzero(s, sizeof(*s));
}

/*
 * The record that carries REKEY is the last under the old key.  secretstream
 * forgets that key at both ends, so what was recorded before stays closed to
 * whoever takes the memory later.
 */
static bool rekey_due(struct session *s, size_t len, uint64_t now_ms)
{
	if (!s->tx_rekey_ms)
		s->tx_rekey_ms = now_ms;
	s->tx_bytes += len;
	if (s->tx_bytes < WIRE_REKEY_BYTES - WIRE_FRAME_MAX &&
	    now_ms - s->tx_rekey_ms < WIRE_REKEY_MS)
		return false;
	s->tx_bytes = 0;
	s->tx_rekey_ms = now_ms;
	return true;
}

size_t session_seal(struct session *s, const uint8_t *record, size_t len,
		    uint64_t now_ms, uint8_t *out)
{
	uint8_t tag = rekey_due(s, len, now_ms) ?
		crypto_secretstream_xchacha20poly1305_TAG_REKEY :
		crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;

	frame_header(out, len + WIRE_STREAM_OVERHEAD);
	crypto_secretstream_xchacha20poly1305_push(&s->tx, out + WIRE_FRAME_HEADER, NULL,
						   record, len, NULL, 0, tag);
	return WIRE_FRAME_HEADER + len + WIRE_STREAM_OVERHEAD;
}

bool session_open(struct session *s, const uint8_t *payload, size_t len,
		  uint8_t *record, size_t *ret_len)
{
	unsigned long long got;
	uint8_t tag;

	if (len <= WIRE_STREAM_OVERHEAD ||
	    crypto_secretstream_xchacha20poly1305_pull(&s->rx, record, &got, &tag, payload,
						       len, NULL, 0))
		return false;
	s->rx_bytes += got;
	if (tag == crypto_secretstream_xchacha20poly1305_TAG_REKEY)
		s->rx_bytes = 0;
	else if (tag != crypto_secretstream_xchacha20poly1305_TAG_MESSAGE)
		return false;
	if (s->rx_bytes > 2ull * WIRE_REKEY_BYTES)
		return false;
	*ret_len = got;
	return true;
}

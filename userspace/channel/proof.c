// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/proof.h"

#include <string.h>

#include "channel/bytes.h"

struct text {
	uint8_t bytes[32 + WIRE_TRANSCRIPT + WIRE_KEY];
	size_t len;
};

static struct text text_of(const char *label, const uint8_t *transcript, const uint8_t *key)
{
	struct text t;
	struct writer w = { t.bytes, t.bytes + sizeof(t.bytes), false };

	put_bytes(&w, label, strlen(label));
	put_bytes(&w, transcript, WIRE_TRANSCRIPT);
	if (key)
		put_bytes(&w, key, WIRE_KEY);
	t.len = w.at - t.bytes;
	return t;
}

void proof_sign(uint8_t ret_signature[WIRE_SIGNATURE], const struct identity *by,
		const char *label, const uint8_t transcript[WIRE_TRANSCRIPT],
		const uint8_t key[WIRE_KEY])
{
	struct text t = text_of(label, transcript, key);

	crypto_sign_detached(ret_signature, NULL, t.bytes, t.len, by->secret);
}

bool proof_holds(const uint8_t signature[WIRE_SIGNATURE], const uint8_t by[WIRE_KEY],
		 const char *label, const uint8_t transcript[WIRE_TRANSCRIPT],
		 const uint8_t key[WIRE_KEY])
{
	struct text t = text_of(label, transcript, key);

	return !crypto_sign_verify_detached(signature, t.bytes, t.len, by);
}

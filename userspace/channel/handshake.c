// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/handshake.h"

#include <string.h>

#include "channel/bytes.h"

_Static_assert(WIRE_KEY == crypto_sign_PUBLICKEYBYTES, "wire.h");
_Static_assert(WIRE_KEY == crypto_scalarmult_BYTES, "wire.h");
_Static_assert(WIRE_SIGNATURE == crypto_sign_BYTES, "wire.h");
_Static_assert(sizeof(WIRE_KDF_CONTEXT) == crypto_kdf_CONTEXTBYTES + 1, "wire.h");
_Static_assert(crypto_kdf_KEYBYTES == 32 && SESSION_KEY == 32, "wire.h");

/* transcript = BLAKE2b-512(transcript || bytes): every message, in order. */
static void mix(struct handshake *h, const void *bytes, size_t n)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, sizeof(h->transcript));
	crypto_generichash_update(&state, h->transcript, sizeof(h->transcript));
	crypto_generichash_update(&state, bytes, n);
	crypto_generichash_final(&state, h->transcript, sizeof(h->transcript));
}

static void transcript_start(struct handshake *h)
{
	crypto_generichash(h->transcript, sizeof(h->transcript),
			   (const uint8_t *)WIRE_LABEL_TRANSCRIPT,
			   strlen(WIRE_LABEL_TRANSCRIPT), NULL, 0);
}

/* What a role signs: its label, then the transcript so far. */
struct signed_text {
	uint8_t bytes[32 + WIRE_TRANSCRIPT];
	size_t len;
};

static struct signed_text signed_text(const struct handshake *h, const char *label)
{
	struct signed_text t;
	struct writer w = { t.bytes, t.bytes + sizeof(t.bytes), false };

	put_bytes(&w, label, strlen(label));
	put_bytes(&w, h->transcript, sizeof(h->transcript));
	t.len = w.at - t.bytes;
	return t;
}

static void sign(const struct handshake *h, const char *label, uint8_t signature[WIRE_SIGNATURE])
{
	struct signed_text t = signed_text(h, label);

	crypto_sign_detached(signature, NULL, t.bytes, t.len, h->self->secret);
}

static bool verify(const struct handshake *h, const char *label,
		   const uint8_t signature[WIRE_SIGNATURE])
{
	struct signed_text t = signed_text(h, label);

	return !crypto_sign_verify_detached(signature, t.bytes, t.len, h->peer);
}

static void new_ephemeral(struct handshake *h)
{
	randombytes_buf(h->ephemeral_secret, sizeof(h->ephemeral_secret));
	crypto_scalarmult_base(h->ephemeral_public, h->ephemeral_secret);
}

struct keys {
	uint8_t to_agent[SESSION_KEY], to_host[SESSION_KEY];
};

/* False for a peer's ephemeral of small order.  Ours is gone afterwards. */
static bool derive(struct handshake *h, const uint8_t theirs[WIRE_KEY], struct keys *ret_keys)
{
	uint8_t shared[crypto_scalarmult_BYTES], master[crypto_kdf_KEYBYTES];
	struct signed_text t = signed_text(h, WIRE_LABEL_KEYS);
	bool good = !crypto_scalarmult(shared, h->ephemeral_secret, theirs);

	sodium_memzero(h->ephemeral_secret, sizeof(h->ephemeral_secret));
	if (good) {
		crypto_generichash(master, sizeof(master), t.bytes, t.len, shared, sizeof(shared));
		crypto_kdf_derive_from_key(ret_keys->to_agent, SESSION_KEY, WIRE_KDF_TO_AGENT,
					   WIRE_KDF_CONTEXT, master);
		crypto_kdf_derive_from_key(ret_keys->to_host, SESSION_KEY, WIRE_KDF_TO_HOST,
					   WIRE_KDF_CONTEXT, master);
		crypto_kdf_derive_from_key(h->confirm, sizeof(h->confirm), WIRE_KDF_CONFIRM,
					   WIRE_KDF_CONTEXT, master);
	}
	sodium_memzero(shared, sizeof(shared));
	sodium_memzero(master, sizeof(master));
	return good;
}

/* READY's hash: the host holds the keys and saw the same transcript. */
static void confirmation(struct handshake *h, uint8_t out[WIRE_HASH])
{
	crypto_generichash(out, WIRE_HASH, h->transcript, sizeof(h->transcript),
			   h->confirm, sizeof(h->confirm));
	sodium_memzero(h->confirm, sizeof(h->confirm));
}

static enum handshake_status fail(struct handshake *h, const char *why)
{
	handshake_wipe(h);
	h->why = why;
	return HANDSHAKE_FAILED;
}

static enum handshake_status refuse(struct handshake *h, uint8_t reason, const char *why)
{
	h->out[0] = WIRE_REFUSED;
	h->out[1] = reason;
	h->out_len = WIRE_REFUSED_SIZE;
	return fail(h, why);
}

static struct writer begin(struct handshake *h, uint8_t type)
{
	struct writer w = { h->out, h->out + sizeof(h->out), false };

	put_u8(&w, type);
	return w;
}

static void put_nonce(struct writer *w)
{
	uint8_t nonce[WIRE_NONCE];

	randombytes_buf(nonce, sizeof(nonce));
	put_bytes(w, nonce, sizeof(nonce));
}

static size_t written(const struct handshake *h, const struct writer *w)
{
	return w->at - h->out;
}

void handshake_agent(struct handshake *h, const struct identity *self,
		     const struct host_keys *hosts)
{
	struct writer w;

	memset(h, 0, sizeof(*h));
	h->state = HANDSHAKE_WAIT_HOST;
	h->self = self;
	h->hosts = hosts;
	transcript_start(h);
	new_ephemeral(h);
	w = begin(h, WIRE_HELLO);
	put_bytes(&w, WIRE_MAGIC, 4);
	put_u16(&w, WIRE_VERSION_MIN);
	put_u16(&w, WIRE_VERSION_MAX);
	put_bytes(&w, self->public, WIRE_KEY);
	put_bytes(&w, h->ephemeral_public, WIRE_KEY);
	put_nonce(&w);
	h->out_len = written(h, &w);
	mix(h, h->out, h->out_len);
}

void handshake_host(struct handshake *h, const struct identity *self,
		    handshake_admit *admit, void *arg)
{
	memset(h, 0, sizeof(*h));
	h->state = HANDSHAKE_WAIT_HELLO;
	h->self = self;
	h->admit = admit;
	h->admit_arg = arg;
	transcript_start(h);
}

static enum handshake_status answer_hello(struct handshake *h, uint16_t version)
{
	struct writer w = begin(h, WIRE_HOST);
	uint8_t signature[WIRE_SIGNATURE];

	new_ephemeral(h);
	put_u16(&w, version);
	put_bytes(&w, h->self->public, WIRE_KEY);
	put_bytes(&w, h->ephemeral_public, WIRE_KEY);
	put_nonce(&w);
	mix(h, h->out, written(h, &w));
	sign(h, WIRE_LABEL_HOST, signature);
	put_bytes(&w, signature, sizeof(signature));
	mix(h, signature, sizeof(signature));
	h->out_len = written(h, &w);
	h->state = HANDSHAKE_WAIT_AGENT;
	return HANDSHAKE_MORE;
}

/* Nothing costly is done for an identity that is not pinned. */
static enum handshake_status on_hello(struct handshake *h, struct reader *r,
				      const uint8_t *message, size_t len)
{
	uint8_t magic[4], nonce[WIRE_NONCE];
	uint16_t min, max;
	uint8_t reason;

	get_bytes(r, magic, sizeof(magic));
	min = get_u16(r);
	max = get_u16(r);
	get_bytes(r, h->peer, WIRE_KEY);
	get_bytes(r, h->peer_ephemeral, WIRE_KEY);
	get_bytes(r, nonce, sizeof(nonce));
	if (!reader_done(r) || memcmp(magic, WIRE_MAGIC, sizeof(magic)) || min > max)
		return fail(h, "malformed HELLO");
	if (max < WIRE_VERSION_MIN || min > WIRE_VERSION_MAX)
		return refuse(h, WIRE_REFUSED_VERSION, "no protocol version in common");
	reason = h->admit(h->admit_arg, h->peer);
	if (reason)
		return refuse(h, reason, reason == WIRE_REFUSED_REVOKED ? "key is revoked" :
			      "key is not pinned");
	mix(h, message, len);
	return answer_hello(h, max < WIRE_VERSION_MAX ? max : WIRE_VERSION_MAX);
}

static enum handshake_status answer_host(struct handshake *h, const uint8_t theirs[WIRE_KEY])
{
	struct writer w = begin(h, WIRE_AGENT);
	uint8_t header[WIRE_STREAM_HEADER], signature[WIRE_SIGNATURE];
	struct keys keys;

	if (!derive(h, theirs, &keys))
		return fail(h, "the host's ephemeral key is of small order");
	session_start_tx(&h->session, keys.to_host, header);
	memcpy(h->rx_key, keys.to_agent, SESSION_KEY);
	sodium_memzero(&keys, sizeof(keys));
	put_bytes(&w, header, sizeof(header));
	mix(h, header, sizeof(header));
	sign(h, WIRE_LABEL_AGENT, signature);
	put_bytes(&w, signature, sizeof(signature));
	mix(h, signature, sizeof(signature));
	h->out_len = written(h, &w);
	h->state = HANDSHAKE_WAIT_READY;
	return HANDSHAKE_MORE;
}

static bool is_pinned_host(const struct handshake *h, const uint8_t identity[WIRE_KEY])
{
	for (size_t i = 0; i < h->hosts->n; i++)
		if (!sodium_memcmp(identity, h->hosts->key[i], WIRE_KEY))
			return true;
	return false;
}

static enum handshake_status on_host(struct handshake *h, struct reader *r,
				     const uint8_t *message, size_t len)
{
	uint8_t ephemeral[WIRE_KEY], nonce[WIRE_NONCE], signature[WIRE_SIGNATURE];
	uint16_t version = get_u16(r);

	get_bytes(r, h->peer, sizeof(h->peer));
	get_bytes(r, ephemeral, sizeof(ephemeral));
	get_bytes(r, nonce, sizeof(nonce));
	get_bytes(r, signature, sizeof(signature));
	if (!reader_done(r))
		return fail(h, "malformed HOST");
	if (version < WIRE_VERSION_MIN || version > WIRE_VERSION_MAX)
		return fail(h, "the host chose a version that was not offered");
	if (!is_pinned_host(h, h->peer))
		return fail(h, "another host key than the pinned one");
	mix(h, message, len - WIRE_SIGNATURE);
	if (!verify(h, WIRE_LABEL_HOST, signature))
		return fail(h, "bad signature of the host");
	mix(h, signature, sizeof(signature));
	return answer_host(h, ephemeral);
}

static void answer_agent(struct handshake *h, const uint8_t key[SESSION_KEY])
{
	struct writer w = begin(h, WIRE_READY);
	uint8_t header[WIRE_STREAM_HEADER], hash[WIRE_HASH];

	session_start_tx(&h->session, key, header);
	put_bytes(&w, header, sizeof(header));
	mix(h, header, sizeof(header));
	confirmation(h, hash);
	put_bytes(&w, hash, sizeof(hash));
	h->out_len = written(h, &w);
	h->state = HANDSHAKE_OVER;
}

/* Keys before the signature: both ends take them at the same transcript. */
static enum handshake_status on_agent(struct handshake *h, struct reader *r)
{
	uint8_t header[WIRE_STREAM_HEADER], signature[WIRE_SIGNATURE];
	struct keys keys;

	get_bytes(r, header, sizeof(header));
	get_bytes(r, signature, sizeof(signature));
	if (!reader_done(r))
		return fail(h, "malformed AGENT");
	if (!derive(h, h->peer_ephemeral, &keys))
		return fail(h, "the agent's ephemeral key is of small order");
	mix(h, header, sizeof(header));
	if (verify(h, WIRE_LABEL_AGENT, signature)) {
		mix(h, signature, sizeof(signature));
		session_start_rx(&h->session, keys.to_host, header);
		answer_agent(h, keys.to_agent);
		sodium_memzero(&keys, sizeof(keys));
		return HANDSHAKE_DONE;
	}
	sodium_memzero(&keys, sizeof(keys));
	return fail(h, "bad signature of the agent");
}

static enum handshake_status on_ready(struct handshake *h, struct reader *r)
{
	uint8_t header[WIRE_STREAM_HEADER], hash[WIRE_HASH], expected[WIRE_HASH];

	get_bytes(r, header, sizeof(header));
	get_bytes(r, hash, sizeof(hash));
	if (!reader_done(r))
		return fail(h, "malformed READY");
	mix(h, header, sizeof(header));
	confirmation(h, expected);
	if (sodium_memcmp(hash, expected, sizeof(hash)))
		return fail(h, "the host does not hold the session's keys");
	session_start_rx(&h->session, h->rx_key, header);
	sodium_memzero(h->rx_key, sizeof(h->rx_key));
	h->state = HANDSHAKE_OVER;
	return HANDSHAKE_DONE;
}

static enum handshake_status on_refused(struct handshake *h, struct reader *r)
{
	uint8_t reason = get_u8(r);

	if (!reader_done(r))
		return fail(h, "malformed REFUSED");
	h->refused = reason;
	switch (reason) {
	case WIRE_REFUSED_VERSION:
		return fail(h, "the host says: no protocol version in common");
	case WIRE_REFUSED_UNKNOWN:
		return fail(h, "the host says: this agent's key is not pinned");
	case WIRE_REFUSED_REVOKED:
		return fail(h, "the host says: this agent's key was revoked");
	default:
		return fail(h, "the host refuses");
	}
}

enum handshake_status handshake_step(struct handshake *h, const uint8_t *message, size_t len)
{
	struct reader r = { message, message + len, false };
	uint8_t type = get_u8(&r);

	h->out_len = 0;
	if (h->state == HANDSHAKE_WAIT_HELLO && type == WIRE_HELLO)
		return on_hello(h, &r, message, len);
	if (h->state == HANDSHAKE_WAIT_HOST && type == WIRE_HOST)
		return on_host(h, &r, message, len);
	if (h->state == HANDSHAKE_WAIT_HOST && type == WIRE_REFUSED)
		return on_refused(h, &r);
	if (h->state == HANDSHAKE_WAIT_AGENT && type == WIRE_AGENT)
		return on_agent(h, &r);
	if (h->state == HANDSHAKE_WAIT_READY && type == WIRE_READY)
		return on_ready(h, &r);
	return fail(h, "not the handshake message that is due");
}

/* Every secret; what was to be sent and whom it was about stay readable. */
void handshake_wipe(struct handshake *h)
{
	sodium_memzero(h->ephemeral_secret, sizeof(h->ephemeral_secret));
	sodium_memzero(h->rx_key, sizeof(h->rx_key));
	sodium_memzero(h->confirm, sizeof(h->confirm));
	session_wipe(&h->session);
	h->state = HANDSHAKE_OVER;
}

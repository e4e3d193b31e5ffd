/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutual authentication and fresh keys for a session.  A state machine over
 * whole handshake messages: no I/O, no allocation.
 *
 *	agent				host
 *	HELLO  ------------------------>	is this identity pinned?
 *	       <------------------------  HOST, signed
 *	AGENT, signed ----------------->
 *	       <------------------------  READY, proof of the keys
 *
 * Both signatures cover both identities, both ephemeral keys, both nonces and
 * the versions offered and chosen, each under its role's label.
 */
#ifndef WARDEN_HANDSHAKE_H
#define WARDEN_HANDSHAKE_H

#include "channel/identity.h"
#include "channel/session.h"

enum handshake_status {
	HANDSHAKE_MORE,			/* send what is in out, wait */
	HANDSHAKE_DONE,			/* send what is in out, the session is ready */
	HANDSHAKE_FAILED,		/* send what is in out, close; why tells */
};

/*
 * The host asks whether an identity may come in: 0, or the reason of REFUSED.
 * Who is not pinned may, while an invitation is open, and then has to enrol.
 */
typedef uint8_t handshake_admit(void *arg, const uint8_t identity[WIRE_KEY]);

/* The agent's pins of its host: the key, and maybe its announced successor. */
struct host_keys {
	uint8_t key[2][WIRE_KEY];
	size_t n;
};

struct handshake {
	enum { HANDSHAKE_WAIT_HELLO, HANDSHAKE_WAIT_HOST, HANDSHAKE_WAIT_AGENT,
	       HANDSHAKE_WAIT_READY, HANDSHAKE_OVER } state;
	const struct identity *self;
	handshake_admit *admit;		/* host */
	void *admit_arg;
	const struct host_keys *hosts;	/* agent */
	uint8_t peer[WIRE_KEY];		/* as it says of itself; proved once it is over */
	uint8_t ephemeral_public[WIRE_KEY], ephemeral_secret[WIRE_KEY];
	uint8_t peer_ephemeral[WIRE_KEY];	/* host, until AGENT comes */
	uint8_t rx_key[SESSION_KEY];	/* agent, until READY comes */
	uint8_t confirm[WIRE_HASH];	/* key of READY's hash */
	uint8_t transcript[WIRE_TRANSCRIPT];	/* stays: proofs in the session are over it */
	struct session session;
	uint8_t out[WIRE_FRAME_MAX_OPEN];
	size_t out_len;			/* set anew by each step */
	uint8_t refused;		/* agent: the reason of the host's REFUSED, or 0 */
	const char *why;
};

/* Leaves HELLO in out. */
void handshake_agent(struct handshake *h, const struct identity *self,
		     const struct host_keys *hosts);
void handshake_host(struct handshake *h, const struct identity *self,
		    handshake_admit *admit, void *arg);

enum handshake_status handshake_step(struct handshake *h, const uint8_t *message, size_t len);

void handshake_wipe(struct handshake *h);

#endif

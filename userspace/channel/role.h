/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of warden-channel share: the engine, the agents, the orders. */
#ifndef WARDEN_CHANNEL_ROLE_H
#define WARDEN_CHANNEL_ROLE_H

#include "channel/identity.h"
#include "channel/link.h"
#include "channel/listener.h"
#include "channel/pins.h"
#include "channel/rate.h"

#define HALF_OPEN_MAX 512	/* connections that have not logged in */
#define HALF_OPEN_CID 4		/* of one CID */
#define HALF_OPEN_GRACE_MS 250	/* an agent that answers at once has logged in by then */
#define ACCEPTS_A_TURN 64
#define LOGIN_MS 5000		/* to log in */
#define PING_AFTER_MS 15000	/* of silence */
#define PONG_MS 10000		/* to answer */
#define RECONNECT_MS 2000	/* orders wait so long for a lost agent to log in */
#define ORDERS_MAX 256		/* of all sessions, awaited by the engine */
#define ROTATE_MS 5000		/* for an agent to make a new key */
/* Half-open ones, sessions of which an identity may have two, and what came in this turn. */
#define CONNS_MAX (2 * PINS_MAX + HALF_OPEN_MAX + ACCEPTS_A_TURN)

struct conn {
	int fd;
	uint32_t cid;
	enum { CONN_PREFACE, CONN_HALF_OPEN, CONN_UP, CONN_DEAD } state;
	bool another;			/* of its guest was half open when it came */
	uint64_t since_ms, heard_ms;
	uint64_t ping_ms, ping_value;	/* ping_ms 0: none is out */
	struct pin *pin;
	struct record_login login;
	bool bound;			/* its nonce was read in the guest: orders may go */
	unsigned orders;		/* sent and not answered, the late ones included */
	struct late {			/* the engine has been told EXPIRED */
		uint64_t order;
		uint8_t nonce[WIRE_NONCE];
	} late[WIRE_ORDERS_OPEN];
	unsigned nlate;
	uint64_t rotate_ms, rotate_id;	/* since when the engine waits for a new key; 0: not */
	uint8_t preface[4];
	uint32_t preface_have;
	struct link link;
};

struct order;

struct channel {
	int engine;
	struct listener listener;
	struct identity self;
	struct identity next;		/* the host's next key, told to the agents */
	bool has_next;
	struct pins pins;
	uint8_t vault[WIRE_KEY];	/* master key of the quarantines */
	uint32_t order_ms;		/* deadline of an order that names none */
	struct conn **conns;
	size_t nconns;
	struct order *orders;		/* ORDERS_MAX */
	struct rate logins, refusals, enrols;
};

/* serve.c: until the engine closes its socket. */
void channel_serve(struct channel *ch);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One end of a connection, whole: frames, then the handshake, then records.
 * Bytes in, bytes out, no I/O: the same code over vsock, over a test's
 * buffers and under a fuzzer.
 */
#ifndef WARDEN_LINK_H
#define WARDEN_LINK_H

#include "channel/frames.h"
#include "channel/handshake.h"
#include "channel/record.h"

#define LINK_OUT 16384			/* a peer that lets more pile up is cut */

enum link_event {
	LINK_MORE,			/* all bytes are used up */
	LINK_UP,			/* the handshake is over: send and receive records */
	LINK_RECORD,			/* record, record_len: valid until the next call */
	LINK_FAILED,			/* send what is in out, close; why tells */
};

struct link {
	bool up, failed;
	const char *why;
	struct frame_reader in;
	struct handshake handshake;
	struct session session;
	size_t record_len, out_len;
	uint8_t record[WIRE_FRAME_MAX];
	uint8_t out[LINK_OUT];		/* to be sent */
};

/* The agent's link begins with bytes to send. */
void link_agent(struct link *l, const struct identity *self, const struct host_keys *hosts);
void link_host(struct link *l, const struct identity *self, handshake_admit *admit, void *arg);

/* Call again until LINK_MORE or LINK_FAILED. */
enum link_event link_input(struct link *l, const uint8_t **data, size_t *n);

/* Seals a record behind what waits in out.  False: out is full. */
bool link_send(struct link *l, const uint8_t *record, size_t len, uint64_t now_ms);

/* n bytes of out were sent. */
void link_sent(struct link *l, size_t n);

void link_wipe(struct link *l);

#endif

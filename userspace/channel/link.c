// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/link.h"

#include <string.h>

static void start(struct link *l)
{
	l->up = l->failed = false;
	l->why = "";
	l->out_len = l->record_len = 0;
	frame_reader_init(&l->in, WIRE_FRAME_MAX_OPEN);
}

/* A handshake message as a frame; it always fits: at most two wait. */
static void queue_handshake(struct link *l)
{
	const struct handshake *h = &l->handshake;

	if (!h->out_len)
		return;
	frame_header(l->out + l->out_len, h->out_len);
	memcpy(l->out + l->out_len + WIRE_FRAME_HEADER, h->out, h->out_len);
	l->out_len += WIRE_FRAME_HEADER + h->out_len;
}

void link_agent(struct link *l, const struct identity *self, const struct host_keys *hosts)
{
	start(l);
	handshake_agent(&l->handshake, self, hosts);
	queue_handshake(l);
}

void link_host(struct link *l, const struct identity *self, handshake_admit *admit, void *arg)
{
	start(l);
	handshake_host(&l->handshake, self, admit, arg);
}

static enum link_event fail(struct link *l, const char *why)
{
	l->failed = true;
	l->why = why;
	return LINK_FAILED;
}

static enum link_event on_handshake(struct link *l)
{
	enum handshake_status status = handshake_step(&l->handshake, l->in.payload, l->in.len);

	queue_handshake(l);
	if (status == HANDSHAKE_FAILED)
		return fail(l, l->handshake.why);
	if (status == HANDSHAKE_MORE)
		return LINK_MORE;
	l->session = l->handshake.session;
	handshake_wipe(&l->handshake);
	l->in.limit = WIRE_FRAME_MAX;
	l->up = true;
	return LINK_UP;
}

static enum link_event on_record(struct link *l)
{
	if (!session_open(&l->session, l->in.payload, l->in.len, l->record, &l->record_len))
		return fail(l, "a record does not open: changed, repeated or out of order");
	return LINK_RECORD;
}

enum link_event link_input(struct link *l, const uint8_t **data, size_t *n)
{
	enum link_event event = LINK_MORE;

	while (event == LINK_MORE && !l->failed) {
		switch (frame_read(&l->in, data, n)) {
		case FRAME_MORE:
			return LINK_MORE;
		case FRAME_BAD:
			return fail(l, "a frame of zero or too many bytes");
		case FRAME_READY:
			event = l->up ? on_record(l) : on_handshake(l);
		}
	}
	return l->failed ? LINK_FAILED : event;
}

bool link_send(struct link *l, const uint8_t *record, size_t len, uint64_t now_ms)
{
	if (!l->up || l->failed ||
	    len + WIRE_FRAME_HEADER + WIRE_STREAM_OVERHEAD > sizeof(l->out) - l->out_len)
		return false;
	l->out_len += session_seal(&l->session, record, len, now_ms, l->out + l->out_len);
	return true;
}

void link_sent(struct link *l, size_t n)
{
	memmove(l->out, l->out + n, l->out_len - n);
	l->out_len -= n;
}

void link_wipe(struct link *l)
{
	handshake_wipe(&l->handshake);
	session_wipe(&l->session);
	sodium_memzero(l->record, l->record_len);
}

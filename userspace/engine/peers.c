// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sockets to the roles and the parent.  A role that sends what is no
 * message, or a message that is not its to send, is broken or taken over: its
 * socket is closed, the parent sees it end and starts another.
 */
#include "engine/engine.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "engine/orders.h"
#include "lib/log.h"

#define BURST 64	/* messages of one peer before the others have their turn */

static const peer_handler handlers[] = {
	[PEER_PARENT] = handle_parent,
	[PEER_INTROSPECT] = handle_introspector,
	[PEER_SCAN] = handle_scan,
	[PEER_CHANNEL] = handle_channel,
};

static const char *peer_name(const struct peer *peer)
{
	static const char *const names[] = {
		[PEER_PARENT] = "parent", [PEER_INTROSPECT] = "introspect",
		[PEER_SCAN] = "scan", [PEER_CHANNEL] = "channel",
	};

	return names[peer->kind];
}

void peer_init(struct peer *peer, struct engine *e, enum peer_kind kind, struct guest *g)
{
	*peer = (struct peer){ .engine = e, .guest = g, .kind = kind, .fd = -1 };
}

/* The socket is gone: what was asked over it has no answer. */
static void lost(struct peer *peer)
{
	struct engine *e = peer->engine;

	peer_close(peer);
	switch (peer->kind) {
	case PEER_PARENT:
		sd_event_exit(e->event, 0);
		break;
	case PEER_INTROSPECT:
		guest_lost_introspector(peer->guest);
		break;
	case PEER_SCAN:
		scanning_lost(e);
		break;
	case PEER_CHANNEL:
		orders_channel_lost(e, now_mono());
		break;
	}
}

static void refuse(struct peer *peer, const char *why)
{
	struct engine *e = peer->engine;
	uint64_t guest = peer->guest ? peer->guest->id : 0;

	/* The parent is trusted: a bad message from it means that nothing is sure. */
	if (peer->kind == PEER_PARENT) {
		journal_commit(&e->journal);
		fatal("the parent: %s", why);
	}
	log_err("%s (guest %llu): %s: closed", peer_name(peer), (unsigned long long)guest, why);
	record_event(&e->journal, "malformed message", guest, 0, 0,
		     json_pack("{s:s,s:s}", "role", peer_name(peer), "why", why));
	engine_flush_soon(e);
	lost(peer);
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct peer *peer = user;
	struct msg m;

	for (int i = 0; i < BURST && peer->fd == fd; i++) {
		int r = msg_recv(fd, &m, MSG_DONTWAIT);

		if (r == -EAGAIN)
			return 0;
		if (r == -EBADMSG) {
			refuse(peer, "a datagram that is no message");
			return 0;
		}
		if (r <= 0) {
			log_info("%s: its socket ended", peer_name(peer));
			lost(peer);
			return 0;
		}
		r = handlers[peer->kind](peer, &m, now_mono());
		msg_release(&m);
		if (r) {
			char why[64];

			snprintf(why, sizeof(why), "malformed message, type %u", m.type);
			refuse(peer, why);
			return 0;
		}
	}
	return 0;
}

int peer_open(struct peer *peer, int fd)
{
	peer_close(peer);
	peer->fd = fd;
	if (sd_event_add_io(peer->engine->event, &peer->source, fd, EPOLLIN, on_readable, peer) < 0) {
		log_err("%s: cannot watch its socket", peer_name(peer));
		peer_close(peer);
		return -1;
	}
	/* The parent first: it says what a role's end means. */
	sd_event_source_set_priority(peer->source, peer->kind == PEER_PARENT ? -10 : 0);
	return 0;
}

void peer_close(struct peer *peer)
{
	peer->source = sd_event_source_disable_unref(peer->source);
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

int peer_post(struct peer *peer, const struct msg_schema *schema, uint64_t id,
	      const void *value, int fd)
{
	struct msg m;
	int r;

	if (peer->fd < 0)
		return -1;
	r = msg_encode(&m, schema, id, value, fd);
	if (!r)
		r = msg_send(peer->fd, &m, MSG_DONTWAIT);
	if (!r)
		return 0;
	log_err("%s: %s not sent: %s", peer_name(peer), schema->name, strerror(-r));
	/*
	 * Its end shows as readable and is handled there, after what it still
	 * sent; one that is alive and takes nothing is ended.
	 */
	if (r != -EPIPE && r != -ECONNRESET)
		shutdown(peer->fd, SHUT_RDWR);
	return -1;
}

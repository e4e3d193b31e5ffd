// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/verbs.h"
#include "channel/clock.h"
#include "channel/link.h"
#include "channel/proof.h"
#include "lib/log.h"

#define HANDSHAKE_MS 5000	/* until the host's first record */
#define SILENCE_MS 60000	/* the host pings more often by far */

static struct serving {
	int fd;
	bool heard;			/* a record: the host let us in */
	bool closed;			/* it told why it wants no session */
	bool rotated;			/* because this agent has a new key */
	struct keyring *keys;
	const struct identity *self;
	uint64_t deadline_ms;
	const char *why;		/* not NULL: over */
	struct link link;
} s;

/* Found by the introspector in this guest's memory: see wire.h. */
static struct wire_beacon beacon __attribute__((aligned(WIRE_PAGE)));

static void light_beacon(void)
{
	memcpy(beacon.magic, WIRE_BEACON_MAGIC, sizeof(beacon.magic));
	randombytes_buf(beacon.nonce, sizeof(beacon.nonce));
	if (mlock(&beacon, sizeof(beacon)))
		log_warn("session nonce may be swapped out: mlock: %s", strerror(errno));
}

static void end(const char *why)
{
	if (!s.why)
		s.why = why;
}

static void send_record(const uint8_t *record, size_t len)
{
	if (!link_send(&s.link, record, len, clock_ms()))
		end("the host does not read");
}

static void send_login(void)
{
	struct record_login login = {
		.capabilities = verbs_capabilities(),
		.beacon_pid = getpid(), .beacon_gva = (uintptr_t)&beacon,
		.version = WARDEN_VERSION,
	};
	uint8_t record[RECORD_MAX];

	light_beacon();
	memcpy(login.nonce, beacon.nonce, sizeof(login.nonce));
	send_record(record, record_put_login(record, &login));
}

static void send_result(const struct record_result *result)
{
	uint8_t record[RECORD_MAX];

	send_record(record, record_put_result(record, result));
}

static void on_ping(uint64_t value)
{
	uint8_t record[RECORD_MAX];

	send_record(record, record_put_ping(record, WIRE_PONG, value));
}

static void on_order(struct record_order *order)
{
	struct record_result result;

	if (verbs_begin(order, clock_ms(), &result))
		send_result(&result);
	sodium_memzero(order, sizeof(*order));	/* it holds a key */
}

/* The host tells why it ends the session. */
static void on_close(const struct record_text *bye)
{
	static char why[sizeof(bye->text) + 32];

	snprintf(why, sizeof(why), "the host ended it: %s", bye->text);
	s.closed = true;
	end(why);
}

/* The key that this session is under signs the next one. */
static void on_rotate(void)
{
	const uint8_t *transcript = s.link.handshake.transcript;
	struct record_new_key new_key;
	uint8_t record[RECORD_MAX];
	int r = s.self == &s.keys->next ? -EBUSY : keyring_make_next(s.keys);

	if (r) {
		log_warn("no new key: %s", strerror(-r));
		send_record(record, record_put_text(record, WIRE_UNROTATED, strerror(-r)));
		return;
	}
	memcpy(new_key.key, s.keys->next.public, WIRE_KEY);
	proof_sign(new_key.by_old, s.self, WIRE_LABEL_ROTATE, transcript, new_key.key);
	proof_sign(new_key.by_new, &s.keys->next, WIRE_LABEL_ROTATE, transcript, new_key.key);
	s.rotated = true;
	send_record(record, record_put_new_key(record, WIRE_ROTATED, &new_key));
}

static void on_successor(const struct record_new_key *next)
{
	const struct handshake *h = &s.link.handshake;
	int r;

	if (!proof_holds(next->by_old, h->peer, WIRE_LABEL_SUCCESSOR, h->transcript, next->key) ||
	    !proof_holds(next->by_new, next->key, WIRE_LABEL_SUCCESSOR, h->transcript, next->key)) {
		end("the host announced a key that is not its own");
		return;
	}
	r = keyring_keep_host(s.keys, next->key);
	if (r)
		log_warn("the host's next key cannot be kept: %s", strerror(-r));
	else
		log_info("the host's next key is known");
}

/* The host has let this agent in. */
static void on_first_record(void)
{
	log_info("session is up");
	keyring_up(s.keys, s.self, s.link.handshake.peer);
	if (!s.keys->has_next)
		s.self = &s.keys->self;		/* the same key, in its new place */
}

static void on_record(const uint8_t *record, size_t len)
{
	struct record_order order;
	struct record_new_key successor;
	struct record_text bye;
	uint64_t ping;

	if (record_get_order(record, len, &order)) {
		on_order(&order);
	} else if (record_get_text(record, len, WIRE_CLOSE, &bye)) {
		on_close(&bye);
		return;
	} else if (record_is_rotate(record, len)) {
		on_rotate();
	} else if (record_get_new_key(record, len, WIRE_SUCCESSOR, &successor)) {
		on_successor(&successor);
	} else if (record_get_ping(record, len, WIRE_PING, &ping)) {
		on_ping(ping);
	} else {
		end("the host sent a record that is none");
		return;
	}
	if (!s.heard)
		on_first_record();
	s.heard = true;
	s.deadline_ms = clock_ms() + SILENCE_MS;
}

static void on_bytes(const uint8_t *data, size_t n)
{
	enum link_event event;

	while (!s.why && (event = link_input(&s.link, &data, &n)) != LINK_MORE) {
		if (event == LINK_UP)
			send_login();
		else if (event == LINK_RECORD)
			on_record(s.link.record, s.link.record_len);
		else
			end(s.link.why);
		sodium_memzero(s.link.record, s.link.record_len);	/* maybe a key */
	}
}

static void receive(void)
{
	static uint8_t data[4096];
	ssize_t n = recv(s.fd, data, sizeof(data), MSG_DONTWAIT);

	if (n > 0)
		on_bytes(data, n);
	else if (n == 0)
		end("the host closed the connection");
	else if (errno != EAGAIN && errno != EINTR)
		end(strerror(errno));
}

static void transmit(void)
{
	ssize_t n;

	if (!s.link.out_len)
		return;
	n = send(s.fd, s.link.out, s.link.out_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0)
		link_sent(&s.link, n);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		end(strerror(errno));
}

static void finish_orders(void)
{
	struct record_result result;

	while (verbs_next(clock_ms(), &result))
		send_result(&result);
}

static void turn(void)
{
	struct pollfd fds[1 + VERBS_WORKERS];
	uint64_t now = clock_ms();
	int timeout, left = s.deadline_ms > now ? (int)(s.deadline_ms - now) : 0;
	int n = verbs_poll(fds + 1, now, &timeout);

	if (timeout < 0 || timeout > left)
		timeout = left;
	fds[0] = (struct pollfd){ s.fd, POLLIN | (s.link.out_len ? POLLOUT : 0), 0 };
	if (poll(fds, 1 + n, timeout) < 0 && errno != EINTR)
		end(strerror(errno));
	receive();
	finish_orders();
	transmit();
	if (clock_ms() >= s.deadline_ms)
		end(s.heard ? "the host fell silent" : "the host does not answer");
}

const char *serve(int fd, struct keyring *keys, const struct identity *self, bool *ret_up)
{
	s.fd = fd;
	s.keys = keys;
	s.self = self;
	s.heard = s.closed = s.rotated = false;
	s.why = NULL;
	s.deadline_ms = clock_ms() + HANDSHAKE_MS;
	link_agent(&s.link, self, &keys->hosts);
	transmit();
	while (!s.why)
		turn();
	verbs_orphan();
	link_wipe(&s.link);
	sodium_memzero(&beacon, sizeof(beacon));
	close(fd);
	*ret_up = s.heard && (!s.closed || s.rotated);
	return s.why;
}

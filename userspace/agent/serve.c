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
#include "lib/log.h"

#define HANDSHAKE_MS 5000	/* until the host's first record */
#define SILENCE_MS 60000	/* the host pings more often by far */

static struct serving {
	int fd;
	bool heard;			/* a record: the host let us in */
	bool closed;			/* it told why it wants no session */
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
static void on_close(const struct record_close *bye)
{
	static char why[sizeof(bye->why) + 32];

	snprintf(why, sizeof(why), "the host ended it: %s", bye->why);
	s.closed = true;
	end(why);
}

static void on_record(const uint8_t *record, size_t len)
{
	struct record_order order;
	struct record_close bye;
	uint64_t ping;

	if (record_get_order(record, len, &order)) {
		on_order(&order);
	} else if (record_get_close(record, len, &bye)) {
		on_close(&bye);
		return;
	} else if (record_get_ping(record, len, WIRE_PING, &ping)) {
		on_ping(ping);
	} else {
		end("the host sent a record that is none");
		return;
	}
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

const char *serve(int fd, const struct identity *self, const uint8_t host[WIRE_KEY],
		  bool *ret_up)
{
	bool told = false;

	s.fd = fd;
	s.heard = s.closed = false;
	s.why = NULL;
	s.deadline_ms = clock_ms() + HANDSHAKE_MS;
	link_agent(&s.link, self, host);
	transmit();
	while (!s.why) {
		turn();
		if (s.heard && !told)
			log_info("session is up");
		told = s.heard;
	}
	verbs_orphan();
	link_wipe(&s.link);
	sodium_memzero(&beacon, sizeof(beacon));
	close(fd);
	*ret_up = s.heard && !s.closed;
	return s.why;
}

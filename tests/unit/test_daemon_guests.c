// SPDX-License-Identifier: GPL-2.0-or-later
/* Events on their way to an engine that is slow, or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/guests.h"
#include "daemon/window.h"
#include "lib/messages.h"
#include "linux/kvm_warden.h"

static struct kvm_warden_event event_of(uint64_t seq)
{
	return (struct kvm_warden_event){
		.seq = seq, .guest = 1, .type = KVM_WARDEN_EVENT_ADDRESS_SPACE,
		.cr3 = 0x4141414141414141, .value = 0x4242424242424242,
	};
}

/* Takes as many as go; returns how many were taken. */
static unsigned int offer(struct guests *guests, unsigned int n)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct kvm_warden_event event = event_of(i + 1);
		int r = guests_event(guests, &event);

		assert_true(r <= 0);	/* libbpf stops at nothing else */
		if (i < WINDOW_EVENTS)
			taken++;
		if (i >= WINDOW_EVENTS - 1)
			assert_true(r < 0);
	}
	return taken;
}

static void test_no_engine(void **state)
{
	struct guests *guests = guests_new(-1, NULL);

	assert_int_equal(offer(guests, WINDOW_EVENTS + 200), WINDOW_EVENTS);
	assert_false(guests_flush(guests));
	guests_free(guests);
}

static void fill(int sock)
{
	static const char junk[4096];

	while (send(sock, junk, sizeof(junk), MSG_DONTWAIT) > 0)
		;
}

static void test_slow_engine(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fill(pair[0]);
	guests_engine_up(guests, pair[0]);
	assert_int_equal(offer(guests, WINDOW_EVENTS + 200), WINDOW_EVENTS);
	assert_false(guests_flush(guests));
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

static void test_delivered_in_order(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	static struct m_events events;
	static struct msg m;
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	/* What came while the engine was down is for the next one. */
	for (uint64_t seq = 1; seq <= 3; seq++) {
		struct kvm_warden_event event = event_of(seq);

		assert_int_equal(guests_event(guests, &event), 0);
	}
	guests_engine_up(guests, pair[0]);
	assert_true(guests_flush(guests));
	assert_int_equal(msg_recv(pair[1], &m, MSG_DONTWAIT), 1);
	assert_true(msg_decode(&m, &msg_events, &events));
	assert_int_equal(events.events.len, 3 * sizeof(struct kvm_warden_event));
	for (unsigned int i = 0; i < 3; i++) {
		struct kvm_warden_event event;

		memcpy(&event, events.events.data + i * sizeof(event), sizeof(event));
		assert_int_equal(event.seq, i + 1);
	}
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

static void add(struct guests *guests, uint64_t from, uint64_t to)
{
	for (uint64_t seq = from; seq <= to; seq++) {
		struct kvm_warden_event event = event_of(seq);

		assert_int_equal(guests_event(guests, &event), 0);
	}
}

/* The numbers of the next message, which are those from on. */
static unsigned int receive(int sock, uint64_t from)
{
	static struct m_events events;
	static struct msg m;
	struct kvm_warden_event event;
	unsigned int n;

	assert_int_equal(msg_recv(sock, &m, MSG_DONTWAIT), 1);
	assert_true(msg_decode(&m, &msg_events, &events));
	n = events.events.len / sizeof(event);
	for (unsigned int i = 0; i < n; i++) {
		memcpy(&event, events.events.data + i * sizeof(event), sizeof(event));
		assert_int_equal(event.seq, from + i);
	}
	return n;
}

/* As many events as there can be leave room for what else it is told: it may take long to start. */
static void test_room_beside_events(void **state)
{
	const struct m_counters counters = { .guest = 1 };
	struct guests *guests = guests_new(-1, NULL);
	static struct msg m;
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(offer(guests, WINDOW_EVENTS), WINDOW_EVENTS);
	guests_engine_up(guests, pair[0]);
	assert_false(guests_flush(guests));
	assert_int_equal(receive(pair[1], 1), 64);
	assert_int_equal(msg_encode(&m, &msg_counters, 0, &counters, -1), 0);
	for (int i = 0; i < 60; i++)
		assert_int_equal(msg_send(pair[0], &m, MSG_DONTWAIT), 0);
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

static bool take(struct guests *guests, uint32_t events)
{
	struct m_taken taken = { .events = events };
	static struct msg m;

	assert_int_equal(msg_encode(&m, &msg_taken, 0, &taken, -1), 0);
	return guests_taken(guests, &m);
}

/* An engine that ends before it has them: the next gets them, and once. */
static void test_next_engine(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	guests_engine_up(guests, pair[0]);
	add(guests, 1, 100);
	assert_true(guests_flush(guests));
	assert_int_equal(receive(pair[1], 1), 64);
	assert_int_equal(receive(pair[1], 65), 36);
	assert_true(take(guests, 64));
	guests_engine_down(guests);
	add(guests, 101, 103);
	close(pair[0]);
	close(pair[1]);
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	guests_engine_up(guests, pair[0]);
	assert_true(guests_flush(guests));
	for (uint64_t seq = 65; seq <= 103;)
		seq += receive(pair[1], seq);
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

/* What is on its way is not added to. */
static void test_sent_is_closed(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	guests_engine_up(guests, pair[0]);
	add(guests, 1, 10);
	assert_true(guests_flush(guests));
	add(guests, 11, 13);
	assert_true(guests_flush(guests));
	assert_int_equal(receive(pair[1], 1), 10);
	assert_int_equal(receive(pair[1], 11), 3);
	assert_true(take(guests, 10));
	assert_true(take(guests, 3));
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

/* No engine makes us forget what it did not take. */
static void test_false_word(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	add(guests, 1, 10);
	assert_false(take(guests, 10));
	guests_engine_up(guests, pair[0]);
	assert_true(guests_flush(guests));
	assert_false(take(guests, 9));
	assert_false(take(guests, 11));
	assert_true(take(guests, 10));
	assert_false(take(guests, 10));
	assert_false(take(guests, 0));
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

/* A window that was full goes on where it stopped, round and round. */
static void test_goes_on(void **state)
{
	struct guests *guests = guests_new(-1, NULL);
	uint64_t next = 1, want = 1;
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	guests_engine_up(guests, pair[0]);
	for (int round = 0; round < 200; round++) {
		struct kvm_warden_event event;
		unsigned int n;

		do {
			event = event_of(next++);
		} while (!guests_event(guests, &event) && next % 97);
		guests_flush(guests);
		while (want < next && recv(pair[1], &event, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
			n = receive(pair[1], want);
			want += n;
			assert_true(take(guests, n));
			guests_flush(guests);
		}
	}
	assert_int_equal(want, next);
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_engine),
		cmocka_unit_test(test_slow_engine),
		cmocka_unit_test(test_room_beside_events),
		cmocka_unit_test(test_delivered_in_order),
		cmocka_unit_test(test_next_engine),
		cmocka_unit_test(test_sent_is_closed),
		cmocka_unit_test(test_false_word),
		cmocka_unit_test(test_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

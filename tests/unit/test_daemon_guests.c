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
		if (i < EVENTS_MAX)
			taken++;
		if (i >= EVENTS_MAX - 1)
			assert_true(r < 0);
	}
	return taken;
}

static void test_no_engine(void **state)
{
	struct guests *guests = guests_new(-1);

	assert_int_equal(offer(guests, 200), EVENTS_MAX);
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
	struct guests *guests = guests_new(-1);
	int pair[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	fill(pair[0]);
	guests_engine_up(guests, pair[0]);
	assert_int_equal(offer(guests, 200), EVENTS_MAX);
	assert_false(guests_flush(guests));
	close(pair[0]);
	close(pair[1]);
	guests_free(guests);
}

static void test_delivered_in_order(void **state)
{
	struct guests *guests = guests_new(-1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_engine),
		cmocka_unit_test(test_slow_engine),
		cmocka_unit_test(test_delivered_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

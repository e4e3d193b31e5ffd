// SPDX-License-Identifier: GPL-2.0-or-later
/* The channel's handshake: only the right keys, and not one bit otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "channel/handshake.h"

static struct identity host_id, agent_id, other_id;

struct text {
	uint8_t bytes[WIRE_FRAME_MAX_OPEN];
	size_t len;
};

static uint8_t reason = WIRE_REFUSED_UNKNOWN;

static uint8_t admit(void *arg, const uint8_t identity[WIRE_KEY])
{
	return memcmp(identity, agent_id.public, WIRE_KEY) ? reason : 0;
}

/* The agent's pins of its host: one, or two while its key changes. */
static struct host_keys hosts;

static struct text out_of(const struct handshake *h)
{
	struct text t = { .len = h->out_len };

	memcpy(t.bytes, h->out, t.len);
	return t;
}

static enum handshake_status step(struct handshake *h, const struct text *t)
{
	return handshake_step(h, t->bytes, t->len);
}

struct pair {
	struct handshake agent, host;
	struct text hello, host_text, agent_text, ready;
};

static int setup(void **state)
{
	assert_true(sodium_init() >= 0);
	crypto_sign_keypair(host_id.public, host_id.secret);
	crypto_sign_keypair(agent_id.public, agent_id.secret);
	crypto_sign_keypair(other_id.public, other_id.secret);
	memcpy(hosts.key[0], host_id.public, WIRE_KEY);
	hosts.n = 1;
	return 0;
}

/* Begins anew and goes through the first n messages, which must be good. */
static void go(struct pair *p, int n)
{
	handshake_agent(&p->agent, &agent_id, &hosts);
	handshake_host(&p->host, &host_id, admit, NULL);
	p->hello = out_of(&p->agent);
	if (n < 1)
		return;
	assert_int_equal(step(&p->host, &p->hello), HANDSHAKE_MORE);
	p->host_text = out_of(&p->host);
	if (n < 2)
		return;
	assert_int_equal(step(&p->agent, &p->host_text), HANDSHAKE_MORE);
	p->agent_text = out_of(&p->agent);
	if (n < 3)
		return;
	assert_int_equal(step(&p->host, &p->agent_text), HANDSHAKE_DONE);
	p->ready = out_of(&p->host);
	if (n < 4)
		return;
	assert_int_equal(step(&p->agent, &p->ready), HANDSHAKE_DONE);
}

static bool is_zero(const void *bytes, size_t n)
{
	return sodium_is_zero(bytes, n);
}

static void both_ends_talk(struct session *from, struct session *to)
{
	uint8_t frame[64], record[64];
	size_t len, n = session_seal(from, (const uint8_t *)"hi", 2, 1, frame);

	assert_true(session_open(to, frame + WIRE_FRAME_HEADER, n - WIRE_FRAME_HEADER, record, &len));
	assert_int_equal(len, 2);
	assert_memory_equal(record, "hi", 2);
}

static void test_good(void **state)
{
	static struct pair p;

	go(&p, 4);
	assert_int_equal(p.hello.len, WIRE_HELLO_SIZE);
	assert_int_equal(p.host_text.len, WIRE_HOST_SIZE);
	assert_int_equal(p.agent_text.len, WIRE_AGENT_SIZE);
	assert_int_equal(p.ready.len, WIRE_READY_SIZE);
	assert_memory_equal(p.host.peer, agent_id.public, WIRE_KEY);
	both_ends_talk(&p.agent.session, &p.host.session);
	both_ends_talk(&p.host.session, &p.agent.session);
}

static void test_ephemerals_are_wiped(void **state)
{
	static struct pair p;

	go(&p, 4);
	assert_true(is_zero(p.agent.ephemeral_secret, WIRE_KEY));
	assert_true(is_zero(p.host.ephemeral_secret, WIRE_KEY));
	assert_true(is_zero(p.agent.rx_key, SESSION_KEY));
	assert_true(is_zero(p.agent.confirm, WIRE_HASH));
	assert_true(is_zero(p.host.confirm, WIRE_HASH));
}

static void test_wiped_on_failure(void **state)
{
	static struct pair p;

	go(&p, 2);
	p.agent_text.bytes[40] ^= 1;
	assert_int_equal(step(&p.host, &p.agent_text), HANDSHAKE_FAILED);
	assert_true(is_zero(p.host.ephemeral_secret, WIRE_KEY));
	assert_true(is_zero(&p.host.session, sizeof(p.host.session)));
}

static void test_sessions_differ(void **state)
{
	static struct pair a, b;
	uint8_t frame[64], record[64];
	size_t len, n;

	go(&a, 4);
	go(&b, 4);
	n = session_seal(&a.host.session, (const uint8_t *)"hi", 2, 1, frame);
	assert_false(session_open(&b.agent.session, frame + 4, n - 4, record, &len));
}

/* A host whose key is another than the pinned one, honest otherwise. */
static void test_wrong_host_key(void **state)
{
	static struct pair p;

	go(&p, 0);
	handshake_host(&p.host, &other_id, admit, NULL);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "another host key than the pinned one");
}

/* The pinned public key without its secret: the signature tells. */
static void test_impostor_host(void **state)
{
	static struct pair p;
	struct identity impostor = other_id;

	memcpy(impostor.public, host_id.public, WIRE_KEY);
	go(&p, 0);
	handshake_host(&p.host, &impostor, admit, NULL);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "bad signature of the host");
}

static void test_impostor_agent(void **state)
{
	static struct pair p;
	struct identity impostor = other_id;

	memcpy(impostor.public, agent_id.public, WIRE_KEY);
	go(&p, 0);
	handshake_agent(&p.agent, &impostor, &hosts);
	p.hello = out_of(&p.agent);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_MORE);
	p.agent_text = out_of(&p.agent);
	assert_int_equal(step(&p.host, &p.agent_text), HANDSHAKE_FAILED);
	assert_string_equal(p.host.why, "bad signature of the agent");
}

static void test_unpinned_agent(void **state)
{
	static struct pair p;

	go(&p, 0);
	handshake_agent(&p.agent, &other_id, &hosts);
	p.hello = out_of(&p.agent);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_FAILED);
	assert_string_equal(p.host.why, "key is not pinned");
	p.host_text = out_of(&p.host);
	assert_int_equal(p.host_text.len, WIRE_REFUSED_SIZE);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "the host says: this agent's key is not pinned");
	assert_int_equal(p.agent.refused, WIRE_REFUSED_UNKNOWN);
}

static void test_revoked_agent(void **state)
{
	static struct pair p;

	go(&p, 0);
	handshake_agent(&p.agent, &other_id, &hosts);
	p.hello = out_of(&p.agent);
	reason = WIRE_REFUSED_REVOKED;
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_FAILED);
	reason = WIRE_REFUSED_UNKNOWN;
	assert_string_equal(p.host.why, "key is revoked");
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "the host says: this agent's key was revoked");
}

/* Both keys of the host are good while it changes; the agent knows which it was. */
static void test_two_host_keys(void **state)
{
	static struct pair p;

	memcpy(hosts.key[1], other_id.public, WIRE_KEY);
	hosts.n = 2;
	go(&p, 4);
	assert_memory_equal(p.agent.peer, host_id.public, WIRE_KEY);
	go(&p, 0);
	handshake_host(&p.host, &other_id, admit, NULL);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_MORE);
	assert_memory_equal(p.agent.peer, other_id.public, WIRE_KEY);
	hosts.n = 1;
}

/* What proofs in the session are over is the same at both ends, and in no other session. */
static void test_transcripts(void **state)
{
	static struct pair a, b;

	go(&a, 4);
	go(&b, 4);
	assert_memory_equal(a.agent.transcript, a.host.transcript, WIRE_TRANSCRIPT);
	assert_memory_not_equal(a.agent.transcript, b.agent.transcript, WIRE_TRANSCRIPT);
}

/* True if a handshake whose message m is changed so ends in failure. */
static bool fails_with(int m, void (*change)(struct text *, size_t), size_t at)
{
	static struct pair p;

	go(&p, m);
	if (m == 0) {
		change(&p.hello, at);
		if (step(&p.host, &p.hello) == HANDSHAKE_FAILED)
			return true;
		p.host_text = out_of(&p.host);
		m = 1;
	} else if (m == 1) {
		change(&p.host_text, at);
	}
	if (m == 1) {
		return step(&p.agent, &p.host_text) == HANDSHAKE_FAILED;
	} else if (m == 2) {
		change(&p.agent_text, at);
		return step(&p.host, &p.agent_text) == HANDSHAKE_FAILED;
	}
	change(&p.ready, at);
	return step(&p.agent, &p.ready) == HANDSHAKE_FAILED;
}

static void flip(struct text *t, size_t bit)
{
	t->bytes[bit / 8] ^= 1 << (bit % 8);
}

static void cut(struct text *t, size_t len)
{
	t->len = len;
}

static void lengthen(struct text *t, size_t by)
{
	t->len += by;
}

static const size_t sizes[] = { WIRE_HELLO_SIZE, WIRE_HOST_SIZE, WIRE_AGENT_SIZE, WIRE_READY_SIZE };

static void test_every_byte_flipped(void **state)
{
	for (int m = 0; m < 4; m++)
		for (size_t at = 0; at < sizes[m]; at++)
			assert_true(fails_with(m, flip, 8 * at + at % 8));
}

static void test_truncated(void **state)
{
	for (int m = 0; m < 4; m++)
		for (size_t len = 0; len < sizes[m]; len++)
			assert_true(fails_with(m, cut, len));
}

static void test_too_long(void **state)
{
	for (int m = 0; m < 4; m++)
		assert_true(fails_with(m, lengthen, 1));
}

static void test_version(void **state)
{
	static struct pair p;

	go(&p, 0);
	p.hello.bytes[5] = p.hello.bytes[7] = WIRE_VERSION_MAX + 1;
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_FAILED);
	assert_string_equal(p.host.why, "no protocol version in common");
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "the host says: no protocol version in common");
}

/* Someone on the way changes what the agent offers: the host goes on, as the
 * range still holds version 1, and the agent sees it from the signature. */
static void test_downgrade(void **state)
{
	static struct pair p;

	go(&p, 0);
	p.hello.bytes[7] = 9;
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	p.host_text = out_of(&p.host);
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "bad signature of the host");
	go(&p, 1);
	p.host_text.bytes[1] = 2;
	assert_int_equal(step(&p.agent, &p.host_text), HANDSHAKE_FAILED);
	assert_string_equal(p.agent.why, "the host chose a version that was not offered");
}

/* A recorded agent, played to a new host, and a recorded host to a new agent. */
static void test_replay(void **state)
{
	static struct pair old, now;

	go(&old, 4);
	handshake_host(&now.host, &host_id, admit, NULL);
	assert_int_equal(step(&now.host, &old.hello), HANDSHAKE_MORE);
	assert_int_equal(step(&now.host, &old.agent_text), HANDSHAKE_FAILED);
	go(&now, 0);
	assert_int_equal(step(&now.agent, &old.host_text), HANDSHAKE_FAILED);
	go(&now, 3);
	assert_int_equal(step(&now.agent, &old.ready), HANDSHAKE_FAILED);
}

static void test_out_of_turn(void **state)
{
	static struct pair p, q;

	go(&p, 4);
	go(&q, 0);
	assert_int_equal(step(&q.host, &p.agent_text), HANDSHAKE_FAILED);
	assert_int_equal(step(&q.agent, &p.ready), HANDSHAKE_FAILED);
	/* nothing revives it */
	assert_int_equal(step(&q.host, &p.hello), HANDSHAKE_FAILED);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_FAILED);
	/* its own words back at it */
	go(&q, 1);
	assert_int_equal(step(&q.host, &q.host_text), HANDSHAKE_FAILED);
}

static void test_small_order_ephemeral(void **state)
{
	static struct pair p;

	go(&p, 0);
	memset(p.hello.bytes + 9 + WIRE_KEY, 0, WIRE_KEY);
	assert_int_equal(step(&p.host, &p.hello), HANDSHAKE_MORE);
	go(&p, 2);
	memset(p.host.peer_ephemeral, 0, WIRE_KEY);
	assert_int_equal(step(&p.host, &p.agent_text), HANDSHAKE_FAILED);
	assert_string_equal(p.host.why, "the agent's ephemeral key is of small order");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_ephemerals_are_wiped),
		cmocka_unit_test(test_wiped_on_failure),
		cmocka_unit_test(test_sessions_differ),
		cmocka_unit_test(test_wrong_host_key),
		cmocka_unit_test(test_impostor_host),
		cmocka_unit_test(test_impostor_agent),
		cmocka_unit_test(test_unpinned_agent),
		cmocka_unit_test(test_revoked_agent),
		cmocka_unit_test(test_two_host_keys),
		cmocka_unit_test(test_transcripts),
		cmocka_unit_test(test_every_byte_flipped),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_downgrade),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_out_of_turn),
		cmocka_unit_test(test_small_order_ephemeral),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Sealed records, their strict decoding, and a whole link over buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "channel/link.h"

static struct session a, b;
static uint8_t frame[WIRE_FRAME_HEADER + WIRE_FRAME_MAX], plain[WIRE_FRAME_MAX];

static int setup_group(void **state)
{
	return sodium_init() < 0;
}

/* a sends to b. */
static int setup(void **state)
{
	uint8_t key[SESSION_KEY], header[WIRE_STREAM_HEADER];

	randombytes_buf(key, sizeof(key));
	session_start_tx(&a, key, header);
	session_start_rx(&b, key, header);
	return 0;
}

static size_t seal(const char *text, uint8_t *out)
{
	return session_seal(&a, (const uint8_t *)text, strlen(text), 1000, out);
}

static bool opens(const uint8_t *f, size_t n, const char *text)
{
	size_t len;

	if (!session_open(&b, f + WIRE_FRAME_HEADER, n - WIRE_FRAME_HEADER, plain, &len))
		return false;
	assert_int_equal(len, strlen(text));
	assert_memory_equal(plain, text, len);
	return true;
}

static void test_good(void **state)
{
	for (int i = 0; i < 3; i++)
		assert_true(opens(frame, seal("record", frame), "record"));
}

static void test_replay(void **state)
{
	size_t n = seal("one", frame);

	assert_true(opens(frame, n, "one"));
	assert_false(opens(frame, n, "one"));
}

static void test_reorder_and_omission(void **state)
{
	uint8_t second[64];
	size_t n1 = seal("one", frame), n2 = seal("two", second);

	assert_false(opens(second, n2, "two"));
	assert_true(opens(frame, n1, "one"));
	assert_true(opens(second, n2, "two"));
}

static void test_bit_flips(void **state)
{
	size_t n = seal("record", frame);

	for (size_t bit = 8 * WIRE_FRAME_HEADER; bit < 8 * n; bit++) {
		frame[bit / 8] ^= 1 << bit % 8;
		assert_false(opens(frame, n, "record"));
		frame[bit / 8] ^= 1 << bit % 8;
	}
	assert_true(opens(frame, n, "record"));
}

static void test_truncated(void **state)
{
	size_t n = seal("record", frame);

	for (size_t len = WIRE_FRAME_HEADER; len < n; len++)
		assert_false(opens(frame, len, "record"));
}

/* Empty records and secretstream's other tags are not in the protocol. */
static void test_only_known_tags(void **state)
{
	static const uint8_t tags[] = { crypto_secretstream_xchacha20poly1305_TAG_PUSH,
		crypto_secretstream_xchacha20poly1305_TAG_FINAL };
	size_t len;

	for (size_t i = 0; i < 2; i++) {
		setup(NULL);
		crypto_secretstream_xchacha20poly1305_push(&a.tx, frame, NULL, (uint8_t *)"x", 1,
							   NULL, 0, tags[i]);
		assert_false(session_open(&b, frame, 1 + WIRE_STREAM_OVERHEAD, plain, &len));
	}
	setup(NULL);
	crypto_secretstream_xchacha20poly1305_push(&a.tx, frame, NULL, NULL, 0, NULL, 0, 0);
	assert_false(session_open(&b, frame, WIRE_STREAM_OVERHEAD, plain, &len));
}

static void test_rekey_by_bytes(void **state)
{
	static uint8_t record[WIRE_RECORD_MAX];
	uint8_t key[32];
	int rekeys = 0;

	for (int i = 0; i < 600; i++) {
		size_t n, len;

		memcpy(key, a.tx.k, 32);
		n = session_seal(&a, record, sizeof(record), 1000, frame);
		rekeys += memcmp(key, a.tx.k, 32) != 0;
		assert_true(session_open(&b, frame + 4, n - 4, plain, &len));
		assert_int_equal(len, sizeof(record));
		assert_true(b.rx_bytes < WIRE_REKEY_BYTES);
	}
	assert_int_equal(rekeys, 600 * sizeof(record) / WIRE_REKEY_BYTES);
	assert_memory_equal(a.tx.k, b.rx.k, 32);
}

static void test_rekey_by_time(void **state)
{
	uint8_t key[32];
	size_t n;

	memcpy(key, a.tx.k, 32);
	opens(frame, seal("now", frame), "now");
	assert_memory_equal(key, a.tx.k, 32);
	n = session_seal(&a, (const uint8_t *)"later", 5, 1000 + WIRE_REKEY_MS, frame);
	assert_memory_not_equal(key, a.tx.k, 32);
	assert_true(opens(frame, n, "later"));
	assert_true(opens(frame, seal("after", frame), "after"));
}

/* A peer that never rekeys is cut. */
static void test_rekey_overdue(void **state)
{
	static uint8_t record[WIRE_RECORD_MAX];
	uint64_t sent = 0;
	size_t len;
	bool open = true;

	while (open && sent < 4ull * WIRE_REKEY_BYTES) {
		crypto_secretstream_xchacha20poly1305_push(&a.tx, frame, NULL, record,
							   sizeof(record), NULL, 0, 0);
		open = session_open(&b, frame, WIRE_FRAME_MAX, plain, &len);
		sent += sizeof(record);
	}
	assert_false(open);
	assert_in_range(sent, 2ull * WIRE_REKEY_BYTES, 2ull * WIRE_REKEY_BYTES + WIRE_FRAME_MAX);
}

static struct record_order sample_order(void)
{
	struct record_order o = { .verb = WIRE_VERB_KILL, .order = 0x1122334455667788, .pid = 7,
		.start_ns = 99, .file = { .nranges = 2, .range = { { 0, 3 }, { 9, 1 } } } };

	memset(o.nonce, 0xaa, sizeof(o.nonce));
	memset(o.file.hash, 0xbb, sizeof(o.file.hash));
	return o;
}

static void test_order(void **state)
{
	struct record_order in = sample_order(), out;
	uint8_t record[RECORD_MAX + 1] = { 0 };
	size_t n = record_put_order(record, &in);

	memset(&out, 0, sizeof(out));
	assert_int_equal(n, WIRE_ORDER_BASE + 12 + WIRE_HASH + 4 + 16);
	assert_memory_equal(record, "\2\1\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\xaa", 14);
	assert_true(record_get_order(record, n, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	for (size_t len = 0; len < n; len++)
		assert_false(record_get_order(record, len, &out));
	assert_false(record_get_order(record, n + 1, &out));
	record[0] = WIRE_RESULT;
	assert_false(record_get_order(record, n, &out));
}

#define KILL_RANGES (WIRE_ORDER_BASE + 4 + 8 + WIRE_HASH)	/* where a kill counts them */

static void test_order_ranges(void **state)
{
	struct record_order in = sample_order(), out;
	uint8_t record[RECORD_MAX];
	size_t n;

	in.file.nranges = WIRE_RANGES;
	n = record_put_order(record, &in);
	assert_int_equal(n, KILL_RANGES + 4 + 8 * WIRE_RANGES);
	assert_true(record_get_order(record, n, &out));
	record[KILL_RANGES] = WIRE_RANGES + 1;
	assert_false(record_get_order(record, n, &out));
	memset(record + KILL_RANGES, 0xff, 4);
	assert_false(record_get_order(record, n, &out));
}

/* Exact lengths alone, and a path without a NUL inside. */
static void test_order_of_a_file(void **state)
{
	struct record_order in = sample_order(), out;
	uint8_t record[RECORD_MAX + 1] = { 0 };
	size_t n, path;

	in.verb = WIRE_VERB_QUARANTINE;
	in.pid = 0;
	in.start_ns = 0;
	in.size = 1ull << 33;
	memset(in.item, 3, sizeof(in.item));
	memset(in.key, 4, sizeof(in.key));
	strcpy(in.path, "/tmp/a\nb\xff");
	n = record_put_order(record, &in);
	path = n - strlen(in.path);
	assert_true(record_get_order(record, n, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	for (size_t len = 0; len < n; len++)
		assert_false(record_get_order(record, len, &out));
	assert_false(record_get_order(record, n + 1, &out));
	record[path + 3] = '\0';
	assert_false(record_get_order(record, n, &out));
	record[path + 3] = 'p';
	record[path - 1] = 4;
	assert_false(record_get_order(record, n, &out));

	in.verb = WIRE_VERB_RESTORE;
	n = record_put_order(record, &in);
	assert_int_equal(n, WIRE_ORDER_BASE + WIRE_ITEM + WIRE_KEY);
	assert_true(record_get_order(record, n, &out));
	assert_memory_equal(out.item, in.item, WIRE_ITEM);
	assert_false(record_get_order(record, n - 1, &out));
	assert_false(record_get_order(record, n + 1, &out));
	record[1] = 4;		/* no such verb */
	assert_false(record_get_order(record, n, &out));
}

static void test_longest_order(void **state)
{
	struct record_order in = { .verb = WIRE_VERB_QUARANTINE }, out;
	uint8_t record[RECORD_MAX];

	in.file.nranges = WIRE_RANGES;
	memset(in.path, 'x', WIRE_PATH_MAX);
	assert_int_equal(record_put_order(record, &in), RECORD_MAX);
	assert_true(record_get_order(record, RECORD_MAX, &out));
	assert_memory_equal(&in, &out, sizeof(in));
}

/* The records that are one text: the type tells them apart. */
static void test_texts(void **state)
{
	static const uint8_t types[] = { WIRE_CLOSE, WIRE_ENROLLED, WIRE_UNROTATED };

	for (size_t i = 0; i < sizeof(types); i++) {
		uint8_t record[RECORD_MAX + 1] = { 0 };
		struct record_text out;
		size_t n = record_put_text(record, types[i], "replaced");

		assert_int_equal(n, WIRE_CLOSE_BASE + 8);
		assert_true(record_get_text(record, n, types[i], &out));
		assert_string_equal(out.text, "replaced");
		assert_false(record_get_text(record, n, types[(i + 1) % 3], &out));
		for (size_t len = 0; len < n; len++)
			assert_false(record_get_text(record, len, types[i], &out));
		assert_false(record_get_text(record, n + 1, types[i], &out));
		record[4] = '\n';
		assert_false(record_get_text(record, n, types[i], &out));
	}
}

static void test_keys(void **state)
{
	struct record_new_key in, out;
	struct record_enrol enrol, got;
	uint8_t record[RECORD_MAX + 1] = { 0 };
	size_t n;

	randombytes_buf(&in, sizeof(in));
	n = record_put_new_key(record, WIRE_ROTATED, &in);
	assert_int_equal(n, WIRE_ROTATED_SIZE);
	assert_true(record_get_new_key(record, n, WIRE_ROTATED, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	assert_false(record_get_new_key(record, n, WIRE_SUCCESSOR, &out));
	for (size_t len = 0; len < n; len++)
		assert_false(record_get_new_key(record, len, WIRE_ROTATED, &out));
	assert_false(record_get_new_key(record, n + 1, WIRE_ROTATED, &out));
	randombytes_buf(&enrol, sizeof(enrol));
	n = record_put_enrol(record, &enrol);
	assert_int_equal(n, WIRE_ENROL_SIZE);
	assert_true(record_get_enrol(record, n, &got));
	assert_memory_equal(&enrol, &got, sizeof(got));
	assert_false(record_get_enrol(record, n - 1, &got));
	assert_false(record_get_enrol(record, n + 1, &got));
	n = record_put_rotate(record);
	assert_true(record_is_rotate(record, n));
	assert_false(record_is_rotate(record, n + 1));
	assert_false(record_is_rotate(record, 0));
}

/* A version of 64 bytes has no room, one with a control character no place. */
static void test_login_version(void **state)
{
	struct record_login in = { 0 }, out;
	uint8_t record[RECORD_MAX + 1] = { 0 };
	size_t n;

	memset(in.version, 'v', WIRE_VERSION_TEXT_MAX);
	n = record_put_login(record, &in);
	assert_true(record_get_login(record, n, &out));
	assert_string_equal(out.version, in.version);
	record[WIRE_LOGIN_BASE - 1]++;
	assert_false(record_get_login(record, n + 1, &out));
	record[WIRE_LOGIN_BASE - 1]--;
	record[n - 1] = '\x1b';
	assert_false(record_get_login(record, n, &out));
}

static void test_result(void **state)
{
	struct record_result in = { WIRE_DONE, 42, { 1 }, "gone after 2 ms" }, out;
	uint8_t record[RECORD_MAX + 1] = { 0 };
	size_t n = record_put_result(record, &in);

	assert_true(record_get_result(record, n, &out));
	assert_int_equal(out.status, WIRE_DONE);
	assert_int_equal(out.order, 42);
	assert_string_equal(out.detail, in.detail);
	for (size_t len = 0; len < n; len++)
		assert_false(record_get_result(record, len, &out));
	assert_false(record_get_result(record, n + 1, &out));
	record[n - 1] = '\0';
	assert_false(record_get_result(record, n, &out));
	record[n - 1] = '\n';
	assert_false(record_get_result(record, n, &out));
	record[n - 1] = 0x80;
	assert_false(record_get_result(record, n, &out));
	record[n - 1] = 's';
	assert_true(record_get_result(record, n, &out));
	record[1] = WIRE_FAILED + 1;
	assert_false(record_get_result(record, n, &out));
	record[1] = 0;
	assert_false(record_get_result(record, n, &out));
}

static void test_longest_result(void **state)
{
	struct record_result in = { WIRE_FAILED, 1, { 1 }, "" }, out;
	uint8_t record[RECORD_MAX];

	memset(in.detail, 'x', WIRE_TEXT_MAX);
	assert_true(record_get_result(record, record_put_result(record, &in), &out));
	assert_int_equal(strlen(out.detail), WIRE_TEXT_MAX);
}

static void test_login_and_ping(void **state)
{
	struct record_login in = { 1ull << 40 | 2, { 5 }, 77, 0x7ffe12345000, "0.1" }, out;
	uint8_t record[RECORD_MAX];
	uint64_t value;
	size_t n = record_put_login(record, &in);

	assert_int_equal(n, WIRE_LOGIN_BASE + 3);
	assert_true(record_get_login(record, n, &out));
	assert_int_equal(out.capabilities, in.capabilities);
	assert_memory_equal(out.nonce, in.nonce, WIRE_NONCE);
	assert_int_equal(out.beacon_pid, 77);
	assert_int_equal(out.beacon_gva, 0x7ffe12345000);
	assert_string_equal(out.version, "0.1");
	assert_false(record_get_login(record, n - 1, &out));
	assert_false(record_get_login(record, n + 1, &out));
	n = record_put_ping(record, WIRE_PING, 77);
	assert_true(record_get_ping(record, n, WIRE_PING, &value));
	assert_int_equal(value, 77);
	assert_false(record_get_ping(record, n, WIRE_PONG, &value));
	assert_false(record_get_ping(record, n - 1, WIRE_PING, &value));
	assert_false(record_get_ping(record, 0, WIRE_PING, &value));
}

static uint8_t admit(void *arg, const uint8_t identity[WIRE_KEY])
{
	return 0;
}

static struct host_keys hosts = { .n = 1 };

/* Hands what waits in from to to, step bytes at a time. */
static enum link_event carry(struct link *from, struct link *to, size_t step)
{
	enum link_event last = LINK_MORE;

	while (from->out_len) {
		size_t n = from->out_len < step ? from->out_len : step, left = n;
		const uint8_t *at = from->out;
		enum link_event event;

		while ((event = link_input(to, &at, &left)) != LINK_MORE) {
			last = event;
			if (event == LINK_FAILED)
				return event;
		}
		link_sent(from, n);
	}
	return last;
}

static struct link host, agent;
static struct identity host_id, agent_id;

static void link_both(size_t step)
{
	crypto_sign_keypair(host_id.public, host_id.secret);
	crypto_sign_keypair(agent_id.public, agent_id.secret);
	memcpy(hosts.key[0], host_id.public, WIRE_KEY);
	link_agent(&agent, &agent_id, &hosts);
	link_host(&host, &host_id, admit, NULL);
	assert_int_equal(carry(&agent, &host, step), LINK_MORE);
	assert_int_equal(carry(&host, &agent, step), LINK_MORE);
	assert_int_equal(carry(&agent, &host, step), LINK_UP);
	assert_int_equal(carry(&host, &agent, step), LINK_UP);
}

static void test_link(void **state)
{
	static const size_t steps[] = { 1, 7, 1 << 20 };

	for (int i = 0; i < 3; i++) {
		link_both(steps[i]);
		assert_true(link_send(&agent, (const uint8_t *)"up", 2, 1));
		assert_int_equal(carry(&agent, &host, steps[i]), LINK_RECORD);
		assert_memory_equal(host.record, "up", 2);
		assert_true(link_send(&host, (const uint8_t *)"down", 4, 1));
		assert_int_equal(carry(&host, &agent, steps[i]), LINK_RECORD);
		assert_memory_equal(agent.record, "down", 4);
	}
}

/* A frame above 256 bytes before authentication is refused by its header. */
static void test_link_limits(void **state)
{
	const uint8_t header[] = { 1, 1, 0, 0 }, *at = header;
	size_t n = sizeof(header);

	link_host(&host, &host_id, admit, NULL);
	assert_int_equal(link_input(&host, &at, &n), LINK_FAILED);
	assert_false(link_send(&host, header, 4, 1));
	link_both(1 << 20);
	at = header;
	n = sizeof(header);
	assert_int_equal(link_input(&host, &at, &n), LINK_MORE);
	/* no records before the handshake is over */
	link_agent(&agent, &agent_id, &hosts);
	assert_false(link_send(&agent, header, 4, 1));
}

static void test_link_is_bounded(void **state)
{
	uint8_t record[1000] = { 0 };
	int sent = 0;

	link_both(1 << 20);
	while (link_send(&host, record, sizeof(record), 1))
		sent++;
	assert_int_equal(sent, LINK_OUT / (1000 + WIRE_FRAME_HEADER + WIRE_STREAM_OVERHEAD));
	assert_int_equal(carry(&host, &agent, 100), LINK_RECORD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_good, setup),
		cmocka_unit_test_setup(test_replay, setup),
		cmocka_unit_test_setup(test_reorder_and_omission, setup),
		cmocka_unit_test_setup(test_bit_flips, setup),
		cmocka_unit_test_setup(test_truncated, setup),
		cmocka_unit_test_setup(test_only_known_tags, setup),
		cmocka_unit_test_setup(test_rekey_by_bytes, setup),
		cmocka_unit_test_setup(test_rekey_by_time, setup),
		cmocka_unit_test_setup(test_rekey_overdue, setup),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_order_ranges),
		cmocka_unit_test(test_order_of_a_file),
		cmocka_unit_test(test_longest_order),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_login_version),
		cmocka_unit_test(test_result),
		cmocka_unit_test(test_longest_result),
		cmocka_unit_test(test_login_and_ping),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_link_limits),
		cmocka_unit_test(test_link_is_bounded),
	};

	return cmocka_run_group_tests(tests, setup_group, NULL);
}

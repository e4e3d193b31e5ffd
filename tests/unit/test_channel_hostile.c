// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An agent that speaks the real protocol with one rule broken at a time, to
 * the real warden-channel.  Whatever it does costs it its own connection
 * alone: after each act a well-behaved agent logs in and gets an order.
 */
#include "test_channel_harness.h"

#include <sys/resource.h>

#include "channel/role.h"

static uint32_t next_cid = 100;		/* each act from a guest of its own */

static void drain(void)
{
	struct m_session m;

	while (hear(&msg_session, &(uint64_t){ 0 }, &m, 30))
		;
}

/* The connection is gone at the other end too. */
static bool was_cut(void)
{
	struct pollfd p = { sock, POLLIN, 0 };
	uint8_t bytes[4096];
	ssize_t n;

	do {
		if (poll(&p, 1, HEAR_MS) <= 0)
			return false;
		n = recv(sock, bytes, sizeof(bytes), 0);
	} while (n > 0);
	return true;
}

static void expect_end(void)
{
	assert_true(was_cut());
	close(sock);
	drain();
}

/* The end of hostile sessions may come in between. */
static uint32_t status_of(uint64_t id)
{
	struct m_result result;
	struct m_session session;
	struct msg m;

	for (;;) {
		assert_int_equal(msg_recv(engine, &m, 0), 1);
		if (msg_decode(&m, &msg_result, &result)) {
			assert_int_equal(m.id, id);
			return result.status;
		}
		assert_true(msg_decode(&m, &msg_session, &session));
		assert_int_equal(session.up, 0);
	}
}

/* The order goes to another guest, the answer comes, and nothing else does. */
static void well_behaved(void)
{
	struct m_order o = { .cid = next_cid, .verb = VERB_KILL, .pid = 9 };
	struct record_result result = { .status = WIRE_NO_TARGET, .detail = "none" };
	struct record_order got;
	uint8_t record[RECORD_MAX];
	uint64_t id;

	drain();
	login_raw(o.cid);
	next_cid++;
	id = give(&o);
	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_order(mine.record, mine.record_len, &got));
	result.order = id;
	memcpy(result.nonce, got.nonce, WIRE_NONCE);
	send_raw(record, record_put_result(record, &result));
	assert_int_equal(status_of(id), ORDER_NO_TARGET);
	close(sock);
	drain();
}

static void send_bytes(const uint8_t *bytes, size_t n)
{
	assert_int_equal(send(sock, bytes, n, MSG_NOSIGNAL), n);
}

/* A frame that the link has made, with one bit of it changed. */
static void send_flipped(size_t at)
{
	mine.out[at] ^= 1 << at % 8;
	send_bytes(mine.out, mine.out_len);
	mine.out_len = 0;
}

static void hello(void)
{
	connect_raw(next_cid++);
	link_agent(&mine, &pinned_id, &host_keys);
}

/* Up to AGENT, which waits in out. */
static void up_to_agent(void)
{
	static uint8_t bytes[4096];
	const uint8_t *at = bytes;
	size_t n = 0;
	ssize_t got;

	hello();
	flush_mine();
	while (!mine.out_len) {
		got = recv(sock, bytes, sizeof(bytes), 0);
		assert_true(got > 0);
		at = bytes;
		n = got;
		assert_int_equal(link_input(&mine, &at, &n), LINK_MORE);
	}
}

static void seal_login(void)
{
	struct record_login login = { .capabilities = 2, .version = "raw" };
	uint8_t record[RECORD_MAX];

	assert_true(link_send(&mine, record, record_put_login(record, &login), clock_ms()));
}

/* The length grows: the host may wait for more, until the login's time is up. */
static bool lengthens(size_t at)
{
	uint8_t length[4];

	memcpy(length, mine.out, 4);
	if (at >= 4)
		return false;
	return length[at] < (length[at] ^ (1 << at % 8));
}

/* Each byte of each message of the agent's. */
static void test_flipped(void **state)
{
	void (*const stage[])(void) = { hello, up_to_agent };
	int cut = 0;

	for (int s = 0; s < 2; s++) {
		size_t size = WIRE_FRAME_HEADER + (s ? WIRE_AGENT_SIZE : WIRE_HELLO_SIZE);

		for (size_t at = 0; at < size; at++) {
			stage[s]();
			assert_int_equal(mine.out_len, size);
			if (lengthens(at)) {
				close(sock);
				continue;
			}
			send_flipped(at);
			/* HELLO's offer and nonces show at the agent, by the signature */
			if (s == 0 && at >= WIRE_FRAME_HEADER + 5) {
				assert_int_not_equal(pump(), LINK_UP);
				close(sock);
			} else {
				assert_true(was_cut());
				close(sock);
			}
			cut++;
			drain();
		}
	}
	print_message("  %d cut\n", cut);
	well_behaved();
}

static void test_flipped_record(void **state)
{
	size_t size = WIRE_FRAME_HEADER + WIRE_STREAM_OVERHEAD + WIRE_LOGIN_BASE + 3;

	for (size_t at = 0; at < size; at++) {
		handshake_raw(next_cid++);
		seal_login();
		assert_int_equal(mine.out_len, size);
		if (!lengthens(at)) {
			send_flipped(at);
			assert_true(was_cut());
		}
		close(sock);
		drain();
	}
	well_behaved();
}

/* Cut off behind every byte: nothing of it is an agent. */
static void test_truncated(void **state)
{
	for (size_t len = 0; len < WIRE_FRAME_HEADER + WIRE_HELLO_SIZE; len += 7) {
		hello();
		send_bytes(mine.out, len);
		close(sock);
	}
	for (size_t len = 0; len < WIRE_FRAME_HEADER + WIRE_AGENT_SIZE; len += 7) {
		up_to_agent();
		send_bytes(mine.out, len);
		close(sock);
		drain();
	}
	well_behaved();
}

static void test_lengths(void **state)
{
	static const uint32_t open_lengths[] = { 0, WIRE_FRAME_MAX_OPEN + 1, WIRE_FRAME_MAX, UINT32_MAX };
	static const uint32_t lengths[] = { 0, WIRE_FRAME_MAX + 1, UINT32_MAX };
	uint8_t header[WIRE_FRAME_HEADER];

	for (size_t i = 0; i < ARRAY_SIZE(open_lengths); i++) {
		connect_raw(next_cid++);
		frame_header(header, open_lengths[i]);
		send_bytes(header, sizeof(header));
		expect_end();
	}
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		login_raw(next_cid++);
		frame_header(header, lengths[i]);
		send_bytes(header, sizeof(header));
		expect_end();
	}
	/* shorter than a seal, and one of nothing */
	for (uint8_t n = 1; n <= WIRE_STREAM_OVERHEAD; n += 8) {
		uint8_t bytes[WIRE_FRAME_HEADER + WIRE_STREAM_OVERHEAD] = { 0 };

		login_raw(next_cid++);
		frame_header(bytes, n);
		send_bytes(bytes, WIRE_FRAME_HEADER + n);
		expect_end();
	}
	well_behaved();
}

static size_t seal_pong(uint8_t *out)
{
	uint8_t record[RECORD_MAX];
	size_t n;

	assert_true(link_send(&mine, record, record_put_ping(record, WIRE_PONG, 1), clock_ms()));
	n = mine.out_len;
	memcpy(out, mine.out, n);
	mine.out_len = 0;
	return n;
}

static void test_replayed_and_reordered(void **state)
{
	uint8_t first[128], second[128];
	size_t n, n1, n2;

	handshake_raw(next_cid++);
	seal_login();
	n = mine.out_len;
	memcpy(first, mine.out, n);
	flush_mine();
	assert_int_equal(hear_session().up, 1);
	send_bytes(first, n);
	expect_cut("does not open");

	login_raw(next_cid++);
	n1 = seal_pong(first);
	n2 = seal_pong(second);
	send_bytes(second, n2);
	(void)n1;
	expect_cut("does not open");

	/* a record of another session */
	login_raw(next_cid++);
	n = seal_pong(first);
	close(sock);
	assert_int_equal(hear_session().up, 0);
	login_raw(next_cid++);
	send_bytes(first, n);
	expect_cut("does not open");
	well_behaved();
}

static void test_wrong_key(void **state)
{
	struct identity impostor = other_id;

	connect_raw(next_cid++);
	link_agent(&mine, &other_id, &host_keys);
	assert_int_equal(pump(), LINK_FAILED);
	assert_non_null(strstr(mine.why, "not pinned"));
	close(sock);
	assert_non_null(strstr(hear_session().why, "key is not pinned"));
	/* the pinned public key, and not its secret */
	memcpy(impostor.public, pinned_id.public, WIRE_KEY);
	connect_raw(next_cid++);
	link_agent(&mine, &impostor, &host_keys);
	assert_int_equal(pump(), LINK_FAILED);
	close(sock);
	assert_non_null(strstr(hear_session().why, "bad signature of the agent"));
	well_behaved();
}

static void test_login_twice(void **state)
{
	login_raw(next_cid++);
	seal_login();
	flush_mine();
	expect_cut("malformed or unexpected");
	well_behaved();
}

/* Every type of record, right in form, when it is not due. */
static void test_out_of_turn(void **state)
{
	struct record_order order = { .verb = WIRE_VERB_RESTORE };
	struct record_result result = { .status = WIRE_DONE };
	struct record_new_key new_key = { { 1 }, { 2 }, { 3 } };
	struct record_enrol enrol = { { 1 }, { 2 } };
	uint8_t record[RECORD_MAX];

	for (int i = 0; i < 10; i++) {
		size_t n = 0;

		login_raw(next_cid++);
		switch (i) {
		case 0: n = record_put_order(record, &order); break;
		case 1: n = record_put_result(record, &result); break;
		case 2: n = record_put_ping(record, WIRE_PING, 1); break;
		case 3: n = record_put_ping(record, WIRE_PONG, 1); break;
		case 4: n = record_put_text(record, WIRE_CLOSE, "x"); break;
		case 5: n = record_put_text(record, WIRE_ENROLLED, "x"); break;
		case 6: n = record_put_text(record, WIRE_UNROTATED, "x"); break;
		case 7: n = record_put_rotate(record); break;
		case 8: n = record_put_new_key(record, WIRE_ROTATED, &new_key); break;
		case 9: n = record_put_enrol(record, &enrol); break;
		}
		send_raw(record, n);
		expect_cut(i == 1 ? "nobody asked for" : "malformed or unexpected");
	}
	well_behaved();
}

/* The first record must be LOGIN or ENROL, and an enrolment needs an invitation. */
static void test_first_record(void **state)
{
	struct record_enrol enrol = { { 1 }, { 2 } };
	struct record_result result = { .status = WIRE_DONE };
	uint8_t record[RECORD_MAX];

	handshake_raw(next_cid++);
	send_raw(record, record_put_result(record, &result));
	expect_cut("its first record is no login");
	/* pinned already: an enrolment changes nothing, and is no login */
	handshake_raw(next_cid++);
	send_raw(record, record_put_enrol(record, &enrol));
	assert_int_equal(pump(), LINK_RECORD);
	assert_int_equal(mine.record[0], WIRE_ENROLLED);
	send_raw(record, record_put_result(record, &result));
	expect_cut("its first record is no login");
	well_behaved();
}

/* It takes orders and pings without end and reads nothing. */
static void test_never_reads(void **state)
{
	uint32_t cid = next_cid++;
	struct m_order o = { .cid = cid, .verb = VERB_KILL, .deadline_ms = 50 };
	int deaf;

	login_raw(cid);
	deaf = sock;
	for (int i = 0; i < 20; i++) {
		uint32_t status = status_of(give(&o));

		assert_true(status == ORDER_EXPIRED || status == ORDER_UNDELIVERABLE);
	}
	/* the same identity logs in elsewhere, is bound, and has its place */
	well_behaved();
	close(deaf);
	drain();
}

static void test_flood(void **state)
{
	enum { N = 120 };
	int socks[N];

	for (int i = 0; i < N; i++) {
		connect_raw(5000 + i % 24);
		socks[i] = sock;
	}
	well_behaved();
	for (int i = 0; i < N; i++)
		close(socks[i]);
	drain();
}

/* ---- a crowd of guests, each with connections that it leaves half open ---- */

#define CROWD 1500		/* three times the places */
#define CROWD_CID 20000
#define CROWD_MIB 96		/* what warden-channel may take with all places in use */

static uint8_t one_hello[WIRE_FRAME_HEADER + WIRE_HELLO_SIZE];

static void make_hello(void)
{
	const struct rlimit many = { 4 * CROWD, 4 * CROWD };

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	link_agent(&mine, &pinned_id, &host_keys);
	assert_int_equal(mine.out_len, sizeof(one_hello));
	memcpy(one_hello, mine.out, sizeof(one_hello));
}

/* Silent, in the middle of HELLO, or after it.  -1: the host was quicker. */
static int knock(uint32_t cid)
{
	const size_t says[] = { 0, sizeof(one_hello) / 2, sizeof(one_hello) };
	const uint8_t preface[4] = { cid, cid >> 8, cid >> 16, cid >> 24 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = says[cid % 3];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, in_folder("sock"));
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)) &&
	    send(fd, preface, 4, MSG_NOSIGNAL) == 4 &&
	    send(fd, one_hello, n, MSG_NOSIGNAL) == (ssize_t)n)
		return fd;
	close(fd);
	return -1;
}

/* It comes back for every connection that it loses. */
static void crowd(int ready)
{
	static struct pollfd fds[CROWD];

	for (uint32_t i = 0; i < CROWD; i++)
		fds[i] = (struct pollfd){ knock(CROWD_CID + i), POLLIN, 0 };
	close(ready);
	for (;;) {
		poll(fds, CROWD, 100);
		for (uint32_t i = 0; i < CROWD; i++) {
			uint8_t bytes[512];

			if (fds[i].fd >= 0 && (!fds[i].revents ||
			    recv(fds[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0))
				continue;
			if (fds[i].fd >= 0)
				close(fds[i].fd);
			fds[i].fd = knock(CROWD_CID + i);
		}
	}
}

static pid_t start_crowd(int *ret_ready)
{
	int gate[2];
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = child_fork();
	if (!pid) {
		close(gate[0]);
		crowd(gate[1]);
	}
	close(gate[1]);
	*ret_ready = gate[0];
	return pid;
}

/* The engine goes on reading: of each refused guest it hears now and then. */
static void drain_until(int ready)
{
	struct pollfd p = { ready, POLLIN, 0 };

	while (!poll(&p, 1, 0))
		drain();
	close(ready);
}

static unsigned memory_mib(pid_t pid)
{
	char path[64], line[256];
	unsigned kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmHWM: %u", &kib);
	fclose(f);
	return kib >> 10;
}

/* Every place is a guest's of its own: who comes next still gets in, at its first try. */
static void test_all_places_taken(void **state)
{
	enum { N = HALF_OPEN_MAX + 50 };
	static int socks[N];

	make_hello();
	for (int i = 0; i < N; i++)
		socks[i] = knock(CROWD_CID + i);
	usleep((HALF_OPEN_GRACE_MS + 50) * 1000);
	well_behaved();
	for (int i = 0; i < N; i++)
		close(socks[i]);
	drain();
}

/* They come back at once, again and again: the real agent logs in all the same. */
static void test_crowd(void **state)
{
	struct m_session m = { 0 };
	unsigned vain = 0;
	int ready;
	pid_t pid;

	make_hello();
	pid = start_crowd(&ready);
	drain_until(ready);
	agent_pid = start_agent("agent.key", "7");
	while (m.cid != 7 || !m.up) {
		assert_true(hear(&msg_session, &(uint64_t){ 0 }, &m, HEAR_MS));
		vain += m.cid == 7 && !m.up;
	}
	print_message("  %u refused, %u MiB\n", vain, memory_mib(channel_pid));
	assert_true(memory_mib(channel_pid) < CROWD_MIB);
	stop(&agent_pid);
	stop(&pid);
	drain();
	well_behaved();
}

static void test_needs(void **state)
{
	print_message("skipped: needs root, and WARDEN_CHANNEL and WARDEN_AGENT, the programs' paths\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest needs[] = { cmocka_unit_test(test_needs) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_flipped_record),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_replayed_and_reordered),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_login_twice),
		cmocka_unit_test(test_out_of_turn),
		cmocka_unit_test(test_first_record),
		cmocka_unit_test(test_never_reads),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_all_places_taken),
		cmocka_unit_test(test_crowd),
	};

	alarm(200);
	if (!getenv("WARDEN_CHANNEL") || !getenv("WARDEN_AGENT") || geteuid())
		return cmocka_run_group_tests(needs, NULL, NULL);
	return cmocka_run_group_tests(tests, setup, teardown);
}

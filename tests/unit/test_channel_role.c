// SPDX-License-Identifier: GPL-2.0-or-later
/* Sessions, orders and their ends; what a hostile agent does is another test's. */
#include "test_channel_harness.h"

#include "channel/role.h"

static void test_keys(void **state)
{
	struct stat st;

	assert_int_equal(stat(in_folder("host.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(in_folder("agent.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* It goes into guests of every distribution: no loader, no libraries. */
static void test_agent_is_static(void **state)
{
	int fd = open(getenv("WARDEN_AGENT"), O_RDONLY | O_CLOEXEC);
	Elf64_Phdr segment;
	Elf64_Ehdr elf;

	assert_int_equal(read(fd, &elf, sizeof(elf)), sizeof(elf));
	for (int i = 0; i < elf.e_phnum; i++) {
		assert_int_equal(pread(fd, &segment, sizeof(segment),
				       elf.e_phoff + i * sizeof(segment)), sizeof(segment));
		assert_int_not_equal(segment.p_type, PT_INTERP);
	}
	close(fd);
}

static void test_kill(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	struct m_result m;

	agent_up();
	m = hear_result(give(&o));
	assert_int_equal(m.status, ORDER_DONE);
	assert_killed(pid);
	assert_int_equal(hear_result(give(&o)).status, ORDER_NO_TARGET);
	agent_down();
}

static void test_untouched(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);

	agent_up();
	o.start_ns += 10000000;
	assert_int_equal(hear_result(give(&o)).status, ORDER_MISMATCH);
	o = order_for(pid, 7);
	o.exe_hash[0] ^= 1;
	assert_int_equal(hear_result(give(&o)).status, ORDER_MISMATCH);
	o.exe_ranges.len = 0;
	assert_int_equal(hear_result(give(&o)).status, ORDER_REFUSED);
	o = order_for(pid, 7);
	o.exe_ranges.len = 5;
	assert_int_equal(hear_result(give(&o)).status, ORDER_REFUSED);
	o = order_for(pid, 7);
	o.verb = 4;
	assert_int_equal(hear_result(give(&o)).status, ORDER_REFUSED);
	o = order_for(pid, 8);
	assert_int_equal(hear_result(give(&o)).status, ORDER_UNDELIVERABLE);
	agent_down();
	o = order_for(pid, 7);
	assert_int_equal(hear_result(give(&o)).status, ORDER_UNDELIVERABLE);
	end_child(pid);
}

static void test_unpinned(void **state)
{
	char hex[2 * WIRE_KEY + 1];
	struct m_session m;

	agent_pid = start_agent("other.key", "9");
	m = hear_session();
	assert_int_equal(m.up, 0);
	assert_int_equal(m.cid, 9);
	assert_string_equal(m.agent, "");
	hex_encode(hex, other_id.public, WIRE_KEY);
	assert_non_null(strstr(m.why, "refused: key is not pinned"));
	assert_non_null(strstr(m.why, hex));
	stop(&agent_pid);
	/* it tries again and again: drain what it said meanwhile */
	while (hear(&msg_session, &(uint64_t){ 0 }, &m, 100))
		assert_int_equal(m.up, 0);
}

/* Stopped: the deadline passes.  Its late answer is not told a second time. */
static void test_deadline(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	struct m_result m;

	agent_up();
	usleep(50000);
	kill(agent_pid, SIGSTOP);
	o.deadline_ms = 300;
	m = hear_result(give(&o));
	assert_int_equal(m.status, ORDER_EXPIRED);
	assert_true(m.elapsed_us >= 300000);
	kill(agent_pid, SIGCONT);
	expect_silence(500);
	assert_killed(pid);
	/* the session lives on */
	pid = start_child();
	o = order_for(pid, 7);
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	assert_killed(pid);
	agent_down();
}

/* An order for a file of that escaped path, whose content is the text. */
static struct m_order order_to_quarantine(const char *path, const char *text)
{
	struct m_order o = { .cid = 7, .verb = VERB_QUARANTINE, .size = strlen(text) };

	snprintf(o.path, sizeof(o.path), "%s", path);
	hash_content(o.exe_hash, text, strlen(text));
	o.exe_ranges.len = sizeof(struct exe_range);
	o.exe_ranges.range[0].pages = 1;
	randombytes_buf(o.item, sizeof(o.item));
	return o;
}

/* Away and back again; the agent that brings it back is another process. */
static void test_quarantine(void **state)
{
	char *path = strdup(in_folder("mal\nware")), escaped[200], key_file[160];
	struct m_order o;
	struct stat st;
	FILE *f = fopen(path, "w");

	fputs("infected", f);
	fclose(f);
	assert_int_equal(chmod(path, 0755), 0);
	text_escape(escaped, sizeof(escaped), path, strlen(path));
	o = order_to_quarantine(escaped, "infected");
	agent_up();
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	agent_down();
	agent_up();
	o.verb = VERB_RESTORE;
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	o.verb = VERB_QUARANTINE;
	strcpy(o.path, "/tmp/bad\\escape");
	assert_int_equal(hear_result(give(&o)).status, ORDER_REFUSED);
	agent_down();
	unlink(path);
	free(path);
	snprintf(key_file, sizeof(key_file), "%s.quarantine", in_folder("host.key"));
	assert_int_equal(stat(key_file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* What the introspector reads: the beacon is where the agent says it is. */
static void test_beacon(void **state)
{
	struct m_session m = agent_in();
	struct wire_beacon beacon;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/mem", m.beacon_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &beacon, sizeof(beacon), m.beacon_gva), sizeof(beacon));
	close(fd);
	assert_int_equal(m.beacon_gva % WIRE_PAGE, 0);
	assert_memory_equal(beacon.magic, WIRE_BEACON_MAGIC, sizeof(beacon.magic));
	assert_memory_equal(beacon.nonce, m.nonce, sizeof(m.nonce));
	assert_true(sodium_is_zero(beacon.zero, sizeof(beacon.zero)));
	agent_down();
}

/* Until the engine has found the nonce in the guest there are no orders. */
static void test_unbound_gets_no_order(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	struct m_session m = agent_in(), other = m;
	struct m_result r = hear_result(give(&o));

	assert_int_equal(r.status, ORDER_UNDELIVERABLE);
	assert_non_null(strstr(r.detail, "not bound to the guest"));
	/* another session's binding is not this one's */
	other.nonce[0] ^= 1;
	bind_session(&other, true, "");
	other = m;
	other.cid = 8;
	bind_session(&other, true, "");
	assert_int_equal(hear_result(give(&o)).status, ORDER_UNDELIVERABLE);
	bind_session(&m, true, "");
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	assert_killed(pid);
	agent_down();
}

/* The agent dies with the order in its socket, and its successor gets it. */
static void test_delivered_again(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	uint64_t id;

	agent_up();
	usleep(50000);
	kill(agent_pid, SIGSTOP);
	id = give(&o);
	usleep(50000);
	agent_down();
	agent_up();
	assert_int_equal(hear_result(id).status, ORDER_DONE);
	assert_killed(pid);
	agent_down();
	expect_silence(100);
}

static void test_agent_never_back(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	struct m_result m;
	uint64_t id;

	agent_up();
	usleep(50000);
	kill(agent_pid, SIGSTOP);
	id = give(&o);
	usleep(50000);
	agent_down();
	m = hear_result(id);
	assert_int_equal(m.status, ORDER_EXPIRED);
	assert_true(m.elapsed_us >= 1900000);
	assert_non_null(strstr(m.detail, "the session ended before the answer"));
	end_child(pid);
}

/* Its successor logged in, but the binding takes its time: the order waits for it. */
static void test_delivered_once_bound(void **state)
{
	pid_t pid = start_child();
	struct m_order o = order_for(pid, 7);
	struct m_session m;
	uint64_t id;

	agent_up();
	usleep(50000);
	kill(agent_pid, SIGSTOP);
	id = give(&o);
	usleep(50000);
	agent_down();
	m = agent_in();
	expect_silence(2500);
	bind_session(&m, true, "");
	assert_int_equal(hear_result(id).status, ORDER_DONE);
	assert_killed(pid);
	agent_down();
}

static void test_unasked_result(void **state)
{
	struct record_result result = { WIRE_DONE, 1, { 0 }, "killed them all" };
	uint8_t record[RECORD_MAX];

	login_raw(20);
	send_raw(record, record_put_result(record, &result));
	expect_cut("nobody asked for");
}

/* The right order, another nonce: as if from an earlier delivery. */
static void test_stale_nonce(void **state)
{
	struct m_order o = { .cid = 20, .verb = VERB_KILL, .deadline_ms = 300 };
	struct record_result result = { .status = WIRE_DONE };
	struct record_order got;
	uint8_t record[RECORD_MAX];
	uint64_t id;

	login_raw(20);
	id = give(&o);
	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_order(mine.record, mine.record_len, &got));
	assert_int_equal(got.order, id);
	result.order = id;
	memcpy(result.nonce, got.nonce, WIRE_NONCE);
	result.nonce[0] ^= 1;
	send_raw(record, record_put_result(record, &result));
	expect_cut("nobody asked for");
	assert_int_equal(hear_result(id).status, ORDER_EXPIRED);
}

/* The same right answer twice: the second was not asked for. */
static void test_result_twice(void **state)
{
	struct m_order o = { .cid = 20, .verb = VERB_KILL };
	struct record_result result = { .status = WIRE_DONE, .detail = "back\\slash" };
	struct record_order got;
	uint8_t record[RECORD_MAX];
	uint64_t id;

	login_raw(20);
	id = give(&o);
	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_order(mine.record, mine.record_len, &got));
	result.order = id;
	memcpy(result.nonce, got.nonce, WIRE_NONCE);
	send_raw(record, record_put_result(record, &result));
	assert_string_equal(hear_result(id).detail, "back\\x5cslash");
	send_raw(record, record_put_result(record, &result));
	expect_cut("nobody asked for");
}

static void test_garbage(void **state)
{
	static const uint8_t oversize[] = { 1, 0, 1, 0 };
	static const uint8_t garbage[] = { 30, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6,
		7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3 };
	uint8_t record[RECORD_MAX];

	login_raw(21);
	assert_int_equal(send(sock, oversize, sizeof(oversize), MSG_NOSIGNAL), 4);
	expect_cut("a frame of zero or too many bytes");
	login_raw(21);
	assert_int_equal(send(sock, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
	expect_cut("does not open");
	login_raw(21);
	send_raw((const uint8_t *)"\x09what", 5);
	expect_cut("malformed or unexpected");
	login_raw(21);
	send_raw(record, record_put_ping(record, WIRE_PONG, 99));
	expect_cut("malformed or unexpected");
	handshake_raw(21);
	send_raw(record, record_put_ping(record, WIRE_PONG, 99));
	expect_cut("refused: its first record is no login");
	connect_raw(21);
	assert_int_equal(send(sock, garbage, sizeof(garbage), MSG_NOSIGNAL), sizeof(garbage));
	expect_cut("refused: malformed HELLO");
}

/* The nonce is not in that guest: the session ends, and its agent hears why. */
static void test_refused_binding(void **state)
{
	struct m_session m = login_unbound(25), down;
	struct record_text bye;

	bind_session(&m, false, "its nonce is not in the memory of guest 4");
	down = hear_session();
	assert_int_equal(down.up, 0);
	assert_string_equal(down.why, "its nonce is not in the memory of guest 4");
	assert_memory_equal(down.nonce, m.nonce, sizeof(m.nonce));
	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_text(mine.record, mine.record_len, WIRE_CLOSE, &bye));
	assert_string_equal(bye.text, down.why);
	assert_int_equal(pump(), LINK_FAILED);
	close(sock);
}

/* Ends of sessions, in the order in which the engine hears of them. */
static void expect_replaced(uint32_t cid)
{
	struct m_session m = hear_session();

	assert_int_equal(m.up, 0);
	assert_int_equal(m.cid, cid);
	assert_string_equal(m.why, "replaced by a new login");
}

/*
 * One session an identity.  But a key stolen by another guest does not cut the
 * first off: its session stays until the new one is bound.
 */
static void test_replaced(void **state)
{
	struct m_session m;
	int socks[3];

	login_raw(22);
	socks[0] = sock;
	m = login_unbound(23);
	socks[1] = sock;
	bind_session(&m, false, "another guest");
	m = hear_session();
	assert_int_equal(m.cid, 23);
	m = login_unbound(23);
	socks[2] = sock;
	expect_silence(100);
	bind_session(&m, true, "");
	expect_replaced(22);
	for (int i = 0; i < 3; i++)
		close(socks[i]);
	assert_int_equal(hear_session().cid, 23);
}

/* One session a guest: the newest, bound or not. */
static void test_replaced_in_its_guest(void **state)
{
	struct record_login login = { .version = "raw" };
	uint8_t record[RECORD_MAX];
	int old;

	login_raw(22);
	old = sock;
	handshake_raw(22);
	send_raw(record, record_put_login(record, &login));
	expect_replaced(22);
	assert_int_equal(hear_session().up, 1);
	close(old);
	close(sock);
	assert_int_equal(hear_session().up, 0);
}

/* What an agent does not answer holds its place: a bound for both ends. */
static void test_orders_are_bounded(void **state)
{
	struct m_order o = { .cid = 24, .verb = VERB_KILL, .deadline_ms = 200 };
	uint64_t first = next_id;

	login_raw(24);
	for (int i = 0; i < WIRE_ORDERS_OPEN; i++)
		give(&o);
	assert_int_equal(hear_result(give(&o)).status, ORDER_UNDELIVERABLE);
	for (int i = 0; i < WIRE_ORDERS_OPEN; i++)
		assert_int_equal(hear_result(first + i).status, ORDER_EXPIRED);
	assert_int_equal(hear_result(give(&o)).status, ORDER_UNDELIVERABLE);
	close(sock);
	assert_int_equal(hear_session().up, 0);
	expect_silence(100);
}

/* Silent connections: four a guest, and no login is no login. */
static void test_half_open(void **state)
{
	int socks[5];
	uint64_t begin = clock_ms();

	for (int i = 0; i < 5; i++) {
		connect_raw(30);
		socks[i] = sock;
		usleep(10000);
	}
	assert_string_equal(hear_session().why, "refused: too many handshakes at once");
	login_raw(31);
	close(sock);
	assert_int_equal(hear_session().up, 0);
	for (int i = 0; i < 4; i++)
		assert_string_equal(hear_session().why, "refused: no login in time");
	assert_true(clock_ms() - begin >= 4900);
	for (int i = 0; i < 5; i++)
		close(socks[i]);
}

/* All places are taken, four by each guest: who has more than one makes room. */
static void test_half_open_of_all(void **state)
{
	struct m_session m;
	int socks[HALF_OPEN_MAX];

	for (int i = 0; i < HALF_OPEN_MAX; i++) {
		connect_raw(400 + i / 4);
		socks[i] = sock;
	}
	handshake_raw(50);
	m = hear_session();
	assert_string_equal(m.why, "refused: too many handshakes of all guests");
	assert_int_equal(m.cid, 400);
	close(sock);
	for (int i = 0; i < HALF_OPEN_MAX; i++)
		close(socks[i]);
	while (hear(&msg_session, &(uint64_t){ 0 }, &m, 200))
		assert_int_equal(m.up, 0);
}

/* One guest knocks without end: the engine hears little of it. */
static void test_flood(void **state)
{
	struct m_session m;
	int heard = 0;

	for (int i = 0; i < 300; i++) {
		connect_raw(60);
		close(sock);
	}
	while (hear(&msg_session, &(uint64_t){ 0 }, &m, 300)) {
		assert_int_equal(m.cid, 60);
		heard++;
	}
	assert_in_range(heard, 1, 5);
	login_raw(61);
	close(sock);
	assert_int_equal(hear_session().up, 0);
}

static void test_figures(void **state)
{
	struct m_order o = { .cid = 0, .verb = VERB_KILL, .pid = 2147483647 };
	uint64_t begin = clock_us();
	const int n = 50;

	for (int i = 0; i < n; i++) {
		handshake_raw(1000 + i);
		close(sock);
	}
	print_message("  handshake: %llu us\n", (unsigned long long)(clock_us() - begin) / n);
	{
		struct m_session m;

		while (hear(&msg_session, &(uint64_t){ 0 }, &m, 300))
			;
	}
	agent_up();
	o.cid = 7;
	o.exe_ranges.len = 8;
	o.exe_ranges.range[0].pages = 1;
	begin = clock_us();
	for (int i = 0; i < n; i++) {
		struct m_result m;
		uint64_t id;

		give(&o);
		assert_true(hear(&msg_result, &id, &m, HEAR_MS));
		assert_int_equal(m.status, ORDER_NO_TARGET);
	}
	print_message("  order and result: %llu us\n",
		      (unsigned long long)(clock_us() - begin) / n);
	agent_down();
}

static void test_engine_gone(void **state)
{
	int status;

	close(engine);
	assert_int_equal(waitpid(channel_pid, &status, 0), channel_pid);
	channel_pid = 0;
	assert_int_equal(status, 0);
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
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_agent_is_static),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_quarantine),
		cmocka_unit_test(test_beacon),
		cmocka_unit_test(test_unbound_gets_no_order),
		cmocka_unit_test(test_unpinned),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_delivered_again),
		cmocka_unit_test(test_delivered_once_bound),
		cmocka_unit_test(test_agent_never_back),
		cmocka_unit_test(test_unasked_result),
		cmocka_unit_test(test_stale_nonce),
		cmocka_unit_test(test_result_twice),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_refused_binding),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_replaced_in_its_guest),
		cmocka_unit_test(test_orders_are_bounded),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_half_open_of_all),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_engine_gone),
	};

	if (!getenv("WARDEN_CHANNEL") || !getenv("WARDEN_AGENT") || geteuid())
		return cmocka_run_group_tests(needs, NULL, NULL);
	return cmocka_run_group_tests(tests, setup, teardown);
}

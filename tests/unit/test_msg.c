// SPDX-License-Identifier: GPL-2.0-or-later
/* What a hostile peer may send, and what decoding makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/messages.h"
#include "lib/util.h"

static const struct msg_schema *const all_schemas[] = {
	&msg_guest_up, &msg_guest_down, &msg_guest_cid, &msg_events, &msg_counters,
	&msg_role_state, &msg_look, &msg_sweep, &msg_probe, &msg_kernel, &msg_task,
	&msg_object, &msg_uses, &msg_done, &msg_probed, &msg_scan, &msg_verdict,
	&msg_database, &msg_order, &msg_result, &msg_session, &msg_taken, &msg_guest_level,
	&msg_guard_taken, &msg_cids_state, &msg_module_state, &msg_rest, &msg_rest_file, &msg_rested,
	&msg_guest_named, &msg_guard_judged,
};

static int pair[2];

static int make_pair(void **state)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static struct m_verdict some_verdict(void)
{
	struct m_verdict v = {
		.verdict = VERDICT_INFECTED, .bytes = 0x123456789abcdef0, .elapsed_us = 7,
		.name = "Some.Virus-1",
	};

	memset(v.hash, 0xa5, sizeof(v.hash));
	return v;
}

static void test_round_trip(void **state)
{
	struct m_verdict in = some_verdict(), out;
	struct msg m;

	assert_int_equal(msg_post(pair[0], &msg_verdict, 42, &in, -1), 0);
	assert_int_equal(msg_recv(pair[1], &m, 0), 1);
	assert_int_equal(m.type, M_VERDICT);
	assert_int_equal(m.id, 42);
	assert_int_equal(m.fd, -1);
	assert_true(msg_decode(&m, &msg_verdict, &out));
	assert_memory_equal(&in, &out, sizeof(in));
}

static void test_blob(void **state)
{
	struct m_task in = { .pid = 9, .comm = "sh", .exe_ranges = { .len = 16 } }, out;
	struct msg m;

	in.exe_ranges.range[0] = (struct exe_range) { 1, 2 };
	in.exe_ranges.range[1] = (struct exe_range) { 5, 6 };
	assert_int_equal(msg_encode(&m, &msg_task, 1, &in, -1), 0);
	assert_true(msg_decode(&m, &msg_task, &out));
	assert_memory_equal(&in, &out, sizeof(in));
	/* A length that the struct has no room for is not sent. */
	in.exe_ranges.len = sizeof(in.exe_ranges.range) + 1;
	assert_int_equal(msg_encode(&m, &msg_task, 1, &in, -1), -EMSGSIZE);
}

/* Every schema, cut at every length, and with a byte more. */
static void test_truncated_and_trailing(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_schemas); i++) {
		const struct msg_schema *s = all_schemas[i];
		autofree void *in = calloc(1, s->struct_size);
		autofree void *out = malloc(s->struct_size);
		struct msg m;
		size_t len;

		assert_int_equal(msg_encode(&m, s, 0, in, -1), 0);
		assert_true(msg_decode(&m, s, out));
		assert_memory_equal(in, out, s->struct_size);
		len = m.len;
		for (m.len = 0; m.len < len; m.len++)
			assert_false(msg_decode(&m, s, out));
		m.payload[len] = 0;
		m.len = len + 1;
		assert_false(msg_decode(&m, s, out));
	}
}

/* The largest of each fits, and its fields stay inside their struct. */
static void test_largest(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_schemas); i++) {
		const struct msg_schema *s = all_schemas[i];
		autofree uint8_t *in = calloc(1, s->struct_size);
		autofree uint8_t *out = malloc(s->struct_size);
		struct msg m;

		for (uint32_t f = 0; f < s->nfields; f++) {
			const struct msg_field *field = &s->fields[f];
			uint32_t room = field->size - sizeof(room);

			assert_true(field->offset + field->size <= s->struct_size);
			memset(in + field->offset, '~', field->size);
			if (field->kind == MSG_TEXT)
				in[field->offset + field->size - 1] = '\0';
			if (field->kind == MSG_BLOB)
				memcpy(in + field->offset, &room, sizeof(room));
		}
		assert_int_equal(msg_encode(&m, s, 0, in, -1), 0);
		assert_true(msg_decode(&m, s, out));
		assert_memory_equal(in, out, s->struct_size);
	}
}

static void test_wrong_type(void **state)
{
	struct m_look look = { .cr3 = 5 };
	struct m_guest_down down;
	struct msg m;

	/* The same bytes as the other would have. */
	assert_int_equal(msg_encode(&m, &msg_look, 0, &look, -1), 0);
	assert_false(msg_decode(&m, &msg_guest_down, &down));
	m.type = M_GUEST_DOWN;
	assert_true(msg_decode(&m, &msg_guest_down, &down));
}

/* A result: u32, u64, then the text whose length is at offset 12. */
static bool decodes_text(const void *text, uint32_t claimed, uint32_t sent)
{
	struct m_result result = { 0 }, out;
	struct msg m;

	msg_encode(&m, &msg_result, 0, &result, -1);
	memcpy(m.payload + 12, &claimed, sizeof(claimed));
	memcpy(m.payload + 16, text, sent);
	m.len = 16 + sent;
	return msg_decode(&m, &msg_result, &out);
}

static void test_hostile_text(void **state)
{
	char longest[TEXT_WHY];

	memset(longest, 'a', sizeof(longest));
	assert_true(decodes_text("plain", 5, 5));
	assert_true(decodes_text("", 0, 0));
	assert_true(decodes_text(longest, TEXT_WHY - 1, TEXT_WHY - 1));
	assert_false(decodes_text(longest, TEXT_WHY, TEXT_WHY));
	assert_false(decodes_text("plain", 6, 5));
	assert_false(decodes_text("plain", 4, 5));
	assert_false(decodes_text("plain", UINT32_MAX, 5));
	assert_false(decodes_text("pl\0in", 5, 5));
	assert_false(decodes_text("two\nlines", 9, 9));
	assert_false(decodes_text("\033[2J", 4, 4));
	assert_false(decodes_text("caf\xc3\xa9", 5, 5));
	assert_false(decodes_text("\x7f", 1, 1));
}

static void test_hostile_blob(void **state)
{
	struct m_events out;
	struct msg m = { .type = M_EVENTS, .fd = -1 };
	uint32_t len = sizeof(out.events.data) + 1;

	memcpy(m.payload, &len, sizeof(len));
	m.len = sizeof(len) + len;
	assert_false(msg_decode(&m, &msg_events, &out));
	len = UINT32_MAX;
	memcpy(m.payload, &len, sizeof(len));
	assert_false(msg_decode(&m, &msg_events, &out));
}

static void test_failed_decode_clears(void **state)
{
	struct msg m = { .type = M_LOOK, .fd = -1, .len = 7 };
	struct m_look out = { .cr3 = 77 };

	assert_false(msg_decode(&m, &msg_look, &out));
	assert_int_equal(out.cr3, 0);
}

static void test_bad_datagrams(void **state)
{
	static char huge[16 + MSG_MAX_PAYLOAD + 1];
	struct msg m;

	assert_int_equal(send(pair[0], "short", 5, 0), 5);
	assert_int_equal(msg_recv(pair[1], &m, 0), -EBADMSG);
	assert_int_equal(send(pair[0], huge, 16, 0), 16);
	assert_int_equal(msg_recv(pair[1], &m, 0), -EBADMSG);
	memcpy(huge, "KVWD", 4);
	assert_int_equal(send(pair[0], huge, sizeof(huge), 0), sizeof(huge));
	assert_int_equal(msg_recv(pair[1], &m, 0), -EBADMSG);
	/* One byte less is a message. */
	assert_int_equal(send(pair[0], huge, sizeof(huge) - 1, 0), sizeof(huge) - 1);
	assert_int_equal(msg_recv(pair[1], &m, 0), 1);
	assert_int_equal(m.len, MSG_MAX_PAYLOAD);
}

static void test_end_and_empty(void **state)
{
	struct msg m;

	assert_int_equal(msg_recv(pair[1], &m, MSG_DONTWAIT), -EAGAIN);
	shutdown(pair[0], SHUT_WR);
	assert_int_equal(msg_recv(pair[1], &m, 0), 0);
	assert_int_equal(m.fd, -1);
}

static void test_slow_peer(void **state)
{
	struct m_look look = { 0 };
	struct msg m;
	int r;

	msg_encode(&m, &msg_look, 0, &look, -1);
	while ((r = msg_send(pair[0], &m, MSG_DONTWAIT)) == 0)
		;
	assert_int_equal(r, -EAGAIN);
	/* What it has not read is gone with it: reset, not a signal. */
	close(pair[1]);
	assert_int_equal(msg_send(pair[0], &m, 0), -ECONNRESET);
	assert_int_equal(msg_send(pair[0], &m, 0), -EPIPE);
}

static void test_fd(void **state)
{
	int fd = memfd_create("x", MFD_CLOEXEC), taken;
	struct m_scan scan = { .profile = SCAN_FILE };
	unsigned before = open_fds();
	char text[4] = "";
	struct msg m;

	assert_int_equal(write(fd, "abc", 3), 3);
	assert_int_equal(msg_post(pair[0], &msg_scan, 1, &scan, fd), 0);
	assert_int_equal(msg_recv(pair[1], &m, 0), 1);
	assert_int_not_equal(m.fd, -1);
	assert_int_equal(fcntl(m.fd, F_GETFD), FD_CLOEXEC);
	taken = msg_take_fd(&m);
	assert_int_equal(m.fd, -1);
	assert_int_equal(pread(taken, text, 3, 0), 3);
	assert_string_equal(text, "abc");
	close(taken);

	assert_int_equal(msg_post(pair[0], &msg_scan, 1, &scan, fd), 0);
	assert_int_equal(msg_recv(pair[1], &m, 0), 1);
	msg_release(&m);
	assert_int_equal(m.fd, -1);
	assert_int_equal(open_fds(), before);
	close(fd);
}

/* Sends bytes with the same descriptor n times, as no msg_send would. */
static void send_raw(const void *bytes, size_t len, int fd, unsigned n)
{
	union {
		char bytes[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)bytes, len };
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (unsigned i = 0; i < n; i++)
		memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(pair[0], &h, 0), len);
}

/* A peer that sends more descriptors than one must not fill our table. */
static void test_too_many_fds(void **state)
{
	static const char header[16] = "KVWD";
	unsigned before = open_fds();
	struct msg m;

	for (unsigned n = 2; n <= 8; n++) {
		send_raw(header, sizeof(header), 0, n);
		assert_int_equal(msg_recv(pair[1], &m, 0), -EBADMSG);
		assert_int_equal(open_fds(), before);
	}
}

static void test_fd_with_nonsense(void **state)
{
	unsigned before = open_fds();
	struct msg m;

	send_raw("short", 5, 0, 1);
	assert_int_equal(msg_recv(pair[1], &m, 0), -EBADMSG);
	assert_int_equal(open_fds(), before);
	send_raw("", 0, 0, 1);
	assert_true(msg_recv(pair[1], &m, 0) <= 0);
	assert_int_equal(open_fds(), before);
}

static void test_names(void **state)
{
	assert_string_equal(order_status_name(ORDER_DONE), "done");
	assert_string_equal(order_status_name(0), "unknown");
	assert_string_equal(order_status_name(UINT32_MAX), "unknown");
	assert_string_equal(object_kind_name(OBJECT_ANON), "anonymous memory");
	assert_string_equal(object_kind_name(0), "unknown");
	assert_string_equal(object_kind_name(99), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip), TEST(test_blob), TEST(test_truncated_and_trailing),
		TEST(test_largest), TEST(test_wrong_type), TEST(test_hostile_text),
		TEST(test_hostile_blob), TEST(test_failed_decode_clears),
		TEST(test_bad_datagrams), TEST(test_end_and_empty), TEST(test_slow_peer),
		TEST(test_fd), TEST(test_too_many_fds), TEST(test_fd_with_nonsense),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

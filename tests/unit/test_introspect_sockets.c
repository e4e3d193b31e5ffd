// SPDX-License-Identifier: GPL-2.0-or-later
/* A process's sockets: protocols, addresses, states and names, honest and broken. */
#include "test_introspect_kernel.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "introspect/process.h"

#define FDS 4

static struct introspector in;
static uint64_t root, mount, array;
static char told[TEXT_PATH];

static int setup(void **state)
{
	uint64_t files, table, task;

	assert_int_equal(guest_setup(NULL), 0);
	check_layout(&k.at);
	root = make_dentry("/", 0);
	mount = make_mount(root, 0, root);
	files = make(64);
	table = make(64);
	array = make(8 * FDS);
	task = make_task(7, make_task(0, 0));
	set(task, k.at.task_struct_files, files);
	set(files, k.at.files_struct_fdt, table);
	set(table, k.at.fdtable_max_fds, FDS);
	set(table, k.at.fdtable_fd, array);
	in.mem = &mem;
	return 0;
}

static int take(void *ctx, const struct m_fact *m)
{
	if (m->kind == FACT_FILE && !strcmp(m->name, "socket"))
		snprintf(told, sizeof(told), "%s", m->value);
	return 0;
}

/* What is told of a process that has this one alone. */
static const char *tell(uint64_t sk, unsigned type)
{
	const struct m_process ask = { .pid = 7 };
	struct m_done done;

	put64(array - DIRECT + 8, make_socket(mount, root, sk, type));
	*told = '\0';
	in.kernel = k;
	memory_refresh(&mem);
	assert_int_equal(process_tell(&in, &ask, take, NULL, &done), 0);
	assert_int_equal(done.tasks, 1);
	return told;
}

static void give_address(uint64_t sk, struct field f, int family, const char *text)
{
	assert_int_equal(inet_pton(family, text, ram + (sk - DIRECT) + f.at), 1);
}

static uint64_t inet(unsigned protocol, unsigned state)
{
	const uint64_t sk = make_sock(AF_INET, protocol, state);

	give_address(sk, k.at.sock_common_skc_rcv_saddr, AF_INET, "127.0.0.1");
	give_address(sk, k.at.sock_common_skc_daddr, AF_INET, "192.0.2.7");
	set(sk, k.at.sock_common_skc_num, 8080);
	set(sk, k.at.sock_common_skc_dport, htons(443));
	return sk;
}

static void test_inet(void **state)
{
	assert_string_equal(tell(inet(IPPROTO_TCP, TCP_ESTABLISHED), SOCK_STREAM),
			    "tcp 127.0.0.1:8080 192.0.2.7:443 ESTABLISHED");
	assert_string_equal(tell(inet(IPPROTO_UDP, TCP_CLOSE), SOCK_DGRAM), "udp 127.0.0.1:8080 192.0.2.7:443");
	/* Neither TCP nor UDP, whatever the type. */
	assert_string_equal(tell(inet(IPPROTO_ICMP, TCP_CLOSE), SOCK_DGRAM), "icmp 127.0.0.1:8080 192.0.2.7:443");
	assert_string_equal(tell(inet(IPPROTO_SCTP, 1), SOCK_STREAM), "sctp 127.0.0.1:8080 192.0.2.7:443");
	assert_string_equal(tell(inet(IPPROTO_MPTCP, TCP_ESTABLISHED), SOCK_STREAM),
			    "mptcp 127.0.0.1:8080 192.0.2.7:443 ESTABLISHED");
	assert_string_equal(tell(inet(IPPROTO_ICMP, TCP_CLOSE), SOCK_RAW), "raw 127.0.0.1:8080 192.0.2.7:443");
	assert_string_equal(tell(inet(77, TCP_CLOSE), SOCK_DGRAM), "inet 127.0.0.1:8080 192.0.2.7:443");
	/* A kernel of which that is not known: by the type. */
	k.at.sock_sk_protocol.size = 0;
	assert_string_equal(tell(inet(0, 99), SOCK_STREAM), "tcp 127.0.0.1:8080 192.0.2.7:443 ");
	assert_string_equal(tell(inet(0, 0), SOCK_DGRAM), "udp 127.0.0.1:8080 192.0.2.7:443");
}

static void test_inet6(void **state)
{
	uint64_t sk = make_sock(AF_INET6, IPPROTO_TCP, TCP_LISTEN);

	set(sk, k.at.sock_common_skc_num, 22);
	assert_string_equal(tell(sk, SOCK_STREAM), "tcp6 [::]:22 [::]:0 LISTEN");
	sk = make_sock(AF_INET6, IPPROTO_TCP, TCP_ESTABLISHED);
	give_address(sk, k.at.sock_common_skc_v6_rcv_saddr, AF_INET6, "::ffff:127.0.0.1");
	give_address(sk, k.at.sock_common_skc_v6_daddr, AF_INET6, "2001:db8::7");
	assert_string_equal(tell(sk, SOCK_STREAM), "tcp6 [::ffff:127.0.0.1]:0 [2001:db8::7]:0 ESTABLISHED");
}

static const char *tell_name(const char *name, size_t size, unsigned type)
{
	const uint64_t sk = make_sock(AF_UNIX, 0, TCP_CLOSE);

	make_unix_name(sk, name, size);
	return tell(sk, type);
}

static void test_unix(void **state)
{
	uint64_t sk = make_sock(AF_UNIX, 0, TCP_LISTEN);
	char longest[109] = "/", expected[160];

	assert_string_equal(tell(sk, SOCK_STREAM), "unix socket:[4711] stream LISTEN");
	make_unix_name(sk, "/run/x", 7);
	assert_string_equal(tell(sk, SOCK_STREAM), "unix socket:[4711] stream LISTEN /run/x");
	assert_string_equal(tell(make_sock(AF_UNIX, 0, TCP_ESTABLISHED), SOCK_SEQPACKET),
			    "unix socket:[4711] seqpacket ESTABLISHED");
	assert_string_equal(tell_name("\0a\0b\n", 5, SOCK_DGRAM), "unix socket:[4711] dgram @a@b\\x0a");
	/* All of it, without a zero at the end; 5.10 counts one that is not there. */
	memset(longest + 1, 'n', 107);
	snprintf(expected, sizeof(expected), "unix socket:[4711] dgram %s", longest);
	assert_string_equal(tell_name(longest, 108, SOCK_DGRAM), expected);
	assert_string_equal(tell_name(longest, 109, SOCK_DGRAM), expected);
}

/* Lengths and pointers that are not: no name, and no more than that. */
static void test_unix_lies(void **state)
{
	const uint64_t sk = make_sock(AF_UNIX, 0, TCP_LISTEN), bound = make_unix_name(sk, "/run/x", 7);
	static const uint32_t lengths[] = { 0, 1, 2, 112, 0x7fffffff, UINT32_MAX };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		set(bound, k.at.unix_address_len, lengths[i]);
		assert_string_equal(tell(sk, SOCK_STREAM), "unix socket:[4711] stream LISTEN");
	}
	set(sk, k.at.unix_sock_addr, 0x1234);
	assert_string_equal(tell(sk, SOCK_STREAM), "unix socket:[4711] stream LISTEN");
	set(sk, k.at.unix_sock_addr, DIRECT + RAM_SIZE - 8);
	assert_string_equal(tell(sk, SOCK_STREAM), "unix socket:[4711] stream LISTEN");
}

#define U(f) cmocka_unit_test_setup_teardown(f, setup, guest_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { U(test_inet), U(test_inet6), U(test_unix), U(test_unix_lies) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

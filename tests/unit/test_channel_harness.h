/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real warden-channel and the real warden-agent, over a unix socket in
 * vsock's place.  The test is the engine, and now and then an agent of its own.
 */
#ifndef WARDEN_TEST_CHANNEL_HARNESS_H
#define WARDEN_TEST_CHANNEL_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/clock.h"
#include "channel/link.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "test_child.h"

static char folder[] = "/tmp/warden-channel-XXXXXX";
static int engine = -1;
static pid_t channel_pid, agent_pid;
static struct identity pinned_id, other_id;
static struct host_keys host_keys;
static uint64_t next_id = 1;

#define HEAR_MS 60000		/* a busy machine is no failure */
#define CAPABILITIES (1 << VERB_KILL | 1 << VERB_QUARANTINE | 1 << VERB_RESTORE)

static inline const char *in_folder(const char *name)
{
	static char paths[8][128];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static inline pid_t spawn(char *const argv[], int fd3)
{
	pid_t pid = child_fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (fd3 >= 0 && fd3 != ROLE_FD)
			dup2(fd3, ROLE_FD);
		else if (fd3 >= 0)
			fcntl(fd3, F_SETFD, 0);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

static inline void wait_for_file(const char *path)
{
	struct stat st;

	for (int i = 0; i < 6000 && stat(path, &st); i++)
		usleep(10000);
	assert_int_equal(stat(path, &st), 0);
}

static inline void write_config(void)
{
	FILE *f = fopen(in_folder("conf"), "w");

	fprintf(f, "[channel]\nhost_key = %s\nagents = %s\norder_seconds = 5\n",
		in_folder("host.key"), in_folder("agents"));
	fclose(f);
}

static inline void start_channel(void)
{
	char listen_at[160];
	char *argv[] = { getenv("WARDEN_CHANNEL"), "--config", (char *)in_folder("conf"),
		"--listen", listen_at, NULL };
	int pair[2];

	snprintf(listen_at, sizeof(listen_at), "unix:%s", in_folder("sock"));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	channel_pid = spawn(argv, pair[1]);
	close(pair[1]);
	engine = pair[0];
	wait_for_file(in_folder("sock"));
	assert_int_equal(key_file_read(in_folder("host.key.pub"), host_keys.key[0], WIRE_KEY, false), 0);
	host_keys.n = 1;
}

static inline pid_t start_agent(const char *key, const char *cid)
{
	char transport[160];
	char *argv[] = { getenv("WARDEN_AGENT"), "--key", (char *)in_folder(key),
		"--host-key", (char *)in_folder("host.key.pub"),
		"--quarantine", (char *)in_folder("quarantine"),
		"--transport", transport, "--test-cid", (char *)cid, NULL };

	snprintf(transport, sizeof(transport), "unix:%s", in_folder("sock"));
	return spawn(argv, -1);
}

static inline void stop(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

static inline int setup(void **state)
{
	char *keygen[] = { getenv("WARDEN_AGENT"), "keygen", NULL, NULL };
	pid_t pid;
	int status;

	assert_true(sodium_init() >= 0 && mkdtemp(folder));
	assert_int_equal(mkdir(in_folder("agents"), 0755), 0);
	keygen[2] = (char *)in_folder("agent.key");
	pid = spawn(keygen, -1);
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(identity_load(in_folder("agent.key"), &pinned_id), 0);
	assert_int_equal(identity_make(in_folder("other.key"), &other_id), 0);
	assert_int_equal(rename(in_folder("agent.key.pub"), in_folder("agents/web 1.pub")), 0);
	write_config();
	start_channel();
	return 0;
}

static inline int teardown(void **state)
{
	char command[160];

	stop(&agent_pid);
	stop(&channel_pid);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

/* The next message, of that type, within the time; false: none came. */
static inline bool hear(const struct msg_schema *schema, uint64_t *ret_id, void *ret, int ms)
{
	struct pollfd p = { engine, POLLIN, 0 };
	static struct msg m;

	if (poll(&p, 1, ms) <= 0)
		return false;
	assert_int_equal(msg_recv(engine, &m, 0), 1);
	assert_true(msg_decode(&m, schema, ret));
	*ret_id = m.id;
	return true;
}

static inline struct m_session hear_session(void)
{
	struct m_session m;
	uint64_t id;

	assert_true(hear(&msg_session, &id, &m, HEAR_MS));
	assert_int_equal(id, 0);
	print_message("  cid %u %s '%s' %s\n", m.cid, m.up ? "up" : "down", m.agent, m.why);
	return m;
}

static inline void bind_session(const struct m_session *session, bool bound, const char *why)
{
	struct m_bound m = { .cid = session->cid, .bound = bound };

	memcpy(m.nonce, session->nonce, sizeof(m.nonce));
	strcpy(m.why, why);
	assert_int_equal(msg_post(engine, &msg_bound, 0, &m, -1), 0);
}

static inline struct m_result hear_result(uint64_t id)
{
	struct m_result m;
	uint64_t got;

	assert_true(hear(&msg_result, &got, &m, HEAR_MS));
	assert_int_equal(got, id);
	print_message("  %s: %s (%llu us)\n", order_status_name(m.status), m.detail,
		      (unsigned long long)m.elapsed_us);
	return m;
}

static inline void expect_silence(int ms)
{
	struct pollfd p = { engine, POLLIN, 0 };

	assert_int_equal(poll(&p, 1, ms), 0);
}

static inline pid_t start_child(void)
{
	int gate[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = child_fork();
	if (pid == 0) {
		execl("/bin/sleep", "sleep", "600", NULL);
		_exit(127);
	}
	close(gate[1]);
	assert_int_equal(read(gate[0], &byte, 1), 0);
	close(gate[0]);
	return pid;
}

static inline uint64_t start_ns_of(pid_t pid)
{
	char path[64], line[1024] = "";
	unsigned long long ticks;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_int_equal(sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
				"%*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks), 1);
	return ticks * 10000000;
}

/* The right order for a child that sleeps. */
static inline struct m_order order_for(pid_t pid, uint32_t cid)
{
	static uint8_t bytes[1 << 20];
	struct m_order o = { .cid = cid, .verb = VERB_KILL, .pid = pid,
		.start_ns = start_ns_of(pid) + 7 };
	FILE *f = fopen("/bin/sleep", "r");
	size_t n = fread(bytes, 1, sizeof(bytes), f);

	fclose(f);
	hash_content(o.exe_hash, bytes, n);
	o.exe_ranges.len = sizeof(struct exe_range);
	o.exe_ranges.range[0].pages = (n + 4095) / 4096;
	return o;
}

static inline uint64_t give(const struct m_order *o)
{
	uint64_t id = next_id++;

	assert_int_equal(msg_post(engine, &msg_order, id, o, -1), 0);
	return id;
}

static inline void assert_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static inline void end_child(pid_t pid)
{
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static inline struct m_session agent_in(void)
{
	struct m_session m;

	agent_pid = start_agent("agent.key", "7");
	m = hear_session();
	assert_int_equal(m.up, 1);
	assert_int_equal(m.cid, 7);
	assert_int_equal(m.capabilities, CAPABILITIES);
	assert_string_equal(m.agent, "web 1");
	assert_string_equal(m.version, WARDEN_VERSION);
	assert_int_equal(m.beacon_pid, agent_pid);
	return m;
}

static inline void agent_up(void)
{
	struct m_session m = agent_in();

	bind_session(&m, true, "");
}

static inline void agent_down(void)
{
	stop(&agent_pid);
	assert_int_equal(hear_session().up, 0);
}

/* ---- the test as an agent of its own ---- */

static struct link mine;
static int sock = -1;

static inline void connect_raw(uint32_t cid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const uint8_t preface[4] = { cid, cid >> 8, cid >> 16, cid >> 24 };

	strcpy(a.sun_path, in_folder("sock"));
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(sock, preface, 4, MSG_NOSIGNAL), 4);
}

static inline void flush_mine(void)
{
	while (mine.out_len) {
		ssize_t n = send(sock, mine.out, mine.out_len, MSG_NOSIGNAL);

		assert_true(n > 0);
		link_sent(&mine, n);
	}
}

/* Reads up to the next event; sends what waits before it blocks. */
static inline enum link_event pump(void)
{
	static uint8_t data[4096];
	static const uint8_t *at;
	static size_t left;
	enum link_event event;

	if (!mine.up)
		left = 0;
	while ((event = link_input(&mine, &at, &left)) == LINK_MORE) {
		ssize_t n;

		flush_mine();
		n = recv(sock, data, sizeof(data), 0);
		if (n <= 0)
			return LINK_FAILED;
		at = data;
		left = n;
	}
	flush_mine();
	return event;
}

static inline void handshake_raw(uint32_t cid)
{
	connect_raw(cid);
	link_agent(&mine, &pinned_id, &host_keys);
	assert_int_equal(pump(), LINK_UP);
}

static inline void send_raw(const uint8_t *record, size_t n)
{
	assert_true(link_send(&mine, record, n, clock_ms()));
	flush_mine();
}

static inline struct m_session login_unbound(uint32_t cid)
{
	struct record_login login = { .capabilities = 1 << VERB_KILL, .version = "raw" };
	uint8_t record[RECORD_MAX];
	struct m_session m;
	uint64_t ping;

	randombytes_buf(login.nonce, sizeof(login.nonce));
	handshake_raw(cid);
	send_raw(record, record_put_login(record, &login));
	do
		m = hear_session();
	while (m.cid != cid);	/* of others, that had to make room */
	assert_int_equal(m.up, 1);
	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_ping(mine.record, mine.record_len, WIRE_PING, &ping));
	return m;
}

static inline void login_raw(uint32_t cid)
{
	struct m_session m = login_unbound(cid);

	bind_session(&m, true, "");
}

/* The host hangs up and tells the engine why. */
static inline void expect_cut(const char *why)
{
	struct m_session m = hear_session();

	assert_int_equal(m.up, 0);
	assert_non_null(strstr(m.why, why));
	while (pump() == LINK_RECORD)
		;
	close(sock);
	sock = -1;
}

#endif

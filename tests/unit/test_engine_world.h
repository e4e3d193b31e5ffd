/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real warden-engine (WARDEN_ENGINE names it), jailed as it always is, and
 * the real wardenctl (WARDENCTL).  The test plays the parent, the introspector,
 * the scanner and the channel, over real sockets with the real messages: a
 * guest, its agent, and in it one task that executes an infected file.
 */
#ifndef TEST_ENGINE_WORLD_H
#define TEST_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/kvm_warden.h>

#include "lib/messages.h"
#include "test_child.h"
#include "warden/guard.h"

#define WAIT_MS 60000		/* a busy machine is no failure */
#define GUEST 7
#define VMM 4242
#define CID 33
#define NAME "web-1"
#define PID 1234
#define START 5555000000ull
#define CR3 0x12345000ull

static const char policy_kill[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill\nlimit = 10/60m\n"
	"[exempt good]\nsignature = Test.Exempt*\n";

static struct world {
	char dir[64], config[128], socket[128];
	pid_t pid;
	int parent, introspect, scan, channel;
	uint8_t nonce;			/* of the last session, its first byte */
} w;

static struct msg in;

/* ---- the world around the engine ---- */

static inline void write_file(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w.dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void pair(int out[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out), 0);
}

static inline void start_engine(void)
{
	int s[2];

	pair(s);
	w.pid = child_fork();
	assert_true(w.pid >= 0);
	if (!w.pid) {
		dup2(s[1], ROLE_FD);
		execl(getenv("WARDEN_ENGINE"), "warden-engine", "--config", w.config, NULL);
		_exit(127);
	}
	close(s[1]);
	w.parent = s[0];
	w.introspect = w.scan = w.channel = -1;
}

static inline int end_engine(int signal_number)
{
	int status;

	if (signal_number)
		kill(w.pid, signal_number);
	close(w.parent);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	close(w.introspect);
	close(w.scan);
	close(w.channel);
	w.pid = 0;
	return status;
}

static inline void send_to(int sock, const struct msg_schema *schema, uint64_t id, const void *m, int fd)
{
	assert_int_equal(msg_post(sock, schema, id, m, fd), 0);
	if (fd >= 0)
		close(fd);
}

static inline bool is_receipt(uint32_t type)
{
	return type == M_TAKEN || type == M_GUARD_TAKEN || type == M_GUARD_JUDGED;
}

/* The next message must be of that type; returns its id. */
static inline uint64_t expect(int sock, const struct msg_schema *schema, void *value)
{
	struct pollfd p = { sock, POLLIN, 0 };

	/* That events were taken is told beside all else. */
	do {
		if (poll(&p, 1, WAIT_MS) != 1)
			fail_msg("no %s came", schema->name);
		assert_int_equal(msg_recv(sock, &in, 0), 1);
	} while (is_receipt(in.type) && schema->type != in.type);
	if (!msg_decode(&in, schema, value))
		fail_msg("type %u came instead of %s", in.type, schema->name);
	return in.id;
}

static inline void expect_silence(int sock, int ms)
{
	struct pollfd p = { sock, POLLIN, 0 };

	while (poll(&p, 1, ms) && msg_recv(sock, &in, 0) == 1)
		if (!is_receipt(in.type))
			fail_msg("type %u came", in.type);
}

static inline int role_up(const char *role, uint64_t guest)
{
	struct m_role_state m = { .state = ROLE_UP, .guest = guest };
	int s[2];

	pair(s);
	strcpy(m.role, role);
	send_to(w.parent, &msg_role_state, 0, &m, s[1]);
	return s[0];
}

static inline void scanner_up(void)
{
	struct m_database db = { .ready = 1, .signatures = 3, .epoch = "e1", .engine = "libclamav test" };

	w.scan = role_up("scan", 0);
	send_to(w.scan, &msg_database, 0, &db, -1);
}

/* Looks asked for meanwhile find nothing new; sweeps are broken off. */
static inline void await_question(uint32_t type)
{
	struct pollfd p = { w.introspect, POLLIN, 0 };

	for (;;) {
		struct m_done done = { .status = DONE_COMPLETE };

		if (poll(&p, 1, WAIT_MS) != 1)
			fail_msg("no message of type %u came", type);
		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == type)
			return;
		if (in.type == M_SWEEP)
			done.status = DONE_INCOMPLETE;
		else
			assert_int_equal(in.type, M_LOOK);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
	}
}

/* An agent has logged in: its nonce is said to be in its memory. */
static inline void log_in_as(const char *agent, uint64_t capabilities)
{
	struct m_session m = { .cid = CID, .up = 1, .capabilities = capabilities,
			       .version = "0.2", .beacon_pid = 77, .beacon_gva = 0x7f0000001000 };

	strcpy(m.agent, agent);
	m.nonce[0] = ++w.nonce;
	send_to(w.channel, &msg_session, 0, &m, -1);
}

static void answer_beacon(enum beacon_state state)
{
	struct m_beacon_seen seen = { .state = state, .why = "as the test says" };
	struct m_beacon m;

	await_question(M_BEACON);
	assert_true(msg_decode(&in, &msg_beacon, &m));
	assert_int_equal(m.pid, 77);
	assert_int_equal(m.gva, 0x7f0000001000);
	assert_int_equal(m.nonce[0], w.nonce);
	send_to(w.introspect, &msg_beacon_seen, in.id, &seen, -1);
}

static void expect_bound(uint32_t bound)
{
	struct m_bound m;

	expect(w.channel, &msg_bound, &m);
	assert_int_equal(m.cid, CID);
	assert_int_equal(m.nonce[0], w.nonce);
	assert_int_equal(m.bound, bound);
}

static void session_with(uint64_t capabilities)
{
	log_in_as(NAME, capabilities);
	answer_beacon(BEACON_THERE);
	expect_bound(1);
}

#define CAN(verb) (1u << VERB_##verb)

static void session_up(void)
{
	session_with(CAN(KILL) | CAN(QUARANTINE) | CAN(RESTORE));
}

static inline void session_down(void)
{
	struct m_session m = { .cid = CID, .agent = NAME, .why = "as the test says" };

	m.nonce[0] = w.nonce;
	send_to(w.channel, &msg_session, 0, &m, -1);
}

static inline void say_kernel(void)
{
	struct m_kernel k = { .state = KERNEL_READY, .release = "6.1.0-test", .discovery_us = 900 };

	send_to(w.introspect, &msg_kernel, 0, &k, -1);
}

/* It ended, and the parent starts another. */
static inline void introspector_again(void)
{
	struct m_role_state m = { .state = ROLE_DOWN, .guest = GUEST, .role = "introspect" };
	int s[2];

	close(w.introspect);
	send_to(w.parent, &msg_role_state, 0, &m, -1);
	pair(s);
	m.state = ROLE_UP;
	send_to(w.parent, &msg_role_state, 0, &m, s[1]);
	w.introspect = s[0];
	say_kernel();
}

static inline void answer_sweep(uint32_t resend)
{
	struct m_sweep m;
	struct m_done done = { .status = DONE_COMPLETE };
	uint64_t id = expect(w.introspect, &msg_sweep, &m);

	assert_int_equal(m.resend, resend);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

/* Its introspector follows it, on that socket. */
static inline void guest_comes(const struct m_guest_up *up, int introspector)
{
	struct m_role_state m = { .state = ROLE_UP, .guest = up->guest, .role = "introspect" };

	send_to(w.parent, &msg_guest_up, 0, up, -1);
	send_to(w.parent, &msg_role_state, 0, &m, introspector);
}

/* The guest, its kernel found and its first sweep over. */
static inline void guest_with_kernel(bool cid)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST, .vmm_pid = VMM, .name = NAME };
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "bpf" };
	int s[2];

	pair(s);
	guest_comes(&up, s[1]);
	w.introspect = s[0];
	if (cid)
		send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	say_kernel();
	answer_sweep(0);
}

static inline uint64_t mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void send_event(uint64_t seq)
{
	struct kvm_warden_event event = {
		.seq = seq, .guest = GUEST, .time_ns = mono(), .cr3 = CR3, .value = CR3,
		.type = KVM_WARDEN_EVENT_ADDRESS_SPACE, .vmm_pid = VMM,
	};
	struct m_events m = { .events.len = sizeof(event) };

	memcpy(m.events.data, &event, sizeof(event));
	send_to(w.parent, &msg_events, 0, &m, -1);
}

static inline int sealed_memfd(const char *text)
{
	int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	return fd;
}

static inline void show_program(uint64_t id, uint32_t pid, const char *exe, bool hash)
{
	struct m_task t = {
		.pid = pid, .ppid = 1, .uid = 33, .start_ns = START, .cr3 = CR3,
		.comm = "miner", .argv = "/tmp/miner --fast",
		.exe_hash = { 0xaa, 0xbb }, .exe_ranges = { hash ? 8 : 0, { { 0, 3 } } },
	};

	strcpy(t.exe, exe);
	send_to(w.introspect, &msg_task, id, &t, -1);
}

static inline void show_task(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", true);
}

static inline void show_use(uint64_t id, uint32_t pid)
{
	struct m_uses u = { .pid = pid, .start_ns = START, .object = 1, .gva = 0x400000 };

	send_to(w.introspect, &msg_uses, id, &u, -1);
}

static inline void show_object_of(uint64_t id, uint32_t pid)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .size = 7, .resident = 7,
			      .path = "/tmp/miner", .file_hash = { 0xcc, 0xdd },
			      .file_ranges = { 8, { { 0, 1 } } } };

	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	show_use(id, pid);
}

static inline void show_object(uint64_t id)
{
	show_object_of(id, PID);
}

/* An event, its look, and what it shows. */
static inline void look(void)
{
	struct m_done done = { .status = DONE_COMPLETE, .tasks = 1, .objects = 1 };
	struct m_look m;
	uint64_t id;

	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	assert_int_equal(m.cr3, CR3);
	show_task(id);
	show_object(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

static inline void answer_scan(enum verdict verdict, const char *name)
{
	struct m_verdict v = { .verdict = verdict, .hash = { 1, 2, 3 }, .bytes = 7, .elapsed_us = 80 };
	struct m_scan m;
	char content[16] = "";
	uint64_t id = expect(w.scan, &msg_scan, &m);

	assert_int_equal(m.profile, SCAN_FILE);
	assert_true(in.fd >= 0);
	assert_int_equal(pread(in.fd, content, sizeof(content), 0), 7);
	assert_string_equal(content, "content");
	msg_release(&in);
	strcpy(v.name, name);
	send_to(w.scan, &msg_verdict, id, &v, -1);
}

static inline uint64_t expect_order(void)
{
	struct m_order o;
	uint64_t id = expect(w.channel, &msg_order, &o);

	assert_int_equal(o.cid, CID);
	assert_int_equal(o.verb, VERB_KILL);
	assert_int_equal(o.pid, PID);
	assert_int_equal(o.start_ns, START);
	assert_int_equal(o.exe_hash[1], 0xbb);
	assert_int_equal(o.exe_ranges.len, 8);
	assert_int_equal(o.exe_ranges.range[0].pages, 3);
	return id;
}

static inline void send_result(uint64_t id, enum order_status status)
{
	struct m_result r = { .status = status, .elapsed_us = 1200 };

	send_to(w.channel, &msg_result, id, &r, -1);
}

/* Looks again at a new process may come between: they are answered too. */
static inline void answer_probe_of(uint32_t pid, enum probe_state state)
{
	struct m_probed probed = { .pid = pid, .start_ns = START, .state = state };
	struct m_probe m;

	await_question(M_PROBE);
	assert_true(msg_decode(&in, &msg_probe, &m));
	assert_int_equal(m.pid, pid);
	send_to(w.introspect, &msg_probed, in.id, &probed, -1);
}

static inline void answer_probe(enum probe_state state)
{
	answer_probe_of(PID, state);
}

/* The next sweep, asked for by a new database; answered with show. */
static inline void sweep(const char *epoch, void (*show)(uint64_t id))
{
	struct m_database db = { .ready = 1, .signatures = 3, .engine = "libclamav test" };
	struct m_done done = { .status = DONE_COMPLETE };
	uint64_t id;

	strcpy(db.epoch, epoch);
	send_to(w.scan, &msg_database, 0, &db, -1);
	await_question(M_SWEEP);
	id = in.id;
	show(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

/* ---- wardenctl ---- */

static inline json_t *ctl(const char *arguments, int expected)
{
	char command[512];
	json_error_t error;
	json_t *json;
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "%s --json --socket %s %s", getenv("WARDENCTL"),
		 w.socket, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	json = json_loadf(f, JSON_DISABLE_EOF_CHECK, &error);
	status = pclose(f);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("%s: status %x", command, status);
	if (!json)
		fail_msg("%s: %s", command, error.text);
	return json;
}

/* After a restart the socket is there a moment later. */
static inline json_t *ctl_when_up(void)
{
	char command[256];

	snprintf(command, sizeof(command), "%s --socket %s >/dev/null 2>&1", getenv("WARDENCTL"),
		 w.socket);
	for (int i = 0; i < WAIT_MS / 50 && system(command); i++)
		usleep(50000);
	return ctl("", 0);
}

static inline const char *text(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value ? value : "(none)";
}

static inline json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The only finding; owned by *ret_answer. */
static inline json_t *finding(json_t **ret_answer)
{
	*ret_answer = ctl("findings --guest web-1", 0);
	assert_int_equal(json_array_size(json_object_get(*ret_answer, "findings")), 1);
	return json_array_get(json_object_get(*ret_answer, "findings"), 0);
}

static inline bool order_is(const char *state, const char *outcome)
{
	json_t *answer = ctl("findings", 0);
	json_t *f = json_array_get(json_object_get(answer, "findings"), 0);
	json_t *o = json_array_get(json_object_get(f, "orders"), 0);
	bool is = !strcmp(text(o, "state"), state) && !strcmp(text(o, "outcome"), outcome);

	json_decref(answer);
	return is;
}

/* The engine has taken all that was sent before when this is so. */
static inline void await_order(const char *state, const char *outcome)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (order_is(state, outcome))
			return;
		usleep(50000);
	}
	json_dumpf(ctl("findings", 0), stderr, JSON_INDENT(1));
	fail_msg("no order became '%s', '%s'", state, outcome);
}

static inline json_int_t status_number(const char *key)
{
	json_t *s = ctl("", 0);
	json_int_t n = number(s, key);

	json_decref(s);
	return n;
}

static inline void verify_journal(void)
{
	json_t *v = ctl("journal verify", 0);

	assert_true(json_is_true(json_object_get(v, "intact")));
	json_decref(v);
}

static inline void show_miner(uint64_t id)
{
	show_task(id);
	show_use(id, PID);
}

/* ---- the control API, without wardenctl ---- */

static inline int connect_control(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, w.socket);
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		usleep(50000);
	}
	fail_msg("%s: %s", w.socket, strerror(errno));
	return -1;
}

/* Sends a request; its answer is read by api_answer. */
static inline int api_send(const char *method, const char *path, const char *body)
{
	static char request[16384];
	int fd = connect_control();
	int n = snprintf(request, sizeof(request), "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s",
			 method, path, strlen(body), body);

	assert_true(n < (int)sizeof(request));
	assert_int_equal(write(fd, request, n), n);
	return fd;
}

/* All that comes until its end, with a NUL behind; closes fd.  How much that is. */
static inline size_t receive_all(int fd, char *text, size_t size, int wait_ms)
{
	size_t used = 0;

	for (ssize_t n; used < size - 1; used += n) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, wait_ms) != 1)
			fail_msg("no answer came");
		n = read(fd, text + used, size - 1 - used);
		if (n <= 0)
			break;
	}
	close(fd);
	text[used] = '\0';
	return used;
}

static inline json_t *api_answer(int fd, int *ret_status)
{
	static char text[4 << 20];
	json_error_t error;
	json_t *json;
	char *body;

	receive_all(fd, text, sizeof(text), 60000);
	body = strstr(text, "\r\n\r\n");
	if (!body || sscanf(text, "HTTP/1.%*d %d", ret_status) != 1)
		fail_msg("no HTTP: %s", text);
	json = strstr(text, "text/plain") ? json_string(body + 4) : json_loads(body + 4, 0, &error);
	if (!json)
		fail_msg("no JSON: %s: %s", error.text, body);
	return json;
}

/* An answer of that status that must come at once. */
static inline json_t *api(const char *method, const char *path, const char *body, int expected)
{
	int status;
	json_t *answer = api_answer(api_send(method, path, body), &status);

	if (status != expected) {
		json_dumpf(answer, stderr, JSON_INDENT(1));
		fail_msg("%s %s %s: %d", method, path, body, status);
	}
	return answer;
}

/* The answer of a request that was sent before. */
static inline json_t *api_end(int fd, int expected)
{
	int status;
	json_t *answer = api_answer(fd, &status);

	if (status != expected) {
		json_dumpf(answer, stderr, JSON_INDENT(1));
		fail_msg("status %d", status);
	}
	return answer;
}

static inline void api_refused(const char *method, const char *path, const char *body,
			       int expected, const char *like)
{
	json_t *answer = api(method, path, body, expected);
	json_t *error = json_object_get(answer, "error");

	if (!strstr(text(error, "message"), like))
		fail_msg("%s %s: %s", method, path, text(error, "message"));
	assert_string_not_equal(text(error, "what_to_do"), "");
	json_decref(answer);
}

/* ---- what the guard over VMMs saw ---- */

static inline struct warden_guard_event event_of(uint32_t what, const char *path)
{
	struct warden_guard_event e = {
		.guest = GUEST, .time_ns = mono(), .vmm = VMM, .pid = VMM, .what = what,
		.comm = "qemu",
	};

	memcpy(e.path, path, strlen(path));
	return e;
}

static inline void send_incident(const struct warden_guard_event *event)
{
	struct m_guard_events m = { .events.len = sizeof(*event) };

	memcpy(m.events.data, event, sizeof(*event));
	send_to(w.parent, &msg_guard_events, 0, &m, -1);
}

static inline void await_findings(size_t n)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		json_t *answer = ctl("findings", 0);
		size_t have = json_array_size(json_object_get(answer, "findings"));

		json_decref(answer);
		if (have >= n)
			return;
		usleep(50000);
	}
	fail_msg("there are not %zu findings", n);
}

/* ---- the host's own answers ---- */

static inline uint64_t expect_act(enum host_verb verb, uint64_t expiry_ms)
{
	struct m_act m;
	uint64_t id = expect(w.parent, &msg_act, &m);

	assert_int_equal(m.guest, GUEST);
	assert_int_equal(m.verb, verb);
	assert_int_equal(m.expiry_ms, expiry_ms);
	return id;
}

static inline void answer_act(enum host_verb verb, uint64_t expiry_ms, enum act_status status)
{
	uint64_t id = expect_act(verb, expiry_ms);
	struct m_acted m = { .status = status, .elapsed_us = 900, .detail = "as the test says" };

	send_to(w.parent, &msg_acted, id, &m, -1);
}

/* What the module says: KVM_WARDEN_GUEST_*. */
static inline void say_flags(uint32_t flags)
{
	struct m_counters m = { .guest = GUEST, .vcpus = 2, .flags = flags };

	send_to(w.parent, &msg_counters, 0, &m, -1);
}

static inline json_t *guest_json(void)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		json_t *answer = ctl("guests", 0);
		json_t *g = json_incref(json_array_get(json_object_get(answer, "guests"), 0));

		json_decref(answer);
		if (g)
			return g;
		usleep(50000);
	}
	fail_msg("the engine knows no guest");
	return NULL;
}

static inline bool is_contained(void)
{
	json_t *g = guest_json();
	bool is = json_is_true(json_object_get(g, "contained"));

	json_decref(g);
	return is;
}

static inline void await_contained(bool wanted)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (is_contained() == wanted)
			return;
		usleep(50000);
	}
	fail_msg("the guest is %s", wanted ? "not contained" : "still contained");
}

/* The notes of the only finding's decisions hold that text. */
static inline bool is_noted(const char *like)
{
	json_t *answer, *d, *f = finding(&answer);
	bool found = false;
	size_t i;

	json_array_foreach(json_object_get(f, "decisions"), i, d)
		found |= strstr(text(d, "note"), like) != NULL;
	json_decref(answer);
	return found;
}

/* ---- where tests begin ---- */

/* Every role is there, and a guest with its agent in a bound session. */
static inline void all_up(void)
{
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	session_up();
}

/* And one of its tasks executes an infected file. */
static inline void infected(void)
{
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
}

/* Of the guest's views and kernel: none unless a test wants them. */
#ifndef SWEEP_SECONDS
#define SWEEP_SECONDS "60"
#endif
#ifndef CHECK_SECONDS
#define CHECK_SECONDS "0"
#endif
#ifndef REST_SECONDS
#define REST_SECONDS "0"
#endif

static inline bool missing(void)
{
	if (!getenv("WARDEN_ENGINE") || !getenv("WARDENCTL"))
		print_message("skipped: WARDEN_ENGINE and WARDENCTL do not name the programs\n");
	else if (geteuid())
		print_message("skipped: the engine's jail is made by root\n");
	else
		return false;
	return true;
}

static inline int setup(void **state)
{
	char text[1024];

	if (missing())
		return 0;
	memset(&w, 0, sizeof(w));
	strcpy(w.dir, "/tmp/warden-engine-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.config, sizeof(w.config), "%s/wardend.conf", w.dir);
	snprintf(w.socket, sizeof(w.socket), "%s/run/control.sock", w.dir);
	snprintf(text, sizeof(text),
		 "[wardend]\nstate_dir = %s/state\nrun_dir = %s/run\nsweep_seconds = " SWEEP_SECONDS "\ncheck_seconds = " CHECK_SECONDS "\n"
		 "rest_seconds = " REST_SECONDS "\n"
		 "[engine]\npolicy = %s/policy.conf\ncontrol_group = root\n"
		 "[channel]\norder_seconds = 1\n", w.dir, w.dir, w.dir);
	write_file("wardend.conf", text);
	write_file("policy.conf", *state ? *state : policy_kill);
	start_engine();
	return 0;
}

static inline int teardown(void **state)
{
	char command[128];

	if (missing())
		return 0;
	if (w.pid)
		assert_int_equal(end_engine(0), 0);
	snprintf(command, sizeof(command), "rm -rf %s", w.dir);
	return system(command) != 0;
}

#define NEEDS_PROGRAMS() do { if (missing()) skip(); } while (0)
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real warden-engine (WARDEN_ENGINE names it), jailed as it always is, and
 * the real wardenctl (WARDENCTL).  The test plays the parent, the introspector,
 * the scanner and the channel, over real sockets with the real messages.
 */
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

#define GUEST 7
#define VMM 4242
#define CID 33
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
} w;

static struct msg in;

/* ---- the world around the engine ---- */

static void write_file(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w.dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void pair(int out[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out), 0);
}

static void start_engine(void)
{
	int s[2];

	pair(s);
	w.pid = fork();
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

static int end_engine(int signal_number)
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

static void send_to(int sock, const struct msg_schema *schema, uint64_t id, const void *m, int fd)
{
	assert_int_equal(msg_post(sock, schema, id, m, fd), 0);
	if (fd >= 0)
		close(fd);
}

/* A message of that type within 5 s; returns its id. */
static uint64_t expect(int sock, const struct msg_schema *schema, void *value)
{
	struct pollfd p = { sock, POLLIN, 0 };

	if (poll(&p, 1, 5000) != 1)
		fail_msg("no %s came", schema->name);
	assert_int_equal(msg_recv(sock, &in, 0), 1);
	if (!msg_decode(&in, schema, value))
		fail_msg("type %u came instead of %s", in.type, schema->name);
	return in.id;
}

static void expect_silence(int sock, int ms)
{
	struct pollfd p = { sock, POLLIN, 0 };

	if (poll(&p, 1, ms) && msg_recv(sock, &in, 0) == 1)
		fail_msg("type %u came", in.type);
}

static int role_up(const char *role, uint64_t guest)
{
	struct m_role_state m = { .state = ROLE_UP, .guest = guest };
	int s[2];

	pair(s);
	strcpy(m.role, role);
	send_to(w.parent, &msg_role_state, 0, &m, s[1]);
	return s[0];
}

static void scanner_up(void)
{
	struct m_database db = { .ready = 1, .signatures = 3, .epoch = "e1", .engine = "libclamav test" };

	w.scan = role_up("scan", 0);
	send_to(w.scan, &msg_database, 0, &db, -1);
}

static void session_up(void)
{
	struct m_session m = { .cid = CID, .up = 1, .capabilities = 1u << VERB_KILL, .agent = "web" };

	send_to(w.channel, &msg_session, 0, &m, -1);
}

static void say_kernel(void)
{
	struct m_kernel k = { .state = KERNEL_READY, .release = "6.1.0-test", .discovery_us = 900 };

	send_to(w.introspect, &msg_kernel, 0, &k, -1);
}

static void answer_sweep(uint32_t resend)
{
	struct m_sweep m;
	struct m_done done = { .status = DONE_COMPLETE };
	uint64_t id = expect(w.introspect, &msg_sweep, &m);

	assert_int_equal(m.resend, resend);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

/* The guest, its kernel found and its first sweep over. */
static void guest_up(bool cid)
{
	struct m_guest_up up = { .guest = GUEST, .vmm_pid = VMM, .name = "web-1" };
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "bpf" };
	int s[2];

	pair(s);
	send_to(w.parent, &msg_guest_up, 0, &up, s[1]);
	w.introspect = s[0];
	if (cid)
		send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	say_kernel();
	answer_sweep(0);
}

static uint64_t mono(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void send_event(uint64_t seq)
{
	struct kvm_warden_event event = {
		.seq = seq, .guest = GUEST, .time_ns = mono(), .cr3 = CR3, .value = CR3,
		.type = KVM_WARDEN_EVENT_ADDRESS_SPACE, .vmm_pid = VMM,
	};
	struct m_events m = { .events.len = sizeof(event) };

	memcpy(m.events.data, &event, sizeof(event));
	send_to(w.parent, &msg_events, 0, &m, -1);
}

static int sealed_memfd(const char *text)
{
	int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	return fd;
}

static void show_program(uint64_t id, uint32_t pid, const char *exe, bool hash)
{
	struct m_task t = {
		.pid = pid, .ppid = 1, .uid = 33, .start_ns = START, .cr3 = CR3,
		.comm = "miner", .argv = "/tmp/miner --fast",
		.exe_hash = { 0xaa, 0xbb }, .exe_ranges = { hash ? 8 : 0, { { 0, 3 } } },
	};

	strcpy(t.exe, exe);
	send_to(w.introspect, &msg_task, id, &t, -1);
}

static void show_task(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", true);
}

static void show_use(uint64_t id, uint32_t pid)
{
	struct m_uses u = { .pid = pid, .start_ns = START, .object = 1, .gva = 0x400000 };

	send_to(w.introspect, &msg_uses, id, &u, -1);
}

static void show_object(uint64_t id)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .size = 7, .resident = 7,
			      .path = "/tmp/miner" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 1, .gva = 0x400000 };

	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
}

/* An event, its look, and what it shows. */
static void look(void)
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

static void answer_scan(enum verdict verdict, const char *name)
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

static uint64_t expect_order(void)
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

static void send_result(uint64_t id, enum order_status status)
{
	struct m_result r = { .status = status, .elapsed_us = 1200 };

	send_to(w.channel, &msg_result, id, &r, -1);
}

/* Looks again at a new process may come between: they are answered too. */
static void answer_probe(enum probe_state state)
{
	struct m_probed probed = { .pid = PID, .start_ns = START, .state = state };
	struct m_done done = { .status = DONE_COMPLETE };
	struct pollfd p = { w.introspect, POLLIN, 0 };

	for (;;) {
		if (poll(&p, 1, 5000) != 1)
			fail_msg("no probe came");
		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == M_PROBE)
			break;
		assert_int_equal(in.type, M_LOOK);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
	}
	send_to(w.introspect, &msg_probed, in.id, &probed, -1);
}

/* The next sweep, asked for by a new database; answered with show. */
static void sweep(const char *epoch, void (*show)(uint64_t id))
{
	struct m_database db = { .ready = 1, .signatures = 3, .engine = "libclamav test" };
	struct m_done done = { .status = DONE_COMPLETE };
	struct pollfd p = { w.introspect, POLLIN, 0 };

	strcpy(db.epoch, epoch);
	send_to(w.scan, &msg_database, 0, &db, -1);
	for (;;) {
		if (poll(&p, 1, 5000) != 1)
			fail_msg("no sweep came");
		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == M_SWEEP)
			break;
		assert_int_equal(in.type, M_LOOK);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
	}
	uint64_t id = in.id;
	show(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

/* ---- wardenctl ---- */

static json_t *ctl(const char *arguments, int expected)
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
static json_t *ctl_when_up(void)
{
	char command[256];

	snprintf(command, sizeof(command), "%s --socket %s >/dev/null 2>&1", getenv("WARDENCTL"),
		 w.socket);
	for (int i = 0; i < 100 && system(command); i++)
		usleep(50000);
	return ctl("", 0);
}

static const char *text(const json_t *o, const char *key)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value ? value : "(none)";
}

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The only finding; owned by *ret_answer. */
static json_t *finding(json_t **ret_answer)
{
	*ret_answer = ctl("findings --guest web-1", 0);
	assert_int_equal(json_array_size(json_object_get(*ret_answer, "findings")), 1);
	return json_array_get(json_object_get(*ret_answer, "findings"), 0);
}

static bool order_is(const char *state, const char *outcome)
{
	json_t *answer = ctl("findings", 0);
	json_t *f = json_array_get(json_object_get(answer, "findings"), 0);
	json_t *o = json_array_get(json_object_get(f, "orders"), 0);
	bool is = !strcmp(text(o, "state"), state) && !strcmp(text(o, "outcome"), outcome);

	json_decref(answer);
	return is;
}

/* The engine has taken all that was sent before when this is so; at most 5 s. */
static void await_order(const char *state, const char *outcome)
{
	for (int i = 0; i < 100; i++) {
		if (order_is(state, outcome))
			return;
		usleep(50000);
	}
	json_dumpf(ctl("findings", 0), stderr, JSON_INDENT(1));
	fail_msg("no order became '%s', '%s'", state, outcome);
}

static json_int_t status_number(const char *key)
{
	json_t *s = ctl("", 0);
	json_int_t n = number(s, key);

	json_decref(s);
	return n;
}

static void verify_journal(void)
{
	json_t *v = ctl("journal verify", 0);

	assert_true(json_is_true(json_object_get(v, "intact")));
	json_decref(v);
}

/* ---- tests ---- */

static bool missing(void)
{
	if (!getenv("WARDEN_ENGINE") || !getenv("WARDENCTL"))
		print_message("skipped: WARDEN_ENGINE and WARDENCTL do not name the programs\n");
	else if (geteuid())
		print_message("skipped: the engine's jail is made by root\n");
	else
		return false;
	return true;
}

static int setup(void **state)
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
		 "[wardend]\nstate_dir = %s/state\nrun_dir = %s/run\nsweep_seconds = 60\n"
		 "[engine]\npolicy = %s/policy.conf\ncontrol_group = root\n"
		 "[channel]\norder_seconds = 1\n", w.dir, w.dir, w.dir);
	write_file("wardend.conf", text);
	write_file("policy.conf", policy_kill);
	start_engine();
	return 0;
}

static int teardown(void **state)
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

static void event_to_confirmed_kill(void **state)
{
	json_t *answer, *f, *o, *d;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_RUNNING);
	answer_probe(PROBE_GONE);
	await_order("done", "killed");

	f = finding(&answer);
	assert_int_equal(number(f, "guest"), GUEST);
	assert_int_equal(number(f, "vmm_pid"), VMM);
	assert_int_equal(number(f, "pid"), PID);
	assert_int_equal(number(f, "start_ns"), START);
	assert_string_equal(text(f, "comm"), "miner");
	assert_string_equal(text(f, "exe"), "/tmp/miner");
	assert_string_equal(text(f, "object_kind"), "file");
	assert_string_equal(text(f, "gva"), "0x400000");
	assert_string_equal(text(f, "signature"), "Test.Miner");
	assert_string_equal(text(f, "found_by"), "event");
	assert_true(number(f, "t_found_ns") > number(f, "t_seen_ns"));
	assert_int_equal(strncmp(text(f, "content_hash"), "010203", 6), 0);
	assert_string_equal(text(json_object_get(f, "evidence"), "argv"), "/tmp/miner --fast");
	d = json_array_get(json_object_get(f, "decisions"), 0);
	assert_string_equal(text(d, "rule"), "test");
	assert_string_equal(text(d, "action"), "kill");
	o = json_array_get(json_object_get(f, "orders"), 0);
	assert_int_equal(json_array_size(json_object_get(o, "results")), 3);
	assert_true(number(o, "killed_after_us") > 100000);
	json_decref(answer);
	assert_int_equal(status_number("kills_confirmed"), 1);
	verify_journal();
}

static void one_order_for_a_process(void **state)
{
	struct m_object o = { .object = 2, .kind = OBJECT_FILE, .size = 7, .path = "/tmp/lib.so" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 2, .gva = 0x7000 };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	uint64_t id, order;
	json_t *answer;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	order = expect_order();
	/* The look again shows another infected object in the same process. */
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Library");
	expect_silence(w.channel, 300);
	send_result(order, ORDER_DONE);
	answer_probe(PROBE_DYING);
	await_order("done", "killed");
	answer = ctl("findings --guest 7", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 2);
	json_decref(answer);
	assert_int_equal(status_number("kills_confirmed"), 1);
}

static void late_uses_and_exemption(void **state)
{
	json_t *answer, *f, *d;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Me");
	expect_silence(w.channel, 300);
	f = finding(&answer);
	d = json_array_get(json_object_get(f, "decisions"), 0);
	assert_string_equal(text(d, "action"), "report");
	assert_string_equal(text(d, "note"), "exempt: good");
	json_decref(answer);
}

static void undelivered_is_retried_with_a_session(void **state)
{
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "command line" };

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(false);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_silence(w.channel, 100);
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	session_up();
	answer_probe(PROBE_RUNNING);
	send_result(expect_order(), ORDER_UNDELIVERABLE);
	answer_probe(PROBE_RUNNING);
	/* Once: not again with the next session. */
	session_up();
	expect_silence(w.channel, 300);
	await_order("undeliverable", "running");
	assert_int_equal(status_number("kills_confirmed"), 0);
	verify_journal();
}

static void no_answer_expires(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_order();
	answer_probe(PROBE_GONE);
	await_order("no answer in time", "killed");
}

static void lying_agent_is_told(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	send_result(expect_order(), ORDER_DONE);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("done", "running");
	assert_int_equal(status_number("discrepancies"), 1);
	assert_int_equal(status_number("kills_confirmed"), 0);
	expect_silence(w.channel, 100);
}

static void show_other_program(uint64_t id)
{
	show_program(id, PID, "/bin/true", true);
}

static void show_miner(uint64_t id)
{
	show_task(id);
	show_use(id, PID);
}

/* It executes something else while the order comes, and then the same again. */
static void exec_dance_is_ordered_again(void **state)
{
	json_t *answer;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	send_result(expect_order(), ORDER_MISMATCH);
	answer_probe(PROBE_RUNNING);
	await_order("another process", "running");
	sweep("e2", show_other_program);
	expect_silence(w.channel, 200);
	sweep("e3", show_miner);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	/* It is confirmed dead: whatever is shown, no more orders. */
	sweep("e4", show_miner);
	expect_silence(w.channel, 200);
	assert_int_equal(status_number("kills_confirmed"), 1);
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 1);
	json_decref(answer);
	verify_journal();
}

/* What an engine before ordered in vain is ordered again. */
static void order_of_before_is_not_the_last(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	send_result(expect_order(), ORDER_FAILED);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("failed", "running");
	end_engine(0);

	start_engine();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	sweep("e2", show_miner);
	expect_order();
}

static void show_nameless(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", false);
	show_use(id, PID);
}

static void no_order_without_identity(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *answer, *f;
	uint64_t id;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_program(id, PID, "/tmp/miner", false);
	show_object(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	sweep("e2", show_nameless);
	expect_silence(w.channel, 200);
	f = finding(&answer);
	f = json_object_get(f, "decisions");
	assert_int_equal(json_array_size(f), 1);
	assert_string_equal(text(json_array_get(f, 0), "note"),
			    "kill withheld: no identity of the executable");
	json_decref(answer);
	sweep("e3", show_miner);
	expect_order();
}

/* More processes than an agent takes orders at once: the rest wait, none is refused. */
static void orders_wait_for_their_turn(void **state)
{
	const unsigned n = 10;
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	struct m_order o;
	uint64_t id, order[ORDERS_PER_SESSION];

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_task(id);
	show_object(id);
	for (unsigned i = 1; i < n; i++) {
		show_program(id, PID + i, "/tmp/miner", true);
		show_use(id, PID + i);
	}
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	for (unsigned i = 0; i < ORDERS_PER_SESSION; i++)
		order[i] = expect(w.channel, &msg_order, &o);
	expect_silence(w.channel, 300);
	send_result(order[3], ORDER_DONE);
	expect(w.channel, &msg_order, &o);
	expect_silence(w.channel, 100);
	send_result(order[0], ORDER_DONE);
	expect(w.channel, &msg_order, &o);
	assert_int_equal(o.pid, PID + n - 1);
}

/* A second guest, and the CID that is said to be its. */
static int other_guest(const char *source)
{
	struct m_guest_up up = { .guest = GUEST + 1, .vmm_pid = VMM + 1, .name = "thief" };
	struct m_guest_cid c = { .guest = GUEST + 1, .cid = CID };
	int s[2];

	pair(s);
	strcpy(c.source, source);
	send_to(w.parent, &msg_guest_up, 0, &up, s[1]);
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	return s[0];
}

static unsigned claims(void)
{
	char command[256];
	unsigned n = 0;
	FILE *f;

	usleep(400000);		/* written within 200 ms */
	snprintf(command, sizeof(command), "sqlite3 %s/state/journal/journal.db"
		 " \"SELECT count(*) FROM events WHERE kind = 'CID claimed twice'\"", w.dir);
	f = popen(command, "r");
	if (fscanf(f, "%u", &n) != 1)
		n = 1;		/* no such program here */
	pclose(f);
	return n;
}

static void cid_of_another_is_not_taken(void **state)
{
	int other;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	other = other_guest("command line");
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_order();
	assert_int_equal(claims(), 1);
	close(other);
}

static void cid_of_two_gets_no_orders(void **state)
{
	struct m_guest_down down = { .guest = GUEST + 1 };
	int other;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	other = other_guest("bpf");
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_silence(w.channel, 200);
	assert_int_equal(claims(), 1);
	/* Alone with it again. */
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	answer_probe(PROBE_RUNNING);
	expect_order();
	close(other);
}

static void cut_content_is_never_clean(void **state)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .size = 8, .resident = 7,
			      .path = "/tmp/large" };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *s, *objects;
	uint64_t id;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_CLEAN, "");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "clean"), 0);
	assert_int_equal(number(json_object_get(objects, "reasons"),
				"too large, only its beginning was scanned"), 1);
	json_decref(s);
}

static void departed_guest_waits_for_no_scanner(void **state)
{
	struct m_guest_down down = { .guest = GUEST };
	json_t *s;

	NEEDS_PROGRAMS();
	guest_up(true);
	look();
	usleep(200000);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(200000);
	s = ctl("status", 0);
	assert_int_equal(number(json_object_get(s, "scans"), "waiting"), 0);
	json_decref(s);
}

/* A thousand decoys use the quota up; another content is found all the same. */
static void decoys_hide_nothing(void **state)
{
	struct m_object o = { .object = 2, .kind = OBJECT_FILE, .size = 7, .path = "/tmp/real" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 2, .gva = 0x7000 };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *answer, *f;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_task(id);
	show_object(id);
	for (unsigned i = 1; i < 1000; i++) {
		show_program(id, PID + i, "/tmp/decoy", true);
		show_use(id, PID + i);
	}
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	scanner_up();
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Decoy");
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Real");
	usleep(500000);
	answer = ctl("findings", 0);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	assert_string_equal(text(f, "signature"), "Test.Exempt.Real");
	json_decref(answer);
	assert_true(status_number("findings") < 1000);
}

static void not_scanned_is_never_clean(void **state)
{
	json_t *s, *objects;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_NOT_SCANNED, "time-out after 30 s");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "known"), 1);
	assert_int_equal(number(objects, "clean"), 0);
	assert_int_equal(number(objects, "not_scanned"), 1);
	assert_int_equal(number(json_object_get(objects, "reasons"), "time-out after 30 s"), 1);
	json_decref(s);
}

static void scans_wait_for_scanner_and_survive_it(void **state)
{
	struct m_scan m;
	json_t *answer;

	NEEDS_PROGRAMS();
	guest_up(true);
	look();
	scanner_up();
	expect(w.scan, &msg_scan, &m);
	msg_release(&in);
	close(w.scan);		/* it crashed */
	scanner_up();
	answer_scan(VERDICT_INFECTED, "Other.Thing");
	expect_silence(w.scan, 300);
	finding(&answer);
	json_decref(answer);
}

static void malformed_message_ends_the_role_alone(void **state)
{
	struct m_done done = { .status = 99 };
	struct m_look m;
	uint64_t id;
	json_t *s;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_done, id, &done, -1);
	/* Closed by the engine. */
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
	close(w.introspect);
	w.introspect = role_up("introspect", GUEST);
	say_kernel();
	answer_sweep(0);
	look();
	answer_scan(VERDICT_CLEAN, "");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	assert_int_equal(number(json_object_get(s, "objects"), "clean"), 1);
	json_decref(s);
}

static void unsealed_object_is_malformed(void **state)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .path = "/x" };
	struct m_look m;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, memfd_create("x", MFD_CLOEXEC));
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
}

static void answer_without_question_is_malformed(void **state)
{
	NEEDS_PROGRAMS();
	guest_up(true);
	show_task(123456789);
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
}

static void not_found_is_looked_at_again(void **state)
{
	struct m_done none = { .status = DONE_NOT_FOUND };
	struct m_look m;
	uint64_t t, id;

	NEEDS_PROGRAMS();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	t = mono();
	send_to(w.introspect, &msg_done, id, &none, -1);
	id = expect(w.introspect, &msg_look, &m);
	assert_true(mono() - t >= 100000000ull);
	send_to(w.introspect, &msg_done, id, &none, -1);
	expect_silence(w.introspect, 500);
}

static void killed_engine_sends_no_order_twice(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_order();
	end_engine(SIGKILL);

	start_engine();
	scanner_up();
	w.channel = role_up("channel", 0);
	session_up();
	guest_up(true);
	/* What became of the order is asked of the guest itself. */
	answer_probe(PROBE_RUNNING);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_silence(w.channel, 300);
	assert_int_equal(status_number("findings"), 1);
	for (int i = 0; i < 5; i++)
		answer_probe(PROBE_RUNNING);
	await_order("unknown after restart", "running");
	verify_journal();
}

static void killed_engine_confirms_a_kill_of_before(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_order();
	end_engine(SIGKILL);

	start_engine();
	guest_up(true);
	answer_probe(PROBE_GONE);
	await_order("unknown after restart", "killed");
	assert_int_equal(status_number("kills_confirmed"), 1);
}

/* A guest with more code than the queue takes: all of it is accounted for. */
static void flood_is_bounded(void **state)
{
	const unsigned n = 1500, room = 1024;
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_object o = { .kind = OBJECT_FILE, .size = 7, .resident = 7, .path = "/lib/x" };
	struct m_look m;
	json_t *s, *objects;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_up(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	for (o.object = 1; o.object <= n; o.object++)
		send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_done, id, &done, -1);
	usleep(300000);
	s = ctl("", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "known"), n);
	assert_int_equal(number(objects, "waiting"), room);
	assert_int_equal(number(json_object_get(objects, "reasons"), "queue full"), n - room);
	json_decref(s);
	scanner_up();
	for (unsigned i = 0; i < room; i++)
		answer_scan(VERDICT_CLEAN, "");
	usleep(100000);
	s = ctl("", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "clean"), room);
	assert_int_equal(number(objects, "not_scanned"), n - room);
	json_decref(s);
	/* What was refused is asked for again with the next sweep. */
	sleep(5);
	if (!fork()) {
		struct m_sweep sweep;

		alarm(20);
		if (msg_recv(w.introspect, &in, 0) != 1 || !msg_decode(&in, &msg_sweep, &sweep))
			_exit(1);
		msg_post(w.introspect, &msg_done, in.id, &done, -1);
		_exit(sweep.resend == 1 ? 0 : 1);
	}
	json_decref(ctl("ps 7", 0));
	int status;
	wait(&status);
	assert_int_equal(status, 0);
}

/* Thousands of rows: the journal's checkpoints work inside the jail too. */
static void long_journal(void **state)
{
	struct m_role_state m = { .state = ROLE_DOWN, .role = "scan", .why = "test" };
	json_t *v;

	NEEDS_PROGRAMS();
	for (int i = 0; i < 20000; i++) {
		send_to(w.parent, &msg_role_state, 0, &m, -1);
		if (i % 4000 == 0)
			usleep(250000);
	}
	v = ctl("journal verify", 0);
	assert_true(number(v, "rows") > 10000);
	assert_true(json_is_true(json_object_get(v, "intact")));
	json_decref(v);
}

static bool is_set_aside(void)
{
	char command[128];

	snprintf(command, sizeof(command), "ls %s/state/journal | grep -q broken", w.dir);
	return !system(command);
}

static void broken_journal_is_set_aside(void **state)
{
	json_t *s;

	NEEDS_PROGRAMS();
	guest_up(true);
	end_engine(0);
	write_file("state/journal/journal.db", "this is no database, and has no header of one either"
		   "................................................................");
	start_engine();
	s = ctl_when_up();
	assert_true(json_is_true(json_object_get(json_object_get(s, "journal"), "writable")));
	assert_int_equal(number(json_object_get(s, "journal"), "rows"), 2);
	json_decref(s);
	verify_journal();
	assert_true(is_set_aside());
}

/* A journal that cannot be opened now is left alone, and the guests are watched. */
static void unusable_journal_is_left_alone(void **state)
{
	char path[160];
	json_t *s, *answer;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_order();
	end_engine(SIGKILL);		/* committed rows are in the -wal */
	snprintf(path, sizeof(path), "%s/state/journal/journal.db", w.dir);
	assert_int_equal(chown(path, 0, 0) | chmod(path, 0600), 0);

	start_engine();
	s = ctl_when_up();
	assert_true(json_is_false(json_object_get(json_object_get(s, "journal"), "writable")));
	assert_string_not_equal(text(json_object_get(s, "journal"), "why"), "");
	json_decref(s);
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_up(true);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	expect_silence(w.channel, 300);
	assert_int_equal(end_engine(0), 0);
	assert_false(is_set_aside());

	assert_int_equal(chown(path, 65534, 65534), 0);
	start_engine();
	json_decref(ctl_when_up());
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 1);
	json_decref(answer);
	verify_journal();
}

static void tampered_journal_is_told(void **state)
{
	char command[256];
	json_t *v;

	NEEDS_PROGRAMS();
	guest_up(true);
	verify_journal();
	end_engine(0);
	snprintf(command, sizeof(command), "sqlite3 %s/state/journal/journal.db"
		 " \"UPDATE events SET detail = '{}' WHERE kind = 'guest up'\"", w.dir);
	if (system(command))
		skip();
	start_engine();
	json_decref(ctl_when_up());
	v = ctl("journal verify", 1);
	assert_true(json_is_false(json_object_get(v, "intact")));
	json_decref(v);
}

static void processes_are_shown_fresh(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE, .tasks = 1 };
	json_t *tasks;
	pid_t asker;

	NEEDS_PROGRAMS();
	guest_up(true);
	sleep(5);
	asker = fork();
	if (!asker) {
		/* No assertion here: it would run the other tests in this process. */
		alarm(20);
		if (msg_recv(w.introspect, &in, 0) != 1 || in.type != M_SWEEP)
			_exit(1);
		show_task(in.id);
		msg_post(w.introspect, &msg_done, in.id, &done, -1);
		_exit(0);
	}
	tasks = ctl("ps web-1", 0);
	assert_int_equal(json_array_size(json_object_get(tasks, "tasks")), 1);
	assert_string_equal(text(json_array_get(json_object_get(tasks, "tasks"), 0), "comm"), "miner");
	json_decref(tasks);
	waitpid(asker, NULL, 0);
}

static void errors_are_json(void **state)
{
	NEEDS_PROGRAMS();
	guest_up(true);
	json_t *e = ctl("ps nobody", 1);

	assert_string_equal(text(json_object_get(e, "error"), "code"), "not_found");
	json_decref(e);
	e = ctl("findings --guest nobody", 1);
	json_decref(e);
	e = ctl("dance", 2);
	json_decref(e);
	e = ctl("guests", 0);
	assert_int_equal(json_array_size(json_object_get(e, "guests")), 1);
	json_decref(e);
	end_engine(0);
	e = ctl("guests", 3);
	assert_string_equal(text(json_object_get(e, "error"), "code"), "unreachable");
	json_decref(e);
}

/* What a careless or hostile client sends. */
static void raw_requests(void **state)
{
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{ "POST /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", " 405 " },
		{ "GET /v1/nothing HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/findings?limit=x HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/findings/99 HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/guests/../../etc/tasks HTTP/1.0\r\n\r\n", " 404 " },
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char answer[4096];
	struct stat st;

	NEEDS_PROGRAMS();
	guest_up(true);
	assert_int_equal(stat(w.socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	strcpy(address.sun_path, w.socket);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		ssize_t n;

		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_true(write(fd, cases[i].request, strlen(cases[i].request)) > 0);
		n = read(fd, answer, sizeof(answer) - 1);
		assert_true(n > 0);
		answer[n] = '\0';
		if (!strstr(answer, cases[i].answer))
			fail_msg("%s: %s", cases[i].request, answer);
		close(fd);
	}
}

static void ends_with_its_parent(void **state)
{
	NEEDS_PROGRAMS();
	guest_up(true);
	assert_int_equal(end_engine(0), 0);
}

static void ends_by_sigterm(void **state)
{
	NEEDS_PROGRAMS();
	guest_up(true);
	assert_int_equal(end_engine(SIGTERM), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(event_to_confirmed_kill), T(one_order_for_a_process),
		T(late_uses_and_exemption), T(undelivered_is_retried_with_a_session),
		T(exec_dance_is_ordered_again), T(order_of_before_is_not_the_last),
		T(cid_of_another_is_not_taken), T(cid_of_two_gets_no_orders),
		T(cut_content_is_never_clean), T(departed_guest_waits_for_no_scanner),
		T(decoys_hide_nothing), T(no_order_without_identity), T(orders_wait_for_their_turn),
		T(no_answer_expires), T(lying_agent_is_told), T(not_scanned_is_never_clean),
		T(scans_wait_for_scanner_and_survive_it),
		T(malformed_message_ends_the_role_alone), T(unsealed_object_is_malformed),
		T(answer_without_question_is_malformed), T(not_found_is_looked_at_again),
		T(killed_engine_sends_no_order_twice),
		T(killed_engine_confirms_a_kill_of_before), T(flood_is_bounded),
		T(long_journal), T(broken_journal_is_set_aside),
		T(unusable_journal_is_left_alone), T(tampered_journal_is_told),
		T(processes_are_shown_fresh),
		T(errors_are_json), T(raw_requests), T(ends_with_its_parent), T(ends_by_sigterm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

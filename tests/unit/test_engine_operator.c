// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operator has done: freeze, thaw, kill, scan, agents. */
#include "test_engine_world.h"

static bool is_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void freeze_and_thaw(void **state)
{
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("POST", "/v1/guests/web-1/freeze", "{\"seconds\":60,\"reason\":\"odd\"}");
	answer_act(HOST_CONTAIN, 60000, ACT_DONE);
	answer = api_end(fd, 200);
	assert_true(is_true(answer, "contained"));
	json_decref(answer);
	answer = guest_json();
	assert_string_equal(text(json_object_get(answer, "containment"), "by"), "operator");
	assert_true(json_is_null(json_object_get(json_object_get(answer, "containment"), "finding")));
	json_decref(answer);
	fd = api_send("POST", "/v1/guests/7/freeze", "{\"how\":\"pause\"}");
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	answer = api_end(fd, 200);
	assert_true(is_true(answer, "paused") && is_true(answer, "contained"));
	json_decref(answer);
	fd = api_send("POST", "/v1/guests/7/thaw", "{}");
	answer_act(HOST_RESUME, 0, ACT_DONE);
	answer_act(HOST_RELEASE, 0, ACT_DONE);
	answer = api_end(fd, 200);
	assert_false(is_true(answer, "paused") || is_true(answer, "contained"));
	json_decref(answer);
	/* Nothing holds it: nothing to do. */
	json_decref(api("POST", "/v1/guests/7/thaw", "", 200));
	expect_silence(w.parent, 100);
	verify_journal();
}

static void failed_freeze_is_told(void **state)
{
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("POST", "/v1/guests/7/freeze", "{}");
	answer_act(HOST_CONTAIN, 0, ACT_FAILED);
	answer = api_end(fd, 500);
	assert_string_equal(text(json_object_get(answer, "error"), "message"), "as the test says");
	json_decref(answer);
	fd = api_send("POST", "/v1/guests/7/freeze", "{\"how\":\"pause\"}");
	answer_act(HOST_PAUSE, 0, ACT_UNAVAILABLE);
	json_decref(api_end(fd, 503));
	assert_false(is_contained());
}

/* Who goes away while it waits harms nobody. */
static void client_that_leaves(void **state)
{
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("POST", "/v1/guests/7/freeze", "{}");
	expect_act(HOST_CONTAIN, 0);
	close(fd);
	json_decref(ctl("", 0));
}

static void guest_that_goes_meanwhile(void **state)
{
	struct m_guest_down down = { .guest = GUEST };
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("POST", "/v1/guests/7/freeze", "{}");
	expect_act(HOST_CONTAIN, 0);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	json_decref(api_end(fd, 404));
}

/* ---- kill ---- */

static void answer_look_pid(uint32_t pid, uint32_t resend, void (*show)(uint64_t id),
			    enum done_status status)
{
	struct m_done done = { .status = status };
	struct m_look_pid m;
	uint64_t id;

	await_question(M_LOOK_PID);
	assert_true(msg_decode(&in, &msg_look_pid, &m));
	assert_int_equal(m.pid, pid);
	assert_int_equal(m.resend, resend);
	id = in.id;
	if (show)
		show(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

static void kill_of_an_operator(void **state)
{
	char path[64];
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	all_up();
	fd = api_send("POST", "/v1/guests/web-1/kill", "{\"pid\":1234,\"reason\":\"it is mine\"}");
	answer_look_pid(PID, 0, show_task, DONE_COMPLETE);
	send_result(expect_order(), ORDER_DONE);
	answer = api_end(fd, 202);
	snprintf(path, sizeof(path), "/v1/orders/%lld", (long long)number(answer, "order"));
	json_decref(answer);
	answer_probe(PROBE_GONE);
	for (int i = 0; i < 100; i++) {
		answer = api("GET", path, "", 200);
		if (text(answer, "outcome")[0])
			break;
		json_decref(answer);
		usleep(50000);
	}
	assert_string_equal(text(answer, "outcome"), "killed");
	assert_string_equal(text(answer, "verb"), "kill");
	assert_int_equal(number(answer, "pid"), PID);
	assert_true(json_is_null(json_object_get(answer, "finding")));
	json_decref(answer);
	verify_journal();
}

static void show_kthread(uint64_t id)
{
	struct m_task t = { .pid = 2, .start_ns = 1, .flags = TASK_KTHREAD, .comm = "kthreadd" };

	send_to(w.introspect, &msg_task, id, &t, -1);
}

static void show_init(uint64_t id)
{
	show_program(id, 1, "/sbin/init", true);
}

static void show_nameless(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", false);
}

static void kill_refused(const char *body, uint32_t pid, void (*show)(uint64_t id),
			 enum done_status status, int code, const char *like)
{
	int fd = api_send("POST", "/v1/guests/7/kill", body);
	json_t *answer;

	answer_look_pid(pid, 0, show, status);
	answer = api_end(fd, code);
	if (!strstr(text(json_object_get(answer, "error"), "message"), like))
		fail_msg("%s", text(json_object_get(answer, "error"), "message"));
	json_decref(answer);
}

static void kills_that_are_refused(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":1234}", 409, "no agent is in session");
	api_refused("POST", "/v1/guests/9/kill", "{\"pid\":1234}", 404, "no such guest");
	session_with(CAN(QUARANTINE));
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":1234}", 409, "does not offer");
	session_up();
	kill_refused("{\"pid\":9}", 9, NULL, DONE_NOT_FOUND, 404, "no such process");
	kill_refused("{\"pid\":2}", 2, show_kthread, DONE_COMPLETE, 409, "kernel thread");
	kill_refused("{\"pid\":1}", 1, show_init, DONE_COMPLETE, 409, "process 1");
	kill_refused("{\"pid\":1234}", PID, show_nameless, DONE_COMPLETE, 409, "no identity");
	kill_refused("{\"pid\":1234,\"start_ns\":5}", PID, show_task, DONE_COMPLETE, 404, "no such");
	/* It was seen before; whether it is there now nobody saw. */
	kill_refused("{\"pid\":1234}", PID, NULL, DONE_INCOMPLETE, 503, "could not be looked at");
	kill_refused("{\"pid\":1234}", PID, NULL, DONE_NOT_FOUND, 404, "no such process");
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	await_contained(true);
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":1234}", 409, "stopped");
	expect_silence(w.channel, 100);
}

/* ---- scans ---- */

static json_t *scan_when(json_int_t scan, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/scans/%lld", (long long)scan);
	for (int i = 0; i < 100; i++) {
		json_t *answer = api("GET", path, "", 200);

		if (!strcmp(text(answer, "state"), state))
			return answer;
		json_decref(answer);
		usleep(50000);
	}
	fail_msg("the scan is not %s", state);
	return NULL;
}

static json_int_t begin_scan(const char *body)
{
	json_t *answer = api("POST", "/v1/guests/web-1/scan", body, 202);
	json_int_t scan = number(answer, "scan");

	json_decref(answer);
	return scan;
}

static void show_infected(uint64_t id)
{
	show_task(id);
	show_object(id);
}

static void scan_of_one_process(void **state)
{
	json_t *s;
	json_int_t scan;

	NEEDS_PROGRAMS();
	all_up();
	scan = begin_scan("{\"pid\":1234}");
	answer_look_pid(PID, 1, show_infected, DONE_COMPLETE);
	s = scan_when(scan, "running");
	assert_int_equal(number(s, "contents_total"), 1);
	assert_int_equal(number(s, "contents_done"), 0);
	assert_int_equal(number(s, "pid"), PID);
	json_decref(s);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	s = scan_when(scan, "done");
	assert_int_equal(number(s, "contents_done"), 1);
	assert_true(is_true(s, "complete"));
	assert_int_equal(number(s, "infected"), 1);
	assert_int_equal(number(s, "tasks"), 1);
	assert_int_equal(json_array_size(json_object_get(s, "findings")), 1);
	json_decref(s);
	/* A finding is a finding, whoever asked. */
	expect_order();
}

static void scan_of_a_guest(void **state)
{
	struct m_done done = { .status = DONE_INCOMPLETE, .why = "a page was gone" };
	struct m_sweep m;
	json_int_t scan;
	uint64_t id;
	json_t *s;

	NEEDS_PROGRAMS();
	all_up();
	scan = begin_scan("");
	await_question(M_SWEEP);
	assert_true(msg_decode(&in, &msg_sweep, &m));
	assert_int_equal(m.resend, 1);
	id = in.id;
	show_infected(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_NOT_SCANNED, "time-out after 30 s");
	s = scan_when(scan, "done");
	assert_true(json_is_null(json_object_get(s, "pid")));
	assert_int_equal(number(s, "not_scanned"), 1);
	assert_non_null(strstr(text(s, "why"), "a page was gone"));
	assert_false(is_true(s, "complete"));
	json_decref(s);
}

static void scans_that_fail(void **state)
{
	json_int_t scan;

	NEEDS_PROGRAMS();
	all_up();
	scan = begin_scan("{\"pid\":99}");
	answer_look_pid(99, 1, NULL, DONE_NOT_FOUND);
	json_decref(scan_when(scan, "failed"));
	scan = begin_scan("{\"pid\":98}");
	await_question(M_LOOK_PID);
	close(w.introspect);
	json_decref(scan_when(scan, "failed"));
	w.introspect = role_up("introspect", GUEST);
	usleep(100000);
	api_refused("POST", "/v1/guests/7/scan", "", 503, "not found yet");
}

/* ---- maps ---- */

static void maps_of_a_process(void **state)
{
	struct m_vma v = { .start = 0x400000, .end = 0x401000, .flags = VMA_READ | VMA_EXEC,
			   .offset = 4096, .major = 0xfe, .minor = 1, .inode = 77, .path = "/tmp/miner" };
	struct m_done done = { .status = DONE_COMPLETE };
	json_t *answer, *line;
	uint64_t id;
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("GET", "/v1/guests/7/tasks/1234/maps", "");
	await_question(M_MAPS);
	id = in.id;
	send_to(w.introspect, &msg_vma, id, &v, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer = api_end(fd, 200);
	line = json_array_get(json_object_get(answer, "maps"), 0);
	assert_string_equal(text(line, "start"), "0x400000");
	assert_string_equal(text(line, "perms"), "r-xp");
	assert_string_equal(text(line, "dev"), "fe:01");
	assert_int_equal(number(line, "inode"), 77);
	json_decref(answer);
	fd = api_send("GET", "/v1/guests/7/tasks/5/maps", "");
	await_question(M_MAPS);
	done.status = DONE_NOT_FOUND;
	send_to(w.introspect, &msg_done, in.id, &done, -1);
	json_decref(api_end(fd, 404));
	/* A line that ends before it begins is no line. */
	fd = api_send("GET", "/v1/guests/7/tasks/5/maps", "");
	await_question(M_MAPS);
	v.end = v.start;
	send_to(w.introspect, &msg_vma, in.id, &v, -1);
	json_decref(api_end(fd, 503));
}

/* ---- agents ---- */

static uint64_t expect_agent_act(enum agent_verb verb, const char *name, uint32_t seconds)
{
	struct m_agent_act m;
	uint64_t id = expect(w.channel, &msg_agent_act, &m);

	assert_int_equal(m.verb, verb);
	assert_string_equal(m.name, name);
	assert_int_equal(m.seconds, seconds);
	return id;
}

static void end_agent_act(uint64_t id, enum agent_status status, const char *token)
{
	struct m_agent_done m = { .status = status };

	strcpy(m.token, token);
	send_to(w.channel, &msg_agent_done, id, &m, -1);
}

static void agents_come_and_go(void **state)
{
	struct m_agent_info info = { .name = NAME, .state = AGENT_PINNED, .key = "aa",
				     .since_wall = 5 };
	json_t *answer, *a;
	uint64_t id;
	int fd;

	NEEDS_PROGRAMS();
	all_up();
	fd = api_send("GET", "/v1/agents", "");
	id = expect_agent_act(AGENT_LIST, "", 0);
	send_to(w.channel, &msg_agent_info, id, &info, -1);
	end_agent_act(id, AGENT_OK, "");
	answer = api_end(fd, 200);
	a = json_array_get(json_object_get(answer, "agents"), 0);
	assert_string_equal(text(a, "name"), NAME);
	assert_string_equal(text(a, "state"), "pinned");
	assert_true(json_is_true(json_object_get(a, "session")));
	json_decref(answer);

	fd = api_send("POST", "/v1/agents", "{\"name\":\"db-1\",\"seconds\":60}");
	end_agent_act(expect_agent_act(AGENT_ENROL, "db-1", 60), AGENT_OK, "secret-token");
	answer = api_end(fd, 201);
	assert_string_equal(text(answer, "token"), "secret-token");
	assert_true(number(answer, "until_wall_ns") > 0);
	json_decref(answer);

	fd = api_send("POST", "/v1/agents/web-1/rotate", "{}");
	end_agent_act(expect_agent_act(AGENT_ROTATE, NAME, 0), AGENT_OK, "");
	json_decref(api_end(fd, 202));
	fd = api_send("POST", "/v1/agents/db-1/rotate", "{}");
	end_agent_act(expect_agent_act(AGENT_ROTATE, "db-1", 0), AGENT_NO_SESSION, "");
	json_decref(api_end(fd, 409));
	fd = api_send("DELETE", "/v1/agents/db-1", "");
	end_agent_act(expect_agent_act(AGENT_REVOKE, "db-1", 0), AGENT_OK, "");
	json_decref(api_end(fd, 200));
	fd = api_send("DELETE", "/v1/agents/db-9", "");
	end_agent_act(expect_agent_act(AGENT_REVOKE, "db-9", 0), AGENT_NOT_FOUND, "");
	json_decref(api_end(fd, 404));
	/* The token is a secret: it is in no row. */
	usleep(300000);
	answer = api("GET", "/v1/journal?limit=5000", "", 200);
	char *all = json_dumps(answer, 0);
	assert_null(strstr(all, "secret-token"));
	assert_non_null(strstr(all, "db-1"));
	free(all);
	json_decref(answer);
}

static void agents_without_a_channel(void **state)
{
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	api_refused("GET", "/v1/agents", "", 503, "the channel is not running");
	w.channel = role_up("channel", 0);
	fd = api_send("GET", "/v1/agents", "");
	expect_agent_act(AGENT_LIST, "", 0);
	close(w.channel);
	w.channel = -1;
	json_decref(api_end(fd, 503));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(freeze_and_thaw), T(failed_freeze_is_told), T(client_that_leaves),
		T(guest_that_goes_meanwhile), T(kill_of_an_operator), T(kills_that_are_refused),
		T(scan_of_one_process), T(scan_of_a_guest), T(scans_that_fail),
		T(maps_of_a_process), T(agents_come_and_go), T(agents_without_a_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

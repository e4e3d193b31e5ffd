// SPDX-License-Identifier: GPL-2.0-or-later
/* The control API: what it answers, and what it refuses. */
#include "test_engine_world.h"

static void processes_are_listed_afresh(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE, .tasks = 1 };
	struct m_list m;
	json_t *answer, *t;
	uint64_t id;
	int one, two;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	one = api_send("GET", "/v1/guests/web-1/tasks", "");
	await_question(M_LIST);
	assert_true(msg_decode(&in, &msg_list, &m));
	id = in.id;
	two = api_send("GET", "/v1/guests/7/tasks", "");
	usleep(100000);
	show_task(id);
	show_program(id, PID + 1, "/bin/new", false);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer = api_end(one, 200);
	assert_true(json_is_true(json_object_get(answer, "fresh")));
	assert_true(json_is_true(json_object_get(answer, "complete")));
	assert_int_equal(json_array_size(json_object_get(answer, "tasks")), 2);
	t = json_array_get(json_object_get(answer, "tasks"), 0);
	assert_string_equal(text(t, "comm"), "miner");
	assert_string_equal(text(t, "verdict"), "infected");
	json_decref(answer);
	/* One list served both. */
	answer = api_end(two, 200);
	assert_int_equal(json_array_size(json_object_get(answer, "tasks")), 2);
	json_decref(answer);
}

static void processes_of_before_are_called_so(void **state)
{
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	fd = api_send("GET", "/v1/guests/7/tasks", "");
	await_question(M_LIST);
	close(w.introspect);
	w.introspect = -1;
	answer = api_end(fd, 200);
	assert_true(json_is_false(json_object_get(answer, "fresh")));
	assert_string_not_equal(text(answer, "why"), "");
	assert_int_equal(json_array_size(json_object_get(answer, "tasks")), 1);
	json_decref(answer);
}

static void errors_are_json(void **state)
{
	NEEDS_PROGRAMS();
	guest_with_kernel(true);
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
		{ "POST /v1/status HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", " 405 " },
		{ "DELETE /v1/guests/7 HTTP/1.0\r\n\r\n", " 405 " },
		{ "GET /v1/guests//tasks HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/guests/7/tasks/abc/maps HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/journal?after=-1 HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/journal?limit=5001 HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/scans/1 HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/orders/1 HTTP/1.0\r\n\r\n", " 404 " },
		{ "POST /v1/quarantine/xy/restore HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/nothing HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/findings?limit=x HTTP/1.0\r\n\r\n", " 400 " },
		{ "GET /v1/findings/99 HTTP/1.0\r\n\r\n", " 404 " },
		{ "GET /v1/guests/../../etc/tasks HTTP/1.0\r\n\r\n", " 404 " },
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char answer[4096];
	struct stat st;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
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

static void bodies_are_strict(void **state)
{
	static char big[6000];

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	api_refused("POST", "/v1/guests/7/freeze", "[]", 400, "no JSON object");
	api_refused("POST", "/v1/guests/7/freeze", "{\"how\":\"contain\"", 400, "no JSON object");
	api_refused("POST", "/v1/guests/7/freeze", "{\"seconds\":1,\"seconds\":2}", 400, "twice");
	api_refused("POST", "/v1/guests/7/freeze", "{\"colour\":1}", 400, "colour: unknown key");
	api_refused("POST", "/v1/guests/7/freeze", "{\"a\\n\":1}", 400, "a\\x0a: unknown key");
	api_refused("POST", "/v1/guests/7/freeze", "{\"seconds\":-1}", 400, "seconds: must be");
	api_refused("POST", "/v1/guests/7/freeze", "{\"seconds\":\"1\"}", 400, "seconds: must be");
	api_refused("POST", "/v1/guests/7/freeze", "{\"how\":\"stop\"}", 400, "how: must be");
	api_refused("POST", "/v1/guests/7/freeze", "{\"how\":\"pause\",\"seconds\":3}", 400, "seconds");
	api_refused("POST", "/v1/guests/7/kill", "{}", 400, "pid: missing");
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":4294967296}", 400, "pid: must be");
	api_refused("POST", "/v1/agents", "{\"name\":\"../x\"}", 400, "name: must be");
	api_refused("POST", "/v1/agents", "{\"name\":\"x\",\"seconds\":1}", 400, "seconds");
	memset(big, ' ', sizeof(big) - 1);
	api_refused("POST", "/v1/guests/7/freeze", big, 413, "4096");
	big[4096] = '\0';
	memcpy(big, "{\"reason\":\"", 11);
	memset(big + 11, 'x', 300);
	big[311] = '"';
	big[312] = '}';
	api_refused("POST", "/v1/guests/7/freeze", big, 400, "reason: must be");
	/* What was refused for its form asked nobody for anything. */
	expect_silence(w.parent, 100);
}

static bool journal_has(const char *kind, const char *like)
{
	json_t *answer, *row;
	bool found = false;
	size_t i;

	usleep(400000);		/* written within 200 ms */
	answer = api("GET", "/v1/journal?limit=5000", "", 200);
	json_array_foreach(json_object_get(answer, "rows"), i, row)
		found |= !strcmp(text(row, "kind"), kind) && strstr(text(row, "detail"), like);
	json_decref(answer);
	return found;
}

static void operators_are_in_the_journal(void **state)
{
	char who[64];
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("POST", "/v1/guests/web-1/freeze", "{\"reason\":\"it \\u001b[31m hurts\"}");
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	json_decref(api_end(fd, 200));
	snprintf(who, sizeof(who), "\"process\":%d", (int)getpid());
	assert_true(journal_has("operator", who));
	assert_true(journal_has("operator", "\"user\":0"));
	assert_true(journal_has("operator", "it \\\\x1b[31m hurts"));
	assert_true(journal_has("operator", "/v1/guests/web-1/freeze"));
	verify_journal();
}

static void journal_is_paged(void **state)
{
	json_t *answer, *row;
	json_int_t last = 0, total;
	size_t i;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	await_order("done", "killed");
	usleep(300000);
	answer = api("GET", "/v1/journal?limit=5000", "", 200);
	total = number(answer, "last");
	assert_int_equal(json_array_size(json_object_get(answer, "rows")), total);
	json_decref(answer);
	while (last < total) {
		char path[64];

		snprintf(path, sizeof(path), "/v1/journal?after=%lld&limit=3", (long long)last);
		answer = api("GET", path, "", 200);
		assert_true(json_array_size(json_object_get(answer, "rows")) > 0);
		json_array_foreach(json_object_get(answer, "rows"), i, row)
			assert_int_equal(number(row, "seq"), ++last);
		json_decref(answer);
	}
}

/* ---- the socket ---- */

static char *said(const char *program)
{
	static char output[4096];
	char command[320];
	size_t n;
	FILE *f;

	/* Descriptor 3 is its parent's socket. */
	snprintf(command, sizeof(command), "%s --config %s 3</dev/null 2>&1", program, w.config);
	f = popen(command, "r");
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	assert_int_not_equal(pclose(f), 0);
	return output;
}

static void second_daemon_is_refused(void **state)
{
	char pid[32], *output;

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	output = said(getenv("WARDEN_ENGINE"));
	snprintf(pid, sizeof(pid), "process %d", (int)w.pid);
	if (!strstr(output, "another daemon serves it") || !strstr(output, pid))
		fail_msg("%s", output);
	/* And the first is served as before. */
	json_decref(ctl("", 0));
}

static void socket_left_behind_is_replaced(void **state)
{
	struct stat st;

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	end_engine(SIGKILL);
	assert_int_equal(lstat(w.socket, &st), 0);
	start_engine();
	json_decref(ctl_when_up());
}

static void taken_path_is_left_alone(void **state)
{
	static const char *const what[] = { "touch %s", "mkdir %s", "ln -s /etc/passwd %s" };
	char command[256], *output;

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	end_engine(0);
	for (int i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "rm -rf %s", w.socket);
		assert_int_equal(system(command), 0);
		snprintf(command, sizeof(command), what[i], w.socket);
		assert_int_equal(system(command), 0);
		output = said(getenv("WARDEN_ENGINE"));
		if (!strstr(output, "is no socket"))
			fail_msg("%s", output);
	}
}

static void stranger_is_kept_out(void **state)
{
	int status;

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	assert_int_equal(chmod(w.dir, 0755), 0);
	if (!child_fork()) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		strcpy(address.sun_path, w.socket);
		if (setgid(12345) || setuid(12345))
			_exit(1);
		_exit(connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1 &&
		      errno == EACCES ? 0 : 1);
	}
	wait(&status);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(processes_are_listed_afresh), T(processes_of_before_are_called_so),
		T(errors_are_json), T(raw_requests), T(bodies_are_strict),
		T(operators_are_in_the_journal), T(journal_is_paged), T(second_daemon_is_refused),
		T(socket_left_behind_is_replaced), T(taken_path_is_left_alone),
		T(stranger_is_kept_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

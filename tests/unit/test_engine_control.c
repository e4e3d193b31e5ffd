// SPDX-License-Identifier: GPL-2.0-or-later
/* The control API: what it answers, and what it refuses. */
#include "test_engine_world.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(processes_are_shown_fresh), T(errors_are_json), T(raw_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

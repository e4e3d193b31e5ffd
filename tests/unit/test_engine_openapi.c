// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * docs/openapi.json against the server, both ways: each route is in the file
 * and each operation of the file is a route; and every answer that the running
 * engine gives here, of each operation at least one that succeeds and of each
 * status of an error at least one, is what the file says, no key more or less.
 */
#include "test_engine_openapi.h"

static void every_route_is_in_the_file(void **state)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	for (size_t i = 0; i < n; i++)
		if (!operation(routes[i].method, routes[i].path))
			fail_msg("%s %s is not in the file", routes[i].method, routes[i].path);
}

static void every_operation_is_a_route(void **state)
{
	const char *path, *method;
	json_t *item, *op;
	size_t n, operations = 0;

	routes_all(&n);
	json_object_foreach(json_object_get(doc, "paths"), path, item) {
		json_object_foreach(item, method, op) {
			char high[8] = "";

			for (int i = 0; method[i]; i++)
				high[i] = method[i] & ~0x20;
			assert_string_equal(route_of(high, path)->path, path);
			operations++;
		}
	}
	assert_int_equal(operations, n);
}

/* The keys of a body, and its bound of 4096 bytes, as the server takes them. */
static void bodies_are_those_of_the_file(void **state)
{
	static const char *const keys[] = { "pid", "start_ns", "seconds", "how", "reason",
		"name", "level" };
	size_t n;
	const struct route *routes = routes_all(&n);

	for (size_t i = 0; i < n; i++) {
		const json_t *body = json_object_get(operation(routes[i].method, routes[i].path),
						     "requestBody");
		const json_t *schema = resolved(json_object_get(json_object_get(json_object_get(body,
			"content"), "application/json"), "schema"));
		const json_t *properties = json_object_get(schema, "properties");

		assert_int_equal(body != NULL, !strcmp(routes[i].method, "POST"));
		for (unsigned k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
			bool takes = routes[i].takes >> k & 1, needs = routes[i].needs >> k & 1;
			const json_t *name;
			bool required = false;
			size_t at;

			json_array_foreach(json_object_get(schema, "required"), at, name)
				required |= !strcmp(json_string_value(name), keys[k]);
			if (takes != (json_object_get(properties, keys[k]) != NULL) ||
			    needs != required)
				fail_msg("%s: %s", routes[i].path, keys[k]);
		}
	}
}

static void answer_done(uint32_t type, uint32_t status)
{
	struct m_done done = { .status = status };

	await_question(type);
	send_to(w.introspect, &msg_done, in.id, &done, -1);
}

static void guests_and_processes(void)
{
	struct m_vma v = { .start = 1 << 12, .end = 2 << 12, .path = "[heap]" };
	struct m_done done = { .status = DONE_COMPLETE };
	uint64_t id;
	int fd;

	ask("GET", "/v1/status", "", 200);
	ask("GET", "/v1/guests", "", 200);
	ask("GET", "/v1/guests/7", "", 200);
	ask("GET", "/v1/guests/8", "", 404);
	fd = api_send("GET", "/v1/guests/7/tasks", "");
	await_question(M_LIST);
	id = in.id;
	show_task(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	json_decref(end(fd, "GET", "/v1/guests/7/tasks", 200));
	for (int environment = 0; environment < 2; environment++) {
		const char *url = environment ? "/v1/guests/7/tasks/5/environment" : "/v1/guests/7/tasks/5";
		const struct m_fact facts[] = {
			{ FACT_PROCESS, 0, "Uid", "0 0 0 0" }, { FACT_NAMESPACE, 7, "pid", "" },
			{ FACT_THREAD, 5, "x", "R" }, { FACT_FILE, 3, "pipe", "pipe:[9]" },
			{ FACT_ENVIRONMENT, 0, "", "A=b" },
		};
		struct m_process process;

		fd = api_send("GET", url, "");
		await_question(M_PROCESS);
		id = in.id;
		assert_true(msg_decode(&in, &msg_process, &process));
		assert_int_equal(process.pid, 5);
		assert_int_equal(process.environment, environment);
		for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
			send_to(w.introspect, &msg_fact, id, &facts[i], -1);
		send_to(w.introspect, &msg_done, id, &done, -1);
		json_decref(end(fd, "GET", url, 200));
		fd = api_send("GET", url, "");
		answer_done(M_PROCESS, DONE_NOT_FOUND);
		json_decref(end(fd, "GET", url, 404));
		ask("GET", environment ? "/v1/guests/7/tasks/x/environment" : "/v1/guests/7/tasks/x", "", 400);
	}
	fd = api_send("GET", "/v1/guests/7/tasks/5/maps", "");
	await_question(M_MAPS);
	id = in.id;
	send_to(w.introspect, &msg_vma, id, &v, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	json_decref(end(fd, "GET", "/v1/guests/7/tasks/5/maps", 200));
	fd = api_send("GET", "/v1/guests/7/tasks/5/maps", "");
	answer_done(M_MAPS, DONE_NOT_FOUND);
	json_decref(end(fd, "GET", "/v1/guests/7/tasks/5/maps", 404));
	ask("GET", "/v1/guests/7/tasks/x/maps", "", 400);
}

/* ---- a guest's files, and its bytes ---- */

#define FILES "/v1/guests/7/files"
#define FILE_AT "/v1/guests/7/file?path=/etc/secret"
#define MEMORY "/v1/guests/7/memory?pid=5&address=0x1000&length=8292"

/* The first line is what the file says. */
static void content(const char *url, const char *schema)
{
	const json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
	int fd = api_send("GET", url, "");
	const struct route *r = route_of("GET", url);
	struct received got;

	asked();
	say_file(in.id);
	receive_content(fd, &got);
	assert_non_null(json_object_get(json_object_get(json_object_get(json_object_get(operation("GET",
		r->path), "responses"), "200"), "content"), "application/vnd.kvm-warden.content"));
	snprintf(where, sizeof(where), "GET %s 200", url);
	validate(json_object_get(schemas, schema), got.facts);
	assert_int_equal(got.size, number(got.facts, "bytes"));
	json_decref(got.facts);
	note_seen(r, 200);
}

static void contents(void)
{
	static const char *const urls[] = { FILE_AT, MEMORY };
	static const char *const wrong[] = {
		FILES "?all=x", "/v1/guests/7/file", "/v1/guests/7/memory?pid=5",
	};
	const struct m_inode m = { .ino = 42, .path = "/etc/secret", .fs = "ext4" };
	int fd = api_send("GET", FILES, "");

	await_question(M_FILES);
	send_to(w.introspect, &msg_inode, in.id, &m, -1);
	say_done(in.id, DONE_INCOMPLETE, "as is");
	json_decref(end(fd, "GET", FILES, 200));
	content(FILE_AT, "file_content");
	content(MEMORY, "memory_content");
	for (int i = 0; i < 2; i++) {
		fd = api_send("GET", urls[i], "");
		asked();
		say_done(in.id, DONE_NOT_FOUND, "none");
		json_decref(end(fd, "GET", urls[i], 404));
		fd = api_send("GET", urls[i], "");
		asked();
		say_done(in.id, DONE_AMBIGUOUS, "many");
		json_decref(end(fd, "GET", urls[i], 409));
	}
	for (int i = 0; i < 3; i++)
		ask("GET", wrong[i], "", 400);
	ask("GET", "/v1/guests/8/files", "", 404);
}

static void scans(void)
{
	json_t *answer = say("POST", "/v1/guests/7/scan", "{\"pid\":5}", 202);
	char path[64];

	snprintf(path, sizeof(path), "/v1/scans/%lld", (long long)number(answer, "scan"));
	json_decref(answer);
	ask("GET", path, "", 200);
	answer_done(M_LOOK_PID, DONE_NOT_FOUND);
	ask("GET", path, "", 200);
	ask("GET", "/v1/scans/1", "", 404);
	ask("GET", "/v1/scans/x", "", 400);
	ask("POST", "/v1/guests/7/scan", "{\"pid\":\"x\"}", 400);
	ask("POST", "/v1/guests/8/scan", "", 404);
}

/* From the finding to the file in quarantine, and the host's answer. */
static void findings(void)
{
	struct m_order o;
	char path[96];
	json_t *answer, *f;

	infected();
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	send_result(expect(w.channel, &msg_order, &o), ORDER_DONE);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	await_order("done", "killed");
	answer = say("GET", "/v1/findings?guest=web-1&limit=3", "", 200);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	assert_int_equal(json_array_size(json_object_get(f, "orders")), 2);
	assert_int_equal(json_array_size(json_object_get(f, "acts")), 1);
	snprintf(path, sizeof(path), "/v1/findings/%lld", (long long)number(f, "id"));
	ask("GET", path, "", 200);
	strcat(path, "/explain");
	ask("GET", path, "", 200);
	snprintf(path, sizeof(path), "/v1/orders/%lld", (long long)number(json_array_get(
		 json_object_get(f, "orders"), 0), "id"));
	ask("GET", path, "", 200);
	json_decref(answer);
	ask("GET", "/v1/findings?limit=0", "", 400);
	ask("GET", "/v1/findings?guest=nobody", "", 404);
	ask("GET", "/v1/findings/x", "", 400);
	ask("GET", "/v1/findings/1", "", 404);
	ask("GET", "/v1/findings/1/explain", "", 404);
	ask("GET", "/v1/findings/x/explain", "", 400);
	ask("GET", "/v1/orders/1", "", 404);
	ask("GET", "/v1/orders/x", "", 400);
}

static void quarantine(void)
{
	json_t *answer = say("GET", "/v1/quarantine?guest=7", "", 200);
	struct m_order o;
	char path[96];

	snprintf(path, sizeof(path), "/v1/quarantine/%s/restore", text(json_array_get(
		 json_object_get(answer, "items"), 0), "item"));
	json_decref(answer);
	ask("POST", path, "{}", 202);
	send_result(expect(w.channel, &msg_order, &o), ORDER_DONE);
	ask("POST", path, "{}", 409);
	ask("POST", "/v1/quarantine/x/restore", "", 400);
	ask("POST", "/v1/quarantine/00112233445566778899aabbccddeeff/restore", "", 404);
	ask("GET", "/v1/quarantine", "", 200);
	ask("GET", "/v1/quarantine?guest=nobody", "", 404);
}

static void hold(const char *verb, const char *body, enum host_verb act, enum act_status status,
		 int expected)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/v1/guests/7/%s", verb);
	fd = api_send("POST", path, body);
	answer_act(act, 0, status);
	json_decref(end(fd, "POST", path, expected));
}

static void operators(void)
{
	int fd;

	hold("freeze", "{\"how\":\"pause\"}", HOST_PAUSE, ACT_UNAVAILABLE, 503);
	hold("freeze", "{}", HOST_CONTAIN, ACT_FAILED, 500);
	hold("thaw", "{}", HOST_LINK_UP, ACT_DONE, 200);
	hold("freeze", "{}", HOST_CONTAIN, ACT_DONE, 200);
	ask("GET", "/v1/guests/7", "", 200);
	ask("POST", "/v1/guests/7/kill", "{\"pid\":5}", 409);
	hold("thaw", "{}", HOST_RELEASE, ACT_DONE, 200);
	hold("level", "{\"level\":\"content\"}", HOST_LEVEL_CONTENT, ACT_DONE, 200);
	hold("level", "{\"level\":\"off\"}", HOST_LEVEL_OFF, ACT_FAILED, 500);
	ask("POST", "/v1/guests/7/level", "{\"level\":\"on\"}", 400);
	ask("POST", "/v1/guests/8/level", "{\"level\":\"off\"}", 404);
	ask("POST", "/v1/guests/7/freeze", "{\"x\":1}", 400);
	ask("POST", "/v1/guests/7/thaw", "{\"x\":1}", 400);
	ask("POST", "/v1/guests/8/thaw", "", 404);
	ask("POST", "/v1/guests/8/freeze", "", 404);
	ask("POST", "/v1/guests/7/kill", "{}", 400);
	fd = api_send("POST", "/v1/guests/7/kill", "{\"pid\":5}");
	answer_done(M_LOOK_PID, DONE_NOT_FOUND);
	json_decref(end(fd, "POST", "/v1/guests/7/kill", 404));
	fd = api_send("POST", "/v1/guests/7/kill", "{\"pid\":1240}");
	await_question(M_LOOK_PID);
	uint64_t id = in.id;
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_order o;
	show_program(id, 1240, "/bin/x", true);
	send_to(w.introspect, &msg_done, id, &done, -1);
	json_decref(end(fd, "POST", "/v1/guests/7/kill", 202));
	send_result(expect(w.channel, &msg_order, &o), ORDER_DONE);
	answer_probe_of(1240, PROBE_GONE);
}

static void agent(const char *method, const char *path, const char *body,
		  enum agent_status status, int expected)
{
	struct m_agent_info info = { .name = NAME, .state = AGENT_PINNED };
	struct m_agent_done done = { .status = status };
	struct m_agent_act m;
	int fd = api_send(method, path, body);
	uint64_t id = expect(w.channel, &msg_agent_act, &m);

	if (m.verb == AGENT_LIST)
		send_to(w.channel, &msg_agent_info, id, &info, -1);
	send_to(w.channel, &msg_agent_done, id, &done, -1);
	json_decref(end(fd, method, path, expected));
}

static void agents(void)
{
	agent("GET", "/v1/agents", "", AGENT_OK, 200);
	agent("GET", "/v1/agents", "", AGENT_ERROR, 500);
	agent("POST", "/v1/agents", "{\"name\":\"a\"}", AGENT_OK, 201);
	agent("POST", "/v1/agents", "{\"name\":\"a\"}", AGENT_EXISTS, 409);
	agent("POST", "/v1/agents", "{\"name\":\"a\"}", AGENT_ERROR, 500);
	ask("POST", "/v1/agents", "{\"name\":\"..\"}", 400);
	agent("POST", "/v1/agents/a/rotate", "", AGENT_OK, 202);
	agent("POST", "/v1/agents/a/rotate", "", AGENT_NO_SESSION, 409);
	agent("POST", "/v1/agents/a/rotate", "", AGENT_NOT_FOUND, 404);
	agent("POST", "/v1/agents/a/rotate", "", AGENT_ERROR, 500);
	ask("POST", "/v1/agents/../rotate", "", 400);
	agent("DELETE", "/v1/agents/a", "", AGENT_OK, 200);
	agent("DELETE", "/v1/agents/a", "", AGENT_NOT_FOUND, 404);
	ask("DELETE", "/v1/agents/..", "", 400);
}

static void journal(void)
{
	ask("GET", "/v1/journal?after=2&limit=4", "", 200);
	ask("GET", "/v1/journal", "", 200);
	ask("GET", "/v1/journal?after=x", "", 400);
	ask("GET", "/v1/journal/verify", "", 200);
	ask("GET", "/metrics", "", 200);
}

static void too_large(void)
{
	static const char *const paths[] = {
		"/v1/guests/7/scan", "/v1/guests/7/kill", "/v1/guests/7/freeze",
		"/v1/guests/7/thaw", "/v1/guests/7/level", "/v1/agents", "/v1/agents/a/rotate",
		"/v1/quarantine/00112233445566778899aabbccddeeff/restore",
	};
	static char body[5000];

	memset(body, ' ', sizeof(body) - 1);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ask("POST", paths[i], body, 413);
}

/* Its level forbids a look. */
static void forbidden(void)
{
	struct m_guest_level m = { GUEST, KVM_WARDEN_LEVEL_OFF };

	send_to(w.parent, &msg_guest_level, 0, &m, -1);
	usleep(200000);
	ask("GET", "/v1/guests/7", "", 200);
	ask("GET", KERNEL, "", 403);
	ask("GET", FILES, "", 403);
	ask("GET", FILE_AT, "", 403);
	ask("GET", MEMORY, "", 403);
	ask("GET", "/v1/guests/7/tasks", "", 403);
	ask("GET", "/v1/guests/7/tasks/5/maps", "", 403);
	ask("GET", "/v1/guests/7/tasks/5", "", 403);
	ask("GET", "/v1/guests/7/tasks/5/environment", "", 403);
	ask("POST", "/v1/guests/7/scan", "", 403);
	ask("POST", "/v1/guests/7/kill", "{\"pid\":5}", 403);
	ask("GET", "/metrics", "", 200);
}

/* Its introspector and its channel are gone. */
static void parts_missing(void)
{
	int fd = ask_kernel();

	send_to(w.introspect, &msg_kernel_facts, in.id, &facts, -1);
	close(w.introspect);
	close(w.channel);
	w.introspect = w.channel = -1;
	json_decref(end(fd, "GET", KERNEL, 503));
	usleep(200000);
	ask("GET", KERNEL, "", 503);
	ask("GET", FILES, "", 503);
	ask("GET", FILE_AT, "", 503);
	ask("GET", MEMORY, "", 503);
	ask("GET", "/v1/guests/7/tasks", "", 200);
	ask("GET", "/v1/guests/7/tasks/5/maps", "", 503);
	ask("GET", "/v1/guests/7/tasks/5", "", 503);
	ask("GET", "/v1/guests/7/tasks/5/environment", "", 503);
	ask("POST", "/v1/guests/7/scan", "", 503);
	ask("GET", "/v1/agents", "", 503);
	ask("POST", "/v1/agents", "{\"name\":\"a\"}", 503);
	ask("POST", "/v1/agents/a/rotate", "", 503);
	ask("DELETE", "/v1/agents/a", "", 503);
	ask("GET", "/v1/status", "", 200);
	ask("GET", "/v1/guests", "", 200);
}

static bool was_seen(const char *operation, int status)
{
	for (unsigned i = 0; i < nseen; i++)
		if (seen[i].status == status && !strcmp(seen[i].operation, operation))
			return true;
	return false;
}

/* Of each operation its success was checked, and of the file's errors most. */
static void expect_all_seen(void)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	for (size_t i = 0; i < n; i++) {
		char name[96];

		snprintf(name, sizeof(name), "%s %s", routes[i].method, routes[i].path);
		if (!was_seen(name, 200) && !was_seen(name, 201) && !was_seen(name, 202))
			fail_msg("%s: no answer of success was held against the file", name);
	}
}

static void answers_are_those_of_the_file(void **state)
{
	NEEDS_PROGRAMS();
	nseen = 0;
	all_up();
	say_flags(0);
	guests_and_processes();
	kernel();
	contents();
	scans();
	findings();
	quarantine();
	operators();
	agents();
	journal();
	too_large();
	parts_missing();
	forbidden();
	expect_all_seen();
}

static char policy[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill,quarantine,link_down\n";

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_is_in_the_file),
		cmocka_unit_test(every_operation_is_a_route),
		cmocka_unit_test(bodies_are_those_of_the_file),
		cmocka_unit_test_prestate_setup_teardown(answers_are_those_of_the_file, setup,
							 teardown, policy),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

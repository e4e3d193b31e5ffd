// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's level: what the engine asks for, and what it says of it. */
#include "test_engine_world.h"

static void say_level(uint32_t level)
{
	struct m_guest_level m = { GUEST, level };

	send_to(w.parent, &msg_guest_level, 0, &m, -1);
}

static void await_level(const char *name)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		json_t *g = guest_json();
		bool is = !strcmp(text(g, "level"), name);

		json_decref(g);
		if (is)
			return;
		usleep(50000);
	}
	fail_msg("the level never was %s", name);
}

static unsigned rows_like(const char *kind, const char *like)
{
	json_t *answer = ctl("journal --limit 1000", 0), *row;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "rows"), i, row) {
		char *dump = json_dumps(row, JSON_COMPACT);

		n += strstr(dump, kind) && strstr(dump, like);
		free(dump);
	}
	json_decref(answer);
	return n;
}

/* Rows are shown once they are on the disk. */
static void expect_rows(const char *kind, const char *like, unsigned n)
{
	for (int i = 0; i < WAIT_MS / 50 && rows_like(kind, like) < n; i++)
		usleep(50000);
	assert_int_equal(rows_like(kind, like), n);
}

static void off_is_never_clean(void **state)
{
	json_t *g;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	say_level(KVM_WARDEN_LEVEL_OFF);
	await_level("off");
	send_event(9);
	g = guest_json();
	assert_string_equal(text(json_object_get(g, "kernel"), "state"), "unobservable");
	assert_string_equal(text(json_object_get(g, "kernel"), "why"), "its level is off: nobody looks into it");
	assert_int_equal(number(json_object_get(g, "objects"), "clean"), 0);
	assert_int_equal(number(json_object_get(g, "objects"), "known"), 0);
	assert_int_equal(number(g, "tasks"), 0);
	assert_true(json_is_false(json_object_get(g, "introspected")));
	json_decref(g);
	api_refused("GET", "/v1/guests/7/tasks", "", 403, "level is off");
	api_refused("GET", "/v1/guests/7/tasks/5/maps", "", 403, "level is off");
	api_refused("GET", "/v1/guests/7/kernel", "", 403, "level is off");
	api_refused("POST", "/v1/guests/7/scan", "", 403, "level is off");
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":5}", 403, "level is off");
	/* And back: everything is looked at anew. */
	say_level(KVM_WARDEN_LEVEL_CONTENT);
	await_level("content");
	introspector_again();
	answer_sweep(0);
}

/* What the parent says comes by another socket than what is asked. */
static void await_events(int n)
{
	json_int_t seen = 0;

	for (int i = 0; i < WAIT_MS / 10 && seen != n; i++) {
		json_t *g = guest_json();

		seen = number(json_object_get(g, "work"), "events");
		json_decref(g);
		if (seen != n)
			usleep(10000);
	}
	assert_int_equal(seen, n);
}

/* It is known, its events are counted and its VMM is watched, before its name is known. */
static void named_after_it_came(void **state)
{
	struct m_guest_up up = { .guest = GUEST, .vmm_pid = VMM, .unnamed = 1 };
	struct m_guest_named named = { .guest = GUEST, .level = KVM_WARDEN_LEVEL_CONTENT, .name = NAME };
	json_t *g;

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	scanner_up();
	send_event(0);
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
	send_event(1);
	await_level("off");
	send_to(w.parent, &msg_guest_named, 0, &named, -1);
	await_level("content");
	w.introspect = role_up("introspect", GUEST);
	say_kernel();
	answer_sweep(0);
	send_event(2);
	g = guest_json();
	assert_string_equal(text(g, "name"), NAME);
	json_decref(g);
	await_events(3);
	expect_rows("guest named", NAME, 1);
	/* That its introspector came is no news; that it went is. */
	expect_rows("role up", "introspect", 0);
	introspector_again();
	expect_rows("role up", "introspect", 1);
}

static void list_of_one(void)
{
	struct m_done done = { .status = DONE_COMPLETE, .tasks = 1 };
	struct m_list m;
	uint64_t id = expect(w.introspect, &msg_list, &m);

	show_program(id, PID, "/tmp/miner", false);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

static void kernel_is_told(void)
{
	const struct m_kernel_facts facts = { .release = "6.1.0-test", .paging_levels = 4 };
	struct m_done done = { .status = DONE_COMPLETE };
	int fd = api_send("GET", "/v1/guests/7/kernel", "");
	struct m_tell_kernel m;
	uint64_t id = expect(w.introspect, &msg_tell_kernel, &m);

	send_to(w.introspect, &msg_kernel_facts, id, &facts, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	json_decref(api_end(fd, 200));
}

static void metadata_is_a_list(void **state)
{
	json_t *g, *sweep = NULL;

	NEEDS_PROGRAMS();
	all_up();
	say_level(KVM_WARDEN_LEVEL_METADATA);
	await_level("metadata");
	introspector_again();
	list_of_one();
	send_event(9);
	expect_silence(w.introspect, 1500);
	expect_silence(w.scan, 0);
	g = guest_json();
	sweep = json_object_get(g, "last_sweep");
	assert_string_equal(text(sweep, "status"), "incomplete");
	assert_non_null(strstr(text(sweep, "why"), "level metadata"));
	assert_int_equal(number(g, "tasks"), 1);
	assert_int_equal(number(json_object_get(g, "objects"), "known"), 0);
	json_decref(g);
	kernel_is_told();
	api_refused("POST", "/v1/guests/7/scan", "", 403, "level is metadata");
	api_refused("POST", "/v1/guests/7/kill", "{\"pid\":5}", 403, "level is metadata");
}

/* Content that comes all the same, from an introspector that was taken over, say. */
static void metadata_takes_no_content(void **state)
{
	struct m_object o = { .object = 1, .kind = OBJECT_ANON, .size = 7, .resident = 7 };
	struct m_list m;
	uint64_t id;

	NEEDS_PROGRAMS();
	all_up();
	say_level(KVM_WARDEN_LEVEL_METADATA);
	await_level("metadata");
	introspector_again();
	id = expect(w.introspect, &msg_list, &m);
	show_task(id);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	expect_silence(w.scan, 500);
	expect_rows("malformed message", "introspect", 1);
}

static void operator_sets_it(void **state)
{
	json_t *answer;
	int fd;

	NEEDS_PROGRAMS();
	all_up();
	fd = api_send("POST", "/v1/guests/web-1/level",
		      "{\"level\":\"metadata\",\"reason\":\"no consent\"}");
	answer_act(HOST_LEVEL_METADATA, 0, ACT_DONE);
	answer = api_end(fd, 200);
	assert_string_equal(text(answer, "level"), "metadata");
	json_decref(answer);
	expect_rows("POST", "no consent", 1);
	expect_rows("guest level", "metadata", 1);
	answer = ctl("level web-1", 0);
	assert_string_equal(text(answer, "level"), "metadata");
	json_decref(answer);
	/* The module refuses: it is as it was, and said so. */
	fd = api_send("POST", "/v1/guests/web-1/level", "{\"level\":\"content\"}");
	answer_act(HOST_LEVEL_CONTENT, 0, ACT_FAILED);
	json_decref(api_end(fd, 500));
	await_level("metadata");
	json_decref(ctl("level web-1 on", 2));
}

static void looks_are_journalled(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE };

	NEEDS_PROGRAMS();
	all_up();
	for (int i = 0; i < 3; i++) {
		int fd = api_send("GET", "/v1/guests/web-1/tasks", "");

		await_question(M_LIST);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
		json_decref(api_end(fd, 200));
		fd = api_send("GET", "/v1/guests/web-1/tasks/5/maps", "");
		await_question(M_MAPS);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
		json_decref(api_end(fd, 200));
		fd = api_send("GET", "/v1/guests/web-1/kernel", "");
		await_question(M_TELL_KERNEL);
		done.status = DONE_UNOBSERVABLE;
		send_to(w.introspect, &msg_done, in.id, &done, -1);
		json_decref(api_end(fd, 503));
		done.status = DONE_COMPLETE;
	}
	/* A list that is shown again and again is one look; a map or a kernel each. */
	expect_rows("operator", "web-1/tasks\\", 1);
	expect_rows("operator", "/maps\\", 3);
	expect_rows("operator", "/kernel\\", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(off_is_never_clean), T(named_after_it_came), T(metadata_is_a_list), T(metadata_takes_no_content),
		T(operator_sets_it), T(looks_are_journalled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Files at rest: behind all else, within bounds, found once, and answered by rules that name them. */
#define REST_SECONDS "1"
#include "test_engine_world.h"

static const char policy_rest[] =
	"[exempt tests]\nexe = /opt/tests/*\n"
	"[rule lie]\nmatch = Test.*\nkinds = file,rest\nactions = report,kill,quarantine\n"
	"[rule hold]\nmatch = Hold.*\nkinds = rest\nactions = report,contain\n"
	"[rule run]\nmatch = *\nactions = report,kill,quarantine,power_off\n";

static struct m_rest asked;

static uint64_t expect_rest(void)
{
	return expect(w.introspect, &msg_rest, &asked);
}

/* A sweep, or a part of a round. */
static uint32_t next_of_introspector(void)
{
	struct pollfd p = { w.introspect, POLLIN, 0 };
	struct m_sweep sweep;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
	assert_true(msg_decode(&in, &msg_rest, &asked) || msg_decode(&in, &msg_sweep, &sweep));
	return in.type;
}

static struct m_rest_file file_at(const char *path, uint64_t inode)
{
	struct m_rest_file f = {
		.kind = OBJECT_FILE, .inode = inode, .generation = 9, .dev = 8 << 20 | 1, .mtime_sec = 5,
		.uid = 1000, .mode = 0100755, .size = 7, .resident = 7, .fs = "ext4",
		.file_hash = { 0xcc, 0xdd }, .file_ranges = { 8, { { 0, 1 } } },
	};

	strcpy(f.path, path);
	return f;
}

static void send_file(uint64_t id, const struct m_rest_file *f)
{
	send_to(w.introspect, &msg_rest_file, id, f, sealed_memfd("content"));
}

static void end_part(uint64_t id, enum rest_status status)
{
	struct m_rested m = { .status = status, .inodes = 10, .files = 3, .unchanged = 1, .mapped = 1 };

	send_to(w.introspect, &msg_rested, id, &m, -1);
}

static void up(void)
{
	scanner_up();
	guest_with_kernel(true);
}

/* One file, of which the scanner says that. */
static void show(const struct m_rest_file *f, enum verdict verdict, const char *name)
{
	uint64_t id = expect_rest();

	send_file(id, f);
	end_part(id, REST_END);
	answer_scan(verdict, name);
}

static json_t *rest_of_guest(void)
{
	json_t *answer = ctl("guests", 0);
	json_t *rest = json_incref(json_object_get(json_array_get(json_object_get(answer, "guests"), 0), "rest"));

	json_decref(answer);
	return rest;
}

static json_t *findings(size_t n, json_t **ret_answer)
{
	*ret_answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(*ret_answer, "findings")), n);
	return json_array_get(json_object_get(*ret_answer, "findings"), 0);
}

static void found_once_by_its_own_rule(void **state)
{
	struct m_rest_file f = file_at("/var/tmp/job", 12);
	json_t *answer, *one, *d;

	NEEDS_PROGRAMS();
	up();
	show(&f, VERDICT_INFECTED, "Test.Dropped");
	usleep(400000);
	one = findings(1, &answer);
	assert_string_equal(text(one, "found_by"), "rest");
	assert_string_equal(text(one, "object_kind"), "file");
	assert_string_equal(text(one, "path"), "/var/tmp/job");
	assert_int_equal(number(one, "pid"), 0);
	assert_int_equal(number(json_object_get(one, "evidence"), "inode"), 12);
	/* No process: what was asked against it is said, and only the file ordered away. */
	d = json_object_get(one, "decisions");
	assert_int_equal(json_array_size(d), 2);
	assert_string_equal(text(json_array_get(d, 0), "note"), "kill does not apply: no process");
	assert_string_equal(text(json_array_get(d, 1), "action"), "quarantine");
	d = json_object_get(one, "orders");
	assert_int_equal(json_array_size(d), 1);
	assert_string_equal(text(json_array_get(d, 0), "path"), "/var/tmp/job");
	json_decref(answer);
	/* An introspector that starts anew shows it again. */
	show(&f, VERDICT_INFECTED, "Test.Dropped");
	usleep(400000);
	findings(1, &answer);
	json_decref(answer);
	/* And one more of the same name is another. */
	f.generation = 10;
	show(&f, VERDICT_INFECTED, "Test.Dropped");
	usleep(400000);
	one = findings(2, &answer);
	/* Each with its own orders. */
	assert_int_equal(json_array_size(json_object_get(one, "orders")) +
			 json_array_size(json_object_get(json_array_get(json_object_get(answer, "findings"), 1),
							 "orders")), 1);
	json_decref(answer);
}

static void rules_for_what_runs_do_not_answer(void **state)
{
	const struct m_rest_file f = file_at("/x", 3), exempt = file_at("/opt/tests/eicar", 4);
	json_t *answer, *one, *d;

	NEEDS_PROGRAMS();
	up();
	show(&f, VERDICT_INFECTED, "Other.Thing");
	usleep(400000);
	one = findings(1, &answer);
	d = json_array_get(json_object_get(one, "decisions"), 0);
	assert_string_equal(text(d, "action"), "report");
	assert_string_equal(text(d, "rule"), "");
	assert_int_equal(json_array_size(json_object_get(one, "orders")), 0);
	assert_int_equal(json_array_size(json_object_get(one, "acts")), 0);
	json_decref(answer);
	show(&exempt, VERDICT_INFECTED, "Test.Dropped");
	usleep(400000);
	one = findings(2, &answer);
	assert_string_equal(text(json_array_get(json_object_get(one, "decisions"), 0), "note"), "exempt: tests");
	json_decref(answer);
}

static void hosts_answer_if_it_is_asked_for(void **state)
{
	const struct m_rest_file f = file_at("/x", 3);
	struct m_act act;

	NEEDS_PROGRAMS();
	up();
	show(&f, VERDICT_INFECTED, "Hold.It");
	expect(w.parent, &msg_act, &act);
	assert_int_equal(act.verb, HOST_CONTAIN);
}

static void what_was_not_there_is_not_clean(void **state)
{
	struct m_rest_file f = file_at("/x", 3);
	json_t *rest, *last;
	uint64_t id;

	NEEDS_PROGRAMS();
	up();
	id = expect_rest();
	f.size = 1 << 20;
	send_file(id, &f);
	f = file_at("/y", 4);
	send_file(id, &f);
	f = file_at("/z", 5);
	send_file(id, &f);
	end_part(id, REST_END);
	answer_scan(VERDICT_CLEAN, "");
	answer_scan(VERDICT_CLEAN, "");
	answer_scan(VERDICT_NOT_SCANNED, "time-out after 30 s");
	/* The next one's begin closes it. */
	expect_rest();
	rest = rest_of_guest();
	last = json_object_get(rest, "last");
	assert_true(json_is_true(json_object_get(last, "complete")));
	assert_int_equal(number(last, "partial"), 1);
	assert_int_equal(number(last, "clean"), 1);
	assert_int_equal(number(last, "not_scanned"), 1);
	assert_int_equal(number(last, "mapped"), 1);
	assert_int_equal(number(last, "inodes"), 10);
	json_decref(rest);
}

static void nothing_waits_for_it(void **state)
{
	const struct m_rest_file f = file_at("/x", 3), g = file_at("/y", 4);
	struct m_verdict v = { .verdict = VERDICT_CLEAN, .bytes = 7 };
	struct m_scan m;
	uint64_t id, first, second;

	NEEDS_PROGRAMS();
	up();
	id = expect_rest();
	send_file(id, &f);
	send_file(id, &g);
	end_part(id, REST_MORE);
	first = expect(w.scan, &msg_scan, &m);
	msg_release(&in);
	/* One at a time; what runs overtakes the other. */
	expect_silence(w.scan, 300);
	/* Nor is more asked for as long as the scanner has something of this. */
	expect_silence(w.introspect, 1500);
	look();
	second = expect(w.scan, &msg_scan, &m);
	msg_release(&in);
	send_to(w.scan, &msg_verdict, first, &v, -1);
	expect_silence(w.scan, 300);
	send_to(w.scan, &msg_verdict, second, &v, -1);
	first = expect(w.scan, &msg_scan, &m);
	msg_release(&in);
	send_to(w.scan, &msg_verdict, first, &v, -1);
	await_question(M_REST);
	assert_true(msg_decode(&in, &msg_rest, &asked));
	assert_int_equal(asked.anew, 0);
}

static void more_than_was_asked_for_is_refused(void **state)
{
	const struct m_rest_file f = file_at("/x", 3);
	uint64_t id;

	NEEDS_PROGRAMS();
	up();
	id = expect_rest();
	for (unsigned i = 0; i < asked.files; i++)
		send_file(id, &f);
	usleep(300000);
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(
		ctl("guests", 0), "guests"), 0), "introspected")));
	send_file(id, &f);
	usleep(300000);
	assert_false(json_is_true(json_object_get(json_array_get(json_object_get(
		ctl("guests", 0), "guests"), 0), "introspected")));
}

static void other_signatures_ask_for_all(void **state)
{
	struct m_database db = { .ready = 1, .signatures = 4, .epoch = "e2", .engine = "libclamav test" };
	struct m_done done = { .status = DONE_COMPLETE };

	NEEDS_PROGRAMS();
	up();
	end_part(expect_rest(), REST_END);
	send_to(w.scan, &msg_database, 0, &db, -1);
	/* A round of before may be due meanwhile. */
	while (next_of_introspector() == M_REST && !asked.anew)
		end_part(in.id, REST_END);
	if (in.type != M_REST) {
		send_to(w.introspect, &msg_done, in.id, &done, -1);
		expect_rest();
	}
	assert_int_equal(asked.anew, 1);
}

static void why_there_is_no_round(void **state)
{
	struct m_rested m = { .status = REST_UNAVAILABLE, .why = "this kernel's list is not known" };
	json_t *rest;

	NEEDS_PROGRAMS();
	up();
	send_to(w.introspect, &msg_rested, expect_rest(), &m, -1);
	expect_rest();
	rest = rest_of_guest();
	assert_false(json_is_true(json_object_get(json_object_get(rest, "last"), "complete")));
	assert_string_equal(text(json_object_get(rest, "last"), "why"), m.why);
	json_decref(rest);
}

static void answer_scans(unsigned n, enum verdict verdict, const char *name)
{
	struct m_verdict v = { .verdict = verdict, .bytes = 7, .elapsed_us = 80 };
	struct m_scan m;

	strcpy(v.name, name);
	for (unsigned i = 0; i < n; i++) {
		send_to(w.scan, &msg_verdict, expect(w.scan, &msg_scan, &m), &v, -1);
		msg_release(&in);
	}
}

static void wait_for_state(const char *state)
{
	json_t *rest = NULL;
	bool is = false;

	for (unsigned i = 0; !is && i < 40; i++) {
		usleep(50000);
		rest = rest_of_guest();
		is = !strcmp(text(rest, "state"), state);
		json_decref(rest);
	}
	assert_true(is);
}

/* Takes no room. */
static int hole(uint64_t size)
{
	int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
	return fd;
}

/* More than a gigabyte of files in one interval is left to the next. */
static void a_round_has_a_budget(void **state)
{
	const struct m_rest_file f = file_at("/x", 3);
	char command[256];
	uint64_t id, began = 0;

	NEEDS_PROGRAMS();
	assert_int_equal(end_engine(0), 0);
	snprintf(command, sizeof(command), "sed -i 's/^rest_seconds = .*/rest_seconds = 8/' %s", w.config);
	assert_int_equal(system(command), 0);
	start_engine();
	up();
	expect_silence(w.introspect, 6000);
	for (unsigned part = 0; part < 7; part++) {
		id = expect_rest();
		began = began ? began : mono();
		send_to(w.introspect, &msg_rest_file, id, &f, hole(31 << 20));
		send_to(w.introspect, &msg_rest_file, id, &f, hole(128 << 20));
		end_part(id, REST_MORE);
		answer_scans(2, VERDICT_CLEAN, "");
	}
	wait_for_state("budget spent");
	expect_rest();
	assert_true(mono() - began > 7500000000ull);
	assert_int_equal(asked.anew, 0);
}

/* A guest that is full of them does not fill the journal, and none is lost. */
static void a_flood_is_held_back(void **state)
{
	char path[32];
	json_t *answer, *work;
	unsigned sent = 0;
	uint64_t id;

	NEEDS_PROGRAMS();
	up();
	while (sent < 310) {
		unsigned n = sent + 31 < 310 ? 31 : 310 - sent;

		id = expect_rest();
		for (unsigned i = 0; i < n; i++, sent++) {
			struct m_rest_file f;

			snprintf(path, sizeof(path), "/flood/%u", sent);
			f = file_at(path, 1000 + sent);
			send_file(id, &f);
		}
		end_part(id, sent < 310 ? REST_MORE : REST_END);
		answer_scans(n, VERDICT_INFECTED, "Other.Thing");
	}
	/* What did not go in is asked for again. */
	expect_rest();
	assert_int_equal(asked.anew, 1);
	answer = ctl("guests", 0);
	work = json_object_get(json_array_get(json_object_get(answer, "guests"), 0), "work");
	assert_int_equal(number(work, "findings"), 300);
	assert_int_equal(number(work, "findings_held"), 10);
	json_decref(answer);
}

int main(void)
{
#define R(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)policy_rest)
	const struct CMUnitTest tests[] = {
		R(found_once_by_its_own_rule), R(rules_for_what_runs_do_not_answer),
		R(hosts_answer_if_it_is_asked_for), R(what_was_not_there_is_not_clean),
		R(nothing_waits_for_it), R(more_than_was_asked_for_is_refused),
		R(other_signatures_ask_for_all), R(why_there_is_no_round),
		R(a_round_has_a_budget), R(a_flood_is_held_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guard saw a VMM do: a finding, what the policy says of it, and the status. */
#include "test_engine_world.h"

#include <arpa/inet.h>
#include <sys/wait.h>

#include "engine/incident.h"
#include "lib/util.h"

static char policy_named[] =
	"[rule lab]\nmatch = Guard.Exec\nguest = " NAME "\nkinds = guard\nactions = report\n"
	"[rule vmm]\nmatch = Guard.Exec\nkinds = guard\nactions = report,pause\n";

static char policy_guard[] =
	"[rule malware]\nmatch = *\nactions = report,power_off\n"
	"[rule vmm]\nmatch = Guard.Exec\nkinds = guard\nactions = report,pause\n";

/* ---- in words ---- */

static void texts_are_the_attackers(void **state)
{
	struct warden_guard_event raw = event_of(GUARD_FILE, "/tmp/a\nb\033[2J");
	struct incident i;

	memset(raw.comm, 0xff, sizeof(raw.comm));
	raw.detail = GUARD_READ;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "/tmp/a\\x0ab\\x1b[2J");
	assert_true(text_is_printable(i.comm));
	assert_string_equal(i.rule, "");	/* no line of a file could hold it */
	memset(raw.path, 0x80, sizeof(raw.path));
	assert_true(incident_decode(&raw, &i));
	assert_true(text_is_printable(i.path));
}

static void each_kind_has_its_words(void **state)
{
	struct incident i;

	for (uint32_t what = 1; what < GUARD_KINDS; what++) {
		struct warden_guard_event raw = event_of(what, "");

		assert_true(incident_decode(&raw, &i));
		assert_true(strlen(i.path) > 0);
		assert_memory_equal(incident_signature(what), "Guard.", 6);
		assert_non_null(incident_words(&i));
	}
}

static void what_our_programs_never_make_is_refused(void **state)
{
	struct warden_guard_event raw = event_of(GUARD_EXEC, "/x");
	struct incident i;

	assert_true(incident_decode(&raw, &i));
	raw.what = 0;
	assert_false(incident_decode(&raw, &i));
	raw.what = GUARD_KINDS;
	assert_false(incident_decode(&raw, &i));
	raw.what = GUARD_EXEC;
	raw.flags = GUARD_FLAGS + 1;
	assert_false(incident_decode(&raw, &i));
	raw.flags = 0;
	raw.guest = 0;
	assert_false(incident_decode(&raw, &i));
}

static void rules_that_would_allow(void **state)
{
	struct warden_guard_event raw = event_of(GUARD_FILE, "/srv/disk.img");
	struct incident i;

	raw.detail = GUARD_WRITE;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "write = /srv/disk.img");
	raw.what = GUARD_CHANGE;
	raw.detail = GUARD_MOVED;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "write = /srv/disk.img");
	assert_string_equal(incident_words(&i), "moved a file");
	raw.detail = GUARD_REMOVED;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "write = /srv/disk.img");
	assert_string_equal(incident_words(&i), "removed a file or folder");
	raw.detail = GUARD_CHANGES;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(incident_words(&i), "changed a file by its name");
	raw.what = GUARD_MOUNT;
	raw.detail = GUARD_MOUNTED;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "");
	raw.what = GUARD_CHANGE;
	raw.detail = GUARD_DEVICE;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "");
	raw = event_of(GUARD_CONTROL, "sleep");
	raw.detail = 9;
	raw.address = 7;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "process 7 (sleep)");
	assert_string_equal(incident_words(&i), "signalled another process");
	raw.detail = GUARD_LIMITS;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(incident_words(&i), "set limits or scheduling of another process");
	raw.detail = GUARD_HELD;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "whoever opens a file");
	raw.detail = GUARD_LEASED;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "whoever opens a file that it leases");
	assert_string_equal(incident_words(&i), "took a lease on a file (fcntl)");
	raw = event_of(GUARD_FILE, "/dev/shm/x");
	raw.detail = GUARD_READ;
	raw.flags = GUARD_ELSEWHERE;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "/dev/shm/x (in a mount that is not its own)");
	assert_string_equal(i.rule, "");
	raw = event_of(GUARD_CHANGE, "/etc/*");	/* a name like any other */
	raw.detail = GUARD_FOLDER;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "/etc/*");
	assert_string_equal(i.rule, "");
	raw = event_of(GUARD_CONNECT, "/run/");
	raw.detail = AF_UNIX;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "");
	raw = event_of(GUARD_EXEC, "/bin/sh (deleted)");
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.rule, "");
	raw = event_of(GUARD_SOCKET, "");
	raw.detail = 2;
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "inet");
	assert_string_equal(i.rule, "sockets = ... inet");
	raw = event_of(GUARD_CONNECT, "");
	raw.detail = 10;
	raw.flags = GUARD_ADDRESS;
	raw.address = 443;
	inet_pton(AF_INET6, "2001:db8::1", raw.path);
	assert_true(incident_decode(&raw, &i));
	assert_string_equal(i.path, "[2001:db8::1]:443");
}

/* ---- in the engine ---- */

static void state_of_guard(enum guard_is is, const char *why)
{
	struct m_guard_state m = { .mode = GUARD_MODE_FINDING, .state = is, .hooks = 17, .rules = 5 };

	strcpy(m.why, why);
	send_to(w.parent, &msg_guard_state, 0, &m, -1);
}

static bool status_is(const char *key, const char *value)
{
	json_t *s = ctl("", 0);
	bool is = !strcmp(text(json_object_get(s, "guard"), key), value);

	json_decref(s);
	return is;
}

static void await_status(const char *key, const char *value)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		if (status_is(key, value))
			return;
		usleep(50000);
	}
	fail_msg("guard.%s did not become %s", key, value);
}

static void status_tells(void **state)
{
	struct m_guard_counts counts = { .guest = GUEST, .processes = 2, .violations = 5,
					 .denied = 5, .delivered = 3, .dropped = 1, .suppressed = 1 };
	json_t *g;

	NEEDS_PROGRAMS();
	ctl_when_up();
	await_status("state", "off");
	state_of_guard(GUARD_IS_DEGRADED, "bpf is not in its list");
	await_status("deny", "unavailable");
	assert_true(status_is("why", "bpf is not in its list"));
	state_of_guard(GUARD_IS_WHOLE, "");
	await_status("deny", "available");
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	send_to(w.parent, &msg_guard_counts, 0, &counts, -1);
	usleep(300000);
	g = guest_json();
	assert_int_equal(number(json_object_get(g, "guard"), "processes"), 2);
	assert_int_equal(number(json_object_get(g, "guard"), "suppressed"), 1);
	json_decref(g);
}

static void a_finding_and_what_its_rule_says(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	json_t *answer, *f, *story;
	char command[64];
	long long id;

	NEEDS_PROGRAMS();
	all_up();
	e.flags = GUARD_DENIED | GUARD_CHILD;
	e.pid = 777;
	send_incident(&e);
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	await_findings(1);
	f = finding(&answer);
	assert_string_equal(text(f, "signature"), "Guard.Exec");
	assert_string_equal(text(f, "object_kind"), "vmm guard");
	assert_string_equal(text(f, "path"), "/bin/sh");
	assert_string_equal(text(f, "found_by"), "guard");
	assert_int_equal(number(f, "vmm_pid"), VMM);
	assert_int_equal(number(f, "pid"), 777);
	assert_true(json_is_true(json_object_get(json_object_get(f, "evidence"), "denied")));
	assert_string_equal(text(json_object_get(f, "evidence"), "rule"), "exec = /bin/sh");
	id = number(f, "id");
	json_decref(answer);
	snprintf(command, sizeof(command), "explain %lld", id);
	story = ctl(command, 0);
	assert_non_null(strstr(text(json_array_get(json_object_get(story, "chain"), 1), "text"),
			       "this line would: \"exec = /bin/sh\""));
	json_decref(story);
	/* The same again is the same finding. */
	send_incident(&e);
	expect_silence(w.parent, 300);
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 1);
	json_decref(answer);
	verify_journal();
}

static void a_rule_for_malware_leaves_vmms_alone(void **state)
{
	struct warden_guard_event e = event_of(GUARD_FILE, "/etc/shadow");
	json_t *answer, *f;

	NEEDS_PROGRAMS();
	all_up();
	e.detail = GUARD_READ;
	send_incident(&e);
	await_findings(1);
	expect_silence(w.parent, 300);
	f = finding(&answer);
	assert_int_equal(json_array_size(json_object_get(f, "acts")), 0);
	assert_string_equal(text(json_array_get(json_object_get(f, "decisions"), 0), "action"), "report");
	json_decref(answer);
}

static int64_t of_work(const char *key)
{
	json_t *g = guest_json();
	int64_t n = number(json_object_get(g, "work"), key);

	json_decref(g);
	return n;
}

/* The parent keeps them until they are taken. */
static void send_files(unsigned from, unsigned n)
{
	struct m_guard_events m = { .events.len = 0 };
	struct m_guard_taken taken;

	for (unsigned i = from; i < from + n; i++) {
		struct warden_guard_event e = event_of(GUARD_FILE, "");

		e.detail = GUARD_READ;
		snprintf(e.path, sizeof(e.path), "/tmp/%u", i);
		memcpy(m.events.data + m.events.len, &e, sizeof(e));
		m.events.len += sizeof(e);
	}
	send_to(w.parent, &msg_guard_events, 0, &m, -1);
	expect(w.parent, &msg_guard_taken, &taken);
	assert_int_equal(taken.events, n);
}

static void a_kind_spends_its_own_quota_alone(void **state)
{
	struct warden_guard_event e = event_of(GUARD_USER_NAMESPACE, "");

	NEEDS_PROGRAMS();
	all_up();
	/* What is known costs nothing. */
	for (unsigned i = 0; i < 40; i++)
		send_files(0, 20);
	assert_int_equal(of_work("findings"), 20);
	assert_int_equal(of_work("findings_held"), 0);
	for (unsigned i = 0; i < 30; i++)
		send_files(100 + 20 * i, 20);
	assert_int_equal(of_work("findings"), 500);
	assert_int_equal(of_work("findings_held"), 120);
	send_incident(&e);
	expect_silence(w.parent, 300);
	assert_int_equal(of_work("findings"), 501);
	assert_int_equal(of_work("findings_held"), 120);
	verify_journal();
}

/* A child that outlived its VMM's guest. */
static void without_its_guest_it_is_a_finding_too(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");

	NEEDS_PROGRAMS();
	all_up();
	e.guest = 99;
	send_incident(&e);
	await_findings(1);
	expect_silence(w.parent, 300);
}

static void expect_taken(uint32_t held)
{
	struct m_guard_taken taken;

	expect(w.parent, &msg_guard_taken, &taken);
	assert_int_equal(taken.events, 1);
	assert_int_equal(taken.held, held);
}

static void unnamed_guest(void)
{
	struct m_guest_up up = { .guest = GUEST, .vmm_pid = VMM, .unnamed = 1 };

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
}

static void name_it(const char *name)
{
	struct m_guest_named m = { .guest = GUEST, .level = KVM_WARDEN_LEVEL_CONTENT };

	strcpy(m.name, name);
	send_to(w.parent, &msg_guest_named, 0, &m, -1);
}

static void expect_finding_of(const char *name)
{
	json_t *answer, *f;

	await_findings(1);
	answer = ctl("findings", 0);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	assert_string_equal(text(f, "guest_name"), name);
	json_decref(answer);
	verify_journal();
}

/* A VMM that keeps its guest's name back gets no other rule by that. */
static void judged_by_the_name_that_comes(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");

	unnamed_guest();
	api_refused("POST", "/v1/guests/7/level", "{\"level\":\"content\"}", 409, "not known yet");
	/* Nor by the same again, more often than is kept. */
	for (int i = 0; i < 300; i++) {
		send_incident(&e);
		expect_taken(!i);
	}
	expect_silence(w.parent, 300);
	name_it(NAME);
	expect_silence(w.parent, 300);
	expect_finding_of(NAME);
}

/* What tells them apart is not their path. */
static void each_deed_is_held_for_the_name(void **state)
{
	struct { uint32_t what, detail; uint64_t address; } deeds[] = {
		{ GUARD_SOCKET, AF_INET, 1 }, { GUARD_SOCKET, AF_INET6, 1 },
		{ GUARD_BIND, AF_INET, 80 }, { GUARD_BIND, AF_INET, 443 },
		{ GUARD_PTRACE, 2, 100 }, { GUARD_PTRACE, 2, 101 },
		{ GUARD_CONTROL, 9, 100 }, { GUARD_CONTROL, 9, 101 },
		{ GUARD_CAPABILITY, 0, 1 }, { GUARD_CAPABILITY, 0, 2 },
		{ GUARD_BPF, 5, 0 }, { GUARD_BPF, 6, 0 },
		{ GUARD_PTRACE, 1, 100 },	/* of the first one's finding */
	};

	unnamed_guest();
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		struct warden_guard_event e = event_of(deeds[i].what, "");

		e.detail = deeds[i].detail;
		e.address = deeds[i].address;
		if (e.what == GUARD_BIND)
			e.flags = GUARD_ADDRESS;
		send_incident(&e);
	}
	name_it(NAME);
	await_findings(ARRAY_SIZE(deeds) - 1);
	expect_silence(w.parent, 300);
	assert_int_equal(of_work("findings"), ARRAY_SIZE(deeds) - 1);
	verify_journal();
}

static void judged_by_another_name(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");

	unnamed_guest();
	send_incident(&e);
	expect_silence(w.parent, 300);
	name_it("");
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	expect_finding_of("");
}

static void told_of_one_that_never_had_a_name(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	struct m_guest_down down = { .guest = GUEST };

	unnamed_guest();
	send_incident(&e);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	expect_finding_of("");
}

/* ---- until it is on the disk the parent keeps it ---- */

static void what_is_taken_outlives_the_engine(void **state)
{
	struct warden_guard_event e = event_of(GUARD_FILE, "/etc/shadow");

	NEEDS_PROGRAMS();
	all_up();
	e.detail = GUARD_READ;
	send_incident(&e);
	expect_taken(0);
	end_engine(SIGKILL);
	start_engine();
	json_decref(ctl_when_up());
	await_findings(1);
	/* The same again, as of a parent that did not hear it was taken. */
	send_incident(&e);
	expect_taken(0);
	expect_finding_of(NAME);
}

static void what_waits_for_a_name_is_the_parents(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	struct m_guard_judged judged;
	json_t *answer;
	int status;

	unnamed_guest();
	send_incident(&e);
	expect_taken(1);
	send_incident(&e);
	expect_taken(0);
	/* An end in good order, and the parent lives. */
	kill(w.pid, SIGTERM);
	assert_int_equal(waitpid(w.pid, &status, 0), w.pid);
	close(w.parent);
	start_engine();
	unnamed_guest();
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 0);
	json_decref(answer);
	send_incident(&e);
	expect_taken(1);
	name_it("");
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	expect(w.parent, &msg_guard_judged, &judged);
	assert_int_equal(judged.guest, GUEST);
	expect_finding_of("");
}

/* Who would tell it again has ended, too. */
static void what_waits_as_wardend_ends_is_written(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");

	unnamed_guest();
	send_incident(&e);
	expect_taken(1);
	end_engine(0);
	start_engine();
	json_decref(ctl_when_up());
	expect_finding_of("");
}

/* The guard knows a VMM's processes by its first guest, also once that one is gone. */
static void another_guest_of_the_vmm_answers(void **state)
{
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	struct m_guest_up up = { .guest = GUEST + 1, .vmm_pid = VMM, .marked = GUEST,
				 .level = KVM_WARDEN_LEVEL_CONTENT, .name = "second" };
	struct m_guest_up forked = { .guest = GUEST + 2, .vmm_pid = VMM + 2, .marked = GUEST,
				     .level = KVM_WARDEN_LEVEL_CONTENT, .name = "forked" };
	struct m_guest_down down = { .guest = GUEST };
	uint64_t id;
	struct m_act act;

	NEEDS_PROGRAMS();
	all_up();
	send_to(w.parent, &msg_guest_up, 0, &forked, -1);	/* of another process: none of its doing */
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	send_incident(&e);
	expect_finding_of("second");
	id = expect(w.parent, &msg_act, &act);
	assert_true(id);
	assert_int_equal(act.guest, GUEST + 1);
	assert_int_equal(act.verb, HOST_PAUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_the_attackers),
		cmocka_unit_test(each_kind_has_its_words),
		cmocka_unit_test(what_our_programs_never_make_is_refused),
		cmocka_unit_test(rules_that_would_allow),
		T(status_tells),
		cmocka_unit_test_prestate_setup_teardown(a_finding_and_what_its_rule_says, setup, teardown, policy_guard),
		cmocka_unit_test_prestate_setup_teardown(a_rule_for_malware_leaves_vmms_alone, setup, teardown, policy_guard),
		cmocka_unit_test_prestate_setup_teardown(a_kind_spends_its_own_quota_alone, setup, teardown, policy_guard),
		cmocka_unit_test_prestate_setup_teardown(without_its_guest_it_is_a_finding_too, setup, teardown, policy_guard),
		cmocka_unit_test_prestate_setup_teardown(another_guest_of_the_vmm_answers, setup, teardown, policy_guard),
		cmocka_unit_test_prestate_setup_teardown(judged_by_the_name_that_comes, setup, teardown, policy_named),
		cmocka_unit_test_prestate_setup_teardown(judged_by_another_name, setup, teardown, policy_named),
		cmocka_unit_test_prestate_setup_teardown(told_of_one_that_never_had_a_name, setup, teardown, policy_named),
		T(each_deed_is_held_for_the_name),
		T(what_is_taken_outlives_the_engine),
		cmocka_unit_test_prestate_setup_teardown(what_waits_for_a_name_is_the_parents, setup, teardown, policy_named),
		cmocka_unit_test_prestate_setup_teardown(what_waits_as_wardend_ends_is_written, setup, teardown, policy_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

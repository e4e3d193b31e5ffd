// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal on the disk, as the running engine keeps it. */
#include "test_engine_world.h"

#include <sched.h>
#include <sys/mount.h>

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
	guest_with_kernel(true);
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
	struct stat st;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	end_engine(SIGKILL);		/* committed rows are in the -wal */
	snprintf(path, sizeof(path), "%s/state/journal/journal.db", w.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(chown(path, 0, 0) | chmod(path, 0600), 0);

	start_engine();
	s = ctl_when_up();
	assert_true(json_is_false(json_object_get(json_object_get(s, "journal"), "writable")));
	assert_string_not_equal(text(json_object_get(s, "journal"), "why"), "");
	json_decref(s);
	all_up();
	infected();
	expect_silence(w.channel, 300);
	assert_int_equal(end_engine(0), 0);
	assert_false(is_set_aside());

	/* As an engine of before, whose id all roles shared, has left it. */
	assert_int_not_equal(st.st_uid, 65534);
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
	guest_with_kernel(true);
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

/* ---- a full disk ---- */

static char policy_fallback[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill\nfallback = contain\npatience = 3s\n";

static char policy_breakout[] =
	"[rule vmm]\nmatch = Guard.Exec\nkinds = guard\nactions = report,contain\n";

static bool on_small_disk(void)
{
	char state[96];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	end_engine(0);
	snprintf(state, sizeof(state), "%s/state", w.dir);
	if (mount("small", state, "tmpfs", 0, "size=24m"))
		return false;
	start_engine();
	json_decref(ctl_when_up());
	return true;
}

/* As a guest's evidence, or anybody's log, would. */
static void fill_disk(void)
{
	static char block[4096];
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/state/ballast", w.dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void empty_disk(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/state/ballast", w.dir);
	assert_int_equal(unlink(path), 0);
}

static void expect_reserve(const char *wanted)
{
	for (int i = 0; i < 300; i++) {
		json_t *s = ctl("", 0);
		bool is = !strcmp(text(json_object_get(s, "journal"), "reserve"), wanted);

		json_decref(s);
		if (is)
			return;
		usleep(50000);
	}
	fail_msg("the reserve is not '%s'", wanted);
}

/* What a kill takes: found, decided, ordered, confirmed, all of it in the journal. */
static void kill_one(uint32_t pid)
{
	struct m_order o;

	send_result(expect(w.channel, &msg_order, &o), ORDER_DONE);
	assert_int_equal(o.pid, pid);
	answer_probe_of(pid, PROBE_GONE);
}

static void show_next(uint64_t id)
{
	show_program(id, PID + 1, "/tmp/miner", true);
	show_use(id, PID + 1);
}

static int leave_small_disk(void **state)
{
	char path[96];

	if (missing())
		return 0;
	if (w.pid)
		end_engine(0);
	snprintf(path, sizeof(path), "%s/state", w.dir);
	umount2(path, MNT_DETACH);
	return teardown(state);
}

static void need_small_disk(void)
{
	if (on_small_disk())
		return;
	print_message("skipped: no mounts can be made here\n");
	skip();
}

static void all_up_and_full(void)
{
	all_up();
	expect_reserve("kept");
	usleep(300000);
	fill_disk();
}

static void full_disk_disarms_nothing(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE };
	json_t *s, *answer;
	uint64_t id;

	NEEDS_PROGRAMS();
	need_small_disk();
	all_up_and_full();
	infected();
	/* What the full disk took back is asked for anew, and there is room for it. */
	await_question(M_SWEEP);
	id = in.id;
	show_miner(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	kill_one(PID);
	await_order("done", "killed");
	s = ctl("", 0);
	assert_string_equal(text(json_object_get(s, "journal"), "reserve"), "released");
	assert_true(json_is_true(json_object_get(json_object_get(s, "journal"), "writable")));
	json_decref(s);
	/* Again and again, while other events are left out. */
	sweep("e2", show_next);
	kill_one(PID + 1);
	s = ctl("", 0);
	assert_true(number(json_object_get(s, "journal"), "held") > 0);
	json_decref(s);
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 2);
	json_decref(answer);
	empty_disk();
	expect_reserve("kept");
	verify_journal();
	/* In status they are those of one full disk, in the metrics all of them. */
	answer = api("GET", "/metrics", "", 200);
	assert_non_null(strstr(json_string_value(answer), "\nkvm_warden_journal_events_lost_total "));
	assert_null(strstr(json_string_value(answer), "\nkvm_warden_journal_events_lost_total 0\n"));
	json_decref(answer);
}

/* The fallback's rows are taken back: whoever waited for it has not had it. */
static void full_disk_takes_no_fallback_back(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE };
	struct pollfd p = { .events = POLLIN };

	NEEDS_PROGRAMS();
	need_small_disk();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	expect_reserve("kept");
	infected();
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	usleep(300000);
	fill_disk();
	answer_probe(PROBE_RUNNING);
	p.fd = w.introspect;
	while (poll(&p, 1, 3000) == 1) {
		struct m_probed m = { .pid = PID, .start_ns = START, .state = PROBE_RUNNING };

		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == M_PROBE) {
			send_to(w.introspect, &msg_probed, in.id, &m, -1);
			continue;
		}
		if (in.type == M_SWEEP)
			show_miner(in.id);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
	}
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
	verify_journal();
}

/* The next of an act and the guard's receipts, which must be of that type. */
static uint64_t next_of_guard(const struct msg_schema *schema, void *value)
{
	do
		assert_int_equal(msg_recv(w.parent, &in, 0), 1);
	while (in.type != M_ACT && in.type != M_GUARD_TAKEN && in.type != M_GUARD_JUDGED);
	assert_true(msg_decode(&in, schema, value));
	return in.id;
}

static bool is_quiet(int ms)
{
	struct pollfd p = { w.parent, POLLIN, 0 };

	return !poll(&p, 1, ms);
}

static void guard_findings_are(size_t n)
{
	json_t *answer = ctl("findings", 0);

	assert_int_equal(json_array_size(json_object_get(answer, "findings")), n);
	json_decref(answer);
}

/* What the guard saw is told by it once: taken, it is in the journal, and answered. */
static void full_disk_loses_nothing_of_the_guard(void **state)
{
	struct m_acted acted = { .status = ACT_DONE };
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	struct m_guard_taken taken;
	struct m_act act;
	json_t *g;

	NEEDS_PROGRAMS();
	need_small_disk();
	all_up_and_full();
	send_incident(&e);
	send_to(w.parent, &msg_acted, next_of_guard(&msg_act, &act), &acted, -1);
	assert_int_equal(act.verb, HOST_CONTAIN);
	next_of_guard(&msg_guard_taken, &taken);
	await_contained(true);
	expect_reserve("released");
	/* Nor once the reserve is used up. */
	fill_disk();
	e = event_of(GUARD_USER_NAMESPACE, "");
	send_incident(&e);
	assert_true(is_quiet(1500));
	guard_findings_are(1);
	empty_disk();
	next_of_guard(&msg_guard_taken, &taken);
	assert_int_equal(taken.events, 1);
	guard_findings_are(2);
	g = guest_json();
	assert_int_equal(number(json_object_get(g, "work"), "findings"), 2);
	json_decref(g);
	verify_journal();
	end_engine(SIGKILL);
	start_engine();
	json_decref(ctl_when_up());
	guard_findings_are(2);
}

/* The name comes when the disk is full. */
static void full_disk_loses_nothing_that_was_held(void **state)
{
	struct m_guest_up up = { .guest = GUEST, .vmm_pid = VMM, .unnamed = 1 };
	struct m_guest_named named = { .guest = GUEST, .name = NAME };
	struct warden_guard_event e = event_of(GUARD_EXEC, "/bin/sh");
	struct m_acted acted = { .status = ACT_DONE };
	struct m_guard_judged judged;
	struct m_guard_taken taken;
	struct m_act act;

	NEEDS_PROGRAMS();
	need_small_disk();
	expect_reserve("kept");
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
	send_incident(&e);
	next_of_guard(&msg_guard_taken, &taken);
	assert_int_equal(taken.held, 1);
	usleep(300000);
	fill_disk();
	send_to(w.parent, &msg_guest_named, 0, &named, -1);
	send_to(w.parent, &msg_acted, next_of_guard(&msg_act, &act), &acted, -1);
	next_of_guard(&msg_guard_judged, &judged);
	assert_int_equal(judged.guest, GUEST);
	guard_findings_are(1);
	verify_journal();
}

/* It begins on a disk that is full already. */
static void full_disk_at_the_start(void **state)
{
	NEEDS_PROGRAMS();
	need_small_disk();
	expect_reserve("kept");
	end_engine(0);
	fill_disk();
	start_engine();
	json_decref(ctl_when_up());
	all_up();
	infected();
	kill_one(PID);
	await_order("done", "killed");
	verify_journal();
}

/* ---- what guests call their processes ---- */

static void hostile_names_come_out_right(void **state)
{
	static const char comm[] = "a\\x0a\\x1b[31m`id`$(id);'\"%n";
	struct m_task t = { .pid = PID, .start_ns = START, .cr3 = CR3, .argv = "x\\x0ay",
			    .exe = "/tmp/\\x1b]0;x\\x07; rm -rf $HOME #" };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *answer, *f;
	uint64_t id;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	strcpy(t.comm, comm);
	send_to(w.introspect, &msg_task, id, &t, -1);
	show_object(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Name");
	expect_silence(w.scan, 300);
	f = finding(&answer);
	assert_string_equal(text(f, "comm"), comm);
	assert_string_equal(text(f, "exe"), t.exe);
	assert_string_equal(text(json_object_get(f, "evidence"), "argv"), "x\\x0ay");
	json_decref(answer);
	verify_journal();
}

/* A byte that is not printable never passes an introspector's socket. */
static void raw_bytes_are_malformed(void **state)
{
	struct m_look m;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_program(id, PID, "/tmp/\033[31m\n", true);
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
}

#define D(f) cmocka_unit_test_setup_teardown(f, setup, leave_small_disk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(long_journal), T(broken_journal_is_set_aside), T(unusable_journal_is_left_alone),
		T(tampered_journal_is_told),
		D(full_disk_disarms_nothing),
		cmocka_unit_test_prestate_setup_teardown(full_disk_takes_no_fallback_back, setup,
							 leave_small_disk, policy_fallback),
		cmocka_unit_test_prestate_setup_teardown(full_disk_loses_nothing_of_the_guard, setup,
							 leave_small_disk, policy_breakout),
		cmocka_unit_test_prestate_setup_teardown(full_disk_loses_nothing_that_was_held, setup,
							 leave_small_disk, policy_breakout),
		D(full_disk_at_the_start),
		T(hostile_names_come_out_right), T(raw_bytes_are_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

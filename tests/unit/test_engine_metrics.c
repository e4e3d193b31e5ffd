// SPDX-License-Identifier: GPL-2.0-or-later
/* GET /metrics, held against promtool and against what was told. */
#include "test_engine_world.h"

#include "warden/guard.h"

static struct m_counters told = {
	.guest = GUEST, .exits = 9000, .emitted = 1000, .delivered = 700, .dropped = 100,
	.suppressed = 150, .missed = 40, .ring_full = 3, .seen_again = 17, .address_spaces = 21,
	.lag_us = 1500000, .lagged = 700, .vcpus = 2,
};

static char *metrics(void)
{
	json_t *answer = api("GET", "/metrics", "", 200);
	char *text = strdup(json_string_value(answer));

	json_decref(answer);
	assert_non_null(text);
	return text;
}

/* The value of the series that begins so; -1: there is none. */
static double value_in(const char *text, const char *series)
{
	const char *at = strstr(text, series);

	while (at && at != text && at[-1] != '\n')
		at = strstr(at + 1, series);
	return at ? strtod(at + strlen(series), NULL) : -1;
}

static void await(const char *series, double value)
{
	for (int i = 0; i < WAIT_MS / 50; i++) {
		char *text = metrics();
		bool is = value_in(text, series) == value;

		free(text);
		if (is)
			return;
		usleep(50000);
	}
	fail_msg("%s never was %g: %s", series, value, metrics());
}

static void tell(const struct m_counters *m)
{
	send_to(w.parent, &msg_counters, 0, m, -1);
}

#define G(name) "kvm_warden_guest_" name "{guest=\"7\",name=\"web-1\"} "

static void numbers_are_those_told(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	tell(&told);
	await(G("exits_total"), 9000);
	await(G("events_emitted_total"), 1000);
	await(G("events_delivered_total"), 700);
	await(G("events_dropped_total"), 100);
	await(G("events_suppressed_total"), 150);
	await(G("events_missed_total"), 40);
	await(G("events_in_flight"), 10);
	await(G("address_spaces_seen_again_total"), 17);
	await(G("event_lag_seconds_sum"), 1.5);
	await(G("event_lag_seconds_count"), 700);
	await("kvm_warden_events_total{fate=\"missed\"} ", 40);
	await("kvm_warden_events_ring_full_total ", 3);
	await(G("observed"), 1);
	await("kvm_warden_database_signatures ", 3);
	await("kvm_warden_roles_up{role=\"scan\"} ", 1);
	infected();
	await("kvm_warden_findings_total{kind=\"file\"} ", 1);
	await("kvm_warden_guest_objects{guest=\"7\",name=\"web-1\",state=\"infected\"} ", 1);
	await("kvm_warden_scan_bytes_total ", 7);
}

static void tell_of_guard(void)
{
	struct m_guard_state state = {
		.mode = GUARD_MODE_DENY, .state = GUARD_IS_WHOLE, .hooks = 22, .rules = 9,
	};
	struct m_guard_counts counts = {
		.guest = GUEST, .processes = 3, .unwatched = 1, .violations = 60, .denied = 50,
		.delivered = 40, .dropped = 5, .suppressed = 15,
	};
	struct warden_guard_event e = {
		.guest = GUEST, .time_ns = 1, .vmm = VMM, .pid = VMM, .what = GUARD_EXEC,
		.flags = GUARD_DENIED, .comm = "qemu", .path = "/bin/sh",
	};
	struct m_guard_events events = { .events.len = sizeof(e) };

	memcpy(events.events.data, &e, sizeof(e));
	send_to(w.parent, &msg_guard_state, 0, &state, -1);
	send_to(w.parent, &msg_guard_counts, 0, &counts, -1);
	/* The same finding, twice what it did. */
	send_to(w.parent, &msg_guard_events, 0, &events, -1);
	send_to(w.parent, &msg_guard_events, 0, &events, -1);
}

static void a_module_that_sees_nothing_is_told(void **state)
{
	struct m_module_state module = { .attached = 1, .state = "attached" };

	NEEDS_PROGRAMS();
	all_up();
	await("kvm_warden_module_attached ", 0);	/* nobody has said so yet */
	send_to(w.parent, &msg_module_state, 0, &module, -1);
	await("kvm_warden_module_attached ", 1);
	module = (struct m_module_state){ .state = "switched off" };
	send_to(w.parent, &msg_module_state, 0, &module, -1);
	await("kvm_warden_module_attached ", 0);
}

static void the_guard_is_told_of(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	await("kvm_warden_guard_info{mode=\"off\",state=\"off\"} ", 1);
	await(G("guard_violations_total"), -1);	/* not watched: no number, not 0 */
	tell_of_guard();
	await("kvm_warden_guard_info{mode=\"deny\",state=\"whole\"} ", 1);
	await("kvm_warden_guard_hooks ", 22);
	await(G("guard_processes"), 3);
	await(G("guard_unwatched_total"), 1);
	await(G("guard_violations_total"), 60);
	await(G("guard_denied_total"), 50);
	await(G("guard_delivered_total"), 40);
	await(G("guard_dropped_total"), 5);
	await(G("guard_suppressed_total"), 15);
	await("kvm_warden_guard_incidents_total{signature=\"Guard.Exec\",verdict=\"denied\"} ", 2);
	await("kvm_warden_guard_incidents_total{signature=\"Guard.Exec\",verdict=\"found\"} ", 0);
	await("kvm_warden_guard_incidents_total{signature=\"Guard.Module\",verdict=\"found\"} ", 0);
	await("kvm_warden_findings_total{kind=\"vmm guard\"} ", 1);
}

static void checks_are_told_with_their_age(void **state)
{
	struct m_integrity_done done = { .status = INTEGRITY_UNAVAILABLE, .what = "kvm_amd" };
	char *text;

	NEEDS_PROGRAMS();
	all_up();
	await("kvm_warden_integrity_info{guest=\"0\",what=\"kvm_amd\",status=\"unavailable\"} ", -1);
	send_to(w.parent, &msg_integrity_done, 0, &done, -1);
	await("kvm_warden_integrity_info{guest=\"0\",what=\"kvm_amd\",status=\"unavailable\"} ", 1);
	done.status = INTEGRITY_CLEAN;
	done.guest = GUEST;
	strcpy(done.what, "VMM");
	send_to(w.parent, &msg_integrity_done, 0, &done, -1);
	await("kvm_warden_integrity_info{guest=\"7\",what=\"VMM\",status=\"clean\"} ", 1);
	text = metrics();
	assert_true(value_in(text, "kvm_warden_integrity_checked_timestamp_seconds{guest=\"7\",what=\"VMM\"} ") >=
		    time(NULL) - 60);
	free(text);
}

/* What it emitted last comes after it is down; no total ever goes back. */
static void totals_outlive_guests(void **state)
{
	struct m_guest_down down = { GUEST };
	struct m_counters last = told;

	NEEDS_PROGRAMS();
	all_up();
	tell(&told);
	await("kvm_warden_events_emitted_total ", 1000);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	await("kvm_warden_guests ", 0);
	await("kvm_warden_events_emitted_total ", 1000);
	last.emitted = last.delivered = 1003;
	last.dropped = last.suppressed = last.missed = 0;
	last.last = 1;
	tell(&last);
	await("kvm_warden_events_emitted_total ", 1003);
	await("kvm_warden_events_total{fate=\"delivered\"} ", 1003);
	await("kvm_warden_guests_departed_total ", 1);
}

/* As when a host's VMs are all shut down: each is counted once. */
static void many_guests_end_at_once(void **state)
{
	enum { MANY = 300 };
	struct m_counters c = { .emitted = 10, .delivered = 10 };
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_OFF };
	struct m_guest_down down;

	NEEDS_PROGRAMS();
	all_up();
	for (unsigned i = 1; i <= MANY; i++) {
		c.guest = up.guest = GUEST + i;
		up.vmm_pid = VMM + i;
		send_to(w.parent, &msg_guest_up, 0, &up, -1);
		tell(&c);
	}
	await("kvm_warden_events_emitted_total ", 10 * MANY);
	for (unsigned i = 1; i <= MANY; i++) {
		down.guest = GUEST + i;
		send_to(w.parent, &msg_guest_down, 0, &down, -1);
	}
	await("kvm_warden_guests ", 1);
	await("kvm_warden_events_emitted_total ", 10 * MANY);
	c.last = 1;
	for (unsigned i = 1; i <= MANY; i++) {
		c.guest = GUEST + i;
		tell(&c);
	}
	tell(&told);
	await("kvm_warden_events_emitted_total ", 10 * MANY + 1000);
	await("kvm_warden_guests_departed_total ", MANY);
}

static void restarts_outlive_guests(void **state)
{
	struct m_guest_down down = { GUEST };

	NEEDS_PROGRAMS();
	all_up();
	introspector_again();
	introspector_again();
	await("kvm_warden_role_restarts_total{role=\"introspect\"} ", 2);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	await("kvm_warden_guests ", 0);
	await("kvm_warden_roles_up{role=\"introspect\"} ", 0);
	await("kvm_warden_role_restarts_total{role=\"introspect\"} ", 2);
}

/* By the state they are in now: a number that falls is no counter. */
static void states_are_gauges(void **state)
{
	static const char sent[] = "kvm_warden_orders{verb=\"kill\",state=\"sent\",outcome=\"\"} ";
	uint64_t id;
	char *text;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	id = expect_order();
	await(sent, 1);
	send_result(id, ORDER_DONE);
	answer_probe(PROBE_GONE);
	await("kvm_warden_orders{verb=\"kill\",state=\"done\",outcome=\"killed\"} ", 1);
	await(sent, -1);
	text = metrics();
	assert_non_null(strstr(text, "# TYPE kvm_warden_orders gauge\n"));
	assert_non_null(strstr(text, "# TYPE kvm_warden_acts gauge\n"));
	free(text);
}

/* `wardenctl metrics FILE` ends so, and leaves this in the file. */
static char *file_of_numbers(int expected)
{
	static char content[1 << 20];
	char path[128], command[512];
	size_t n;
	int status;
	FILE *f;

	snprintf(path, sizeof(path), "%s/kvm_warden.prom", w.dir);
	snprintf(command, sizeof(command), "%s --socket %s metrics %s", getenv("WARDENCTL"), w.socket,
		 path);
	status = system(command);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), expected);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(content, 1, sizeof(content) - 1, f);
	fclose(f);
	content[n] = '\0';
	return content;
}

static void a_daemon_that_is_down_is_told(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	await("kvm_warden_guests ", 1);
	await("kvm_warden_build_info{version=\"" WARDEN_VERSION "\"} ", 1);
	assert_true(value_in(file_of_numbers(0), "kvm_warden_up ") == 1);
	end_engine(0);
	assert_string_equal(file_of_numbers(3), "# HELP kvm_warden_up 1 if wardend answers.\n"
			    "# TYPE kvm_warden_up gauge\nkvm_warden_up 0\n");
}

static void promtool_finds_nothing(void **state)
{
	static const char hostile[] = "a\"b\\\\c} 7";
	struct m_guest_up up = { .guest = GUEST + 1, .vmm_pid = VMM + 1, .level = KVM_WARDEN_LEVEL_OFF };
	const char *promtool = getenv("WARDEN_PROMTOOL");
	char *text, command[512];
	FILE *f;

	NEEDS_PROGRAMS();
	if (!promtool || access(promtool, X_OK)) {
		print_message("skipped: WARDEN_PROMTOOL names no promtool: scripts/setup fetches it\n");
		skip();
	}
	all_up();
	tell(&told);
	tell_of_guard();
	infected();
	strcpy(up.name, hostile);
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
	await("kvm_warden_guest_level_info{guest=\"8\",name=\"a\\\"b\\\\\\\\c} 7\",level=\"off\"} ", 1);
	await("kvm_warden_guests_unobserved ", 1);
	text = metrics();
	snprintf(command, sizeof(command), "%s check metrics 2>&1", promtool);
	f = popen(command, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(pclose(f), 0);
	/* It reads them at all. */
	f = popen(command, "w");
	fputs("# TYPE x counter\nx{a=\"b\" 7\n", f);
	assert_int_not_equal(pclose(f), 0);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(numbers_are_those_told), T(a_module_that_sees_nothing_is_told), T(the_guard_is_told_of),
		T(checks_are_told_with_their_age),
		T(totals_outlive_guests), T(many_guests_end_at_once),
		T(restarts_outlive_guests), T(states_are_gauges),
		T(a_daemon_that_is_down_is_told), T(promtool_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

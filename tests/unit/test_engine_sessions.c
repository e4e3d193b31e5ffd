// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose session gets whose orders: CIDs, and the nonce in the guest's memory. */
#include "test_engine_world.h"

/* A second guest, and the CID that is said to be its. */
static int other_guest(const char *source)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST + 1, .vmm_pid = VMM + 1, .name = "thief" };
	struct m_guest_cid c = { .guest = GUEST + 1, .cid = CID };
	int s[2];

	pair(s);
	strcpy(c.source, source);
	guest_comes(&up, s[1]);
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
	all_up();
	other = other_guest("command line");
	infected();
	expect_order();
	assert_int_equal(claims(), 1);
	close(other);
}

/* A second guest sets the CID: the order for ours is withheld. */
static int order_withheld(void)
{
	int other = other_guest("bpf");

	infected();
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_silence(w.channel, 200);
	return other;
}

static void expect_withheld_order(void)
{
	answer_probe(PROBE_RUNNING);
	expect_order();
}

/* Both have it: no orders for either. */
static int cid_of_two(void)
{
	int other;

	all_up();
	other = order_withheld();
	assert_int_equal(claims(), 1);
	return other;
}

static void cid_of_two_gets_no_orders(void **state)
{
	struct m_guest_down down = { .guest = GUEST + 1 };
	int other;

	NEEDS_PROGRAMS();
	other = cid_of_two();
	/* Alone with it again. */
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	expect_withheld_order();
	close(other);
}

static void cid_let_go_is_the_others(void **state)
{
	struct m_guest_cid none = { .guest = GUEST + 1 };
	json_t *g;
	int other;

	NEEDS_PROGRAMS();
	other = cid_of_two();
	send_to(w.parent, &msg_guest_cid, 0, &none, -1);
	expect_withheld_order();
	g = ctl("guests thief", 0);
	assert_true(json_is_null(json_object_get(g, "cid")));
	assert_string_equal(text(g, "cid_source"), "");
	json_decref(g);
	close(other);
}

/* What its VMM's command line says is less than what the other's did. */
static void cid_let_go_but_for_its_name(void **state)
{
	struct m_guest_cid c = { .guest = GUEST + 1, .cid = CID, .source = "command line" };
	int other;

	NEEDS_PROGRAMS();
	other = cid_of_two();
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	expect_withheld_order();
	assert_int_equal(claims(), 2);
	close(other);
}

/* Who has it by its VMM's command line loses it to one that set it, and has it back. */
static void cid_comes_back(void **state)
{
	struct m_guest_cid ours = { .guest = GUEST, .cid = CID, .source = "command line" };
	struct m_guest_cid none = { .guest = GUEST + 1 };
	int other;

	NEEDS_PROGRAMS();
	all_up();
	send_to(w.parent, &msg_guest_cid, 0, &ours, -1);
	other = order_withheld();
	send_to(w.parent, &msg_guest_cid, 0, &none, -1);
	expect_withheld_order();
	close(other);
}

static const json_t *session(json_t **ret_guest)
{
	*ret_guest = guest_json();
	return json_object_get(*ret_guest, "session");
}

static void expect_session(const char *state, const char *why)
{
	for (int i = 0; i < 100; i++) {
		json_t *g;
		const json_t *s = session(&g);
		bool is = !strcmp(text(s, "state"), state) && strstr(text(s, "why"), why);

		json_decref(g);
		if (is)
			return;
		usleep(50000);
	}
	json_dumpf(guest_json(), stderr, JSON_INDENT(1));
	fail_msg("the session is not '%s', '%s'", state, why);
}

static void orders_wait_until_bound(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	log_in_as(NAME, CAN(KILL));
	await_question(M_BEACON);
	look();
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_session("binding", "");
	expect_silence(w.channel, 200);
}

static void absent_nonce_is_refused(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	log_in_as(NAME, CAN(KILL));
	/* Guest memory may be read while it is written. */
	for (int i = 0; i < 6; i++) {
		expect_silence(w.channel, 50);
		answer_beacon(BEACON_ABSENT);
	}
	expect_bound(0);
	session_down();
	expect_session("refused", "not in this guest's memory");
	infected();
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_silence(w.channel, 200);
	/* The next one may be honest. */
	log_in_as(NAME, CAN(KILL));
	answer_beacon(BEACON_THERE);
	expect_bound(1);
	answer_probe(PROBE_RUNNING);
	expect_order();
}

static void unknown_is_asked_again(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	log_in_as(NAME, CAN(KILL));
	for (int i = 0; i < 8; i++)
		answer_beacon(BEACON_UNKNOWN);
	expect_session("binding", "as the test says");
	expect_silence(w.channel, 50);
	answer_beacon(BEACON_ABSENT);
	answer_beacon(BEACON_THERE);
	expect_bound(1);
	expect_session("bound", "");
}

static void agent_of_another_guest_is_refused(void **state)
{
	json_t *g;

	NEEDS_PROGRAMS();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	log_in_as("db-1", CAN(KILL));
	expect_bound(0);
	/* It is not even asked for in that guest's memory. */
	expect_silence(w.introspect, 200);
	expect_session("refused", "agent of guest db-1 behind the CID of guest web-1");
	g = guest_json();
	assert_string_equal(text(g, "strategy"), "host");
	assert_true(json_is_false(json_object_get(g, "agent")));
	json_decref(g);
}

static void waits_for_the_kernel(void **state)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST, .vmm_pid = VMM, .name = NAME };
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "bpf" };
	int s[2];

	NEEDS_PROGRAMS();
	json_decref(ctl_when_up());
	w.channel = role_up("channel", 0);
	log_in_as(NAME, CAN(KILL));
	pair(s);
	guest_comes(&up, s[1]);
	w.introspect = s[0];
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	expect_session("binding", "kernel is not found");
	expect_silence(w.introspect, 100);
	say_kernel();
	answer_sweep(0);
	answer_beacon(BEACON_THERE);
	expect_bound(1);
}

/* A guest without a name takes the first agent, for its life; that agent takes no other. */
static void nameless_guest_has_one_agent(void **state)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST, .vmm_pid = VMM };
	struct m_guest_up other = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST + 1, .vmm_pid = VMM + 1 };
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "bpf" };
	struct m_guest_cid d = { .guest = GUEST + 1, .cid = CID + 1, .source = "bpf" };
	struct m_session m = { .cid = CID + 1, .up = 1, .agent = "first", .nonce = { 99 } };
	struct m_bound bound;
	int s[2];

	NEEDS_PROGRAMS();
	w.channel = role_up("channel", 0);
	pair(s);
	guest_comes(&up, s[1]);
	w.introspect = s[0];
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	say_kernel();
	answer_sweep(0);
	log_in_as("first", CAN(KILL));
	answer_beacon(BEACON_THERE);
	expect_bound(1);
	log_in_as("second", CAN(KILL));
	expect_bound(0);
	send_to(w.parent, &msg_guest_up, 0, &other, -1);
	send_to(w.parent, &msg_guest_cid, 0, &d, -1);
	send_to(w.channel, &msg_session, 0, &m, -1);
	expect(w.channel, &msg_bound, &bound);
	assert_int_equal(bound.cid, CID + 1);
	assert_int_equal(bound.bound, 0);
	assert_non_null(strstr(bound.why, "agent of guest 7"));
}

/* The end of a session that another replaced ends nothing. */
/* Nor one of a named guest's name, though that guest's own has not come yet. */
static void nameless_guest_takes_no_name(void **state)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST, .vmm_pid = VMM };
	struct m_guest_up named = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST + 1, .vmm_pid = VMM + 1, .name = NAME };
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "bpf" };

	NEEDS_PROGRAMS();
	w.channel = role_up("channel", 0);
	send_to(w.parent, &msg_guest_up, 0, &up, -1);
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	send_to(w.parent, &msg_guest_up, 0, &named, -1);
	log_in_as(NAME, CAN(KILL));
	expect_bound(0);
	expect_session("refused", "agent of guest 8 behind the CID of guest 7");
}

static void end_of_an_older_session(void **state)
{
	struct m_session old = { .cid = CID, .agent = NAME, .nonce = { 1 } };

	NEEDS_PROGRAMS();
	all_up();
	session_up();
	assert_int_equal(w.nonce, 2);
	send_to(w.channel, &msg_session, 0, &old, -1);
	expect_session("bound", "");
	infected();
	expect_order();
}

static void lost_introspector_is_asked_anew(void **state)
{
	NEEDS_PROGRAMS();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	log_in_as(NAME, CAN(KILL));
	await_question(M_BEACON);
	close(w.introspect);
	w.introspect = role_up("introspect", GUEST);
	say_kernel();
	answer_sweep(0);
	answer_beacon(BEACON_THERE);
	expect_bound(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cid_of_another_is_not_taken), T(cid_of_two_gets_no_orders),
		T(cid_let_go_is_the_others), T(cid_let_go_but_for_its_name), T(cid_comes_back),
		T(orders_wait_until_bound), T(absent_nonce_is_refused), T(unknown_is_asked_again),
		T(agent_of_another_guest_is_refused), T(waits_for_the_kernel),
		T(nameless_guest_has_one_agent), T(nameless_guest_takes_no_name),
		T(end_of_an_older_session),
		T(lost_introspector_is_asked_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

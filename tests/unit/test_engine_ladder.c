// SPDX-License-Identifier: GPL-2.0-or-later
/* When an agent's answer came to nothing: what the host does, and when it does not. */
#include "test_engine_world.h"

static char policy[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill\n"
	"fallback = contain+link_down, power_off\npatience = 1s\nexpiry = 90s\n";
static char policy_patient[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill\nfallback = contain\npatience = 5m\n";
static char policy_limit[] =
	"[rule test]\nmatch = Test.*\nactions = report,contain\nlimit = 1/60m\n";
static char policy_direct[] =
	"[rule test]\nmatch = Test.*\nactions = report,link_down,contain\n";

static char policy_pause[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill\nfallback = pause\npatience = 1s\n";

#define EXPIRY 90000

/* An infected process, and no agent that could be told. */
static void no_agent(void)
{
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	infected();
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
}

static void contain(void)
{
	answer_act(HOST_CONTAIN, EXPIRY, ACT_DONE);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	await_contained(true);
}

static void missing_agent_is_waited_for(void **state)
{
	json_t *g, *answer, *f;
	uint64_t before;

	NEEDS_PROGRAMS();
	no_agent();
	before = mono();
	answer_probe(PROBE_RUNNING);
	assert_true(mono() - before > 500000000ull);
	contain();
	expect_silence(w.parent, 300);
	g = guest_json();
	assert_true(json_is_true(json_object_get(g, "link_down")));
	assert_true(json_is_false(json_object_get(g, "paused")));
	assert_string_equal(text(g, "strategy"), "host");
	f = json_object_get(g, "containment");
	assert_string_equal(text(f, "by"), "policy");
	assert_true(number(f, "until_wall_ns") > number(f, "since_wall_ns"));
	assert_true(number(f, "finding") > 0);
	json_decref(g);
	f = finding(&answer);
	assert_int_equal(json_array_size(json_object_get(f, "acts")), 2);
	json_decref(answer);
	assert_true(is_noted("fallback, step 1 of 2: no session"));
	verify_journal();
}

static void ended_process_contains_nobody(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_GONE);
	expect_silence(w.parent, 500);
	await_order("undeliverable", "gone");
	assert_false(is_contained());
}

static void agent_in_time_is_asked(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	session_up();
	answer_probe(PROBE_RUNNING);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	expect_silence(w.parent, 1500);
	await_order("done", "killed");
}

static void next_step_when_one_fails(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_CONTAIN, EXPIRY, ACT_FAILED);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	answer_act(HOST_POWER_OFF, 0, ACT_UNAVAILABLE);
	expect_silence(w.parent, 300);
	assert_true(is_noted("step 2 of 2"));
	assert_true(is_noted("no step could be carried out"));
	assert_false(is_contained());
	verify_journal();
}

static void silent_agent(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	contain();
	assert_true(is_noted("no answer in time"));
}

static void refusing_agent(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_REFUSED);
	answer_probe(PROBE_RUNNING);
	contain();
}

static void lying_agent(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	contain();
	assert_true(is_noted("introspection sees it run"));
}

/* What nobody could check is not held against the agent. */
static void unconfirmed_is_no_lie(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_UNKNOWN);
	await_order("done", "unconfirmed");
	expect_silence(w.parent, 300);
}

static void agent_that_cannot_kill(void **state)
{
	json_t *g;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	session_with(CAN(QUARANTINE));
	g = guest_json();
	assert_string_equal(text(g, "strategy"), "host");
	assert_string_equal(text(g, "strategy_why"), "its agent does not offer kill");
	json_decref(g);
	infected();
	answer_probe(PROBE_RUNNING);
	contain();
	expect_silence(w.channel, 100);
}

/* A contained guest's agent is frozen: nothing is sent to it, nothing held against it. */
static void contained_guest_waits(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_REFUSED);
	answer_probe(PROBE_RUNNING);
	contain();
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	sweep("e2", show_miner);
	expect_silence(w.channel, 300);
	await_order("refused", "running");
	/* It expired, or somebody released it. */
	say_flags(0);
	await_contained(false);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	expect_silence(w.parent, 300);
	assert_int_equal(status_number("kills_confirmed"), 1);
	verify_journal();
}

/* An order under way when the guest is stopped is tried again when it runs. */
static void stopped_before_the_answer(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("no answer in time", "running");
	expect_silence(w.parent, 1500);
	say_flags(0);
	answer_probe(PROBE_RUNNING);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	await_order("done", "killed");
}

static void containment_is_found_again(void **state)
{
	json_t *g, *c;

	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	contain();
	end_engine(SIGKILL);
	start_engine();
	json_decref(ctl_when_up());
	guest_with_kernel(true);
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	await_contained(true);
	g = guest_json();
	c = json_object_get(g, "containment");
	assert_string_equal(text(c, "by"), "policy");
	assert_true(number(c, "finding") > 0);
	assert_true(json_is_integer(json_object_get(c, "until_wall_ns")));
	assert_true(json_is_true(json_object_get(g, "link_down")));
	json_decref(g);
	/* It is answer enough: nothing is done again. */
	expect_silence(w.parent, 1500);
	say_flags(0);
	await_contained(false);
	verify_journal();
}

/* The engine ended between asking and being answered: the module knows. */
static void unanswered_containment_is_found(void **state)
{
	json_t *g;

	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	expect_act(HOST_CONTAIN, EXPIRY);
	end_engine(SIGKILL);
	start_engine();
	json_decref(ctl_when_up());
	guest_with_kernel(true);
	assert_false(is_contained());
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	await_contained(true);
	g = guest_json();
	assert_string_equal(text(json_object_get(g, "containment"), "by"), "policy");
	json_decref(g);
	expect_silence(w.parent, 1500);
	verify_journal();
}

static void restart(void)
{
	end_engine(SIGKILL);
	start_engine();
	json_decref(ctl_when_up());
	guest_with_kernel(true);
}

/* The engine ended before the VMM answered: that it paused the guest is not known. */
static void unanswered_pause_is_no_answer(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	expect_act(HOST_PAUSE, 0);
	restart();
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	expect_silence(w.parent, 300);
	verify_journal();
}

/* And if it did, an operator can end it. */
static void unanswered_pause_is_ended(void **state)
{
	int fd;

	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	expect_act(HOST_PAUSE, 0);
	restart();
	fd = api_send("POST", "/v1/guests/7/thaw", "{}");
	answer_act(HOST_RESUME, 0, ACT_DONE);
	json_decref(api_end(fd, 200));
}

static void say_exits(uint64_t exits)
{
	struct m_counters m = { .guest = GUEST, .vcpus = 2, .exits = exits };

	send_to(w.parent, &msg_counters, 0, &m, -1);
}

static bool is_paused(void)
{
	json_t *g = guest_json();
	bool is = json_is_true(json_object_get(g, "paused"));

	json_decref(g);
	return is;
}

/* Resumed by another hand, or never paused: the kernel's count outranks the VMM's word. */
static void paused_guest_that_runs(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	say_exits(1000);
	say_exits(1000);
	usleep(1200000);
	assert_true(is_paused());
	say_exits(1001);
	usleep(100000);
	assert_false(is_paused());
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_PAUSE, 0, ACT_DONE);
	verify_journal();
}

/* The agent is missing still when its guest runs again, and the process is there. */
static void contained_again_after_expiry(void **state)
{
	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	contain();
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	say_flags(0);
	await_contained(false);
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_CONTAIN, EXPIRY, ACT_DONE);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
}

/* What a rule wants at once: asked for, and not answered. */
static void direct_answers_outlive_the_engine(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	infected();
	expect_act(HOST_LINK_DOWN, 0);
	expect_act(HOST_CONTAIN, 0);
	restart();
	scanner_up();
	infected();
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
	/* Done, and ended by an operator: no other engine does it again. */
	say_flags(0);
	await_contained(false);
	usleep(300000);			/* that it is so reaches the disk */
	restart();
	scanner_up();
	infected();
	expect_silence(w.parent, 500);
	verify_journal();
}

static void contained_by_nobody_we_know(void **state)
{
	json_t *g;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	await_contained(true);
	g = guest_json();
	assert_string_equal(text(json_object_get(g, "containment"), "by"), "unknown");
	json_decref(g);
}

static void show_two(uint64_t id)
{
	show_miner(id);
	show_program(id, PID + 1, "/tmp/miner", true);
	show_use(id, PID + 1);
}

static void show_infected_init(uint64_t id)
{
	show_program(id, 1, "/sbin/init", true);
	show_object_of(id, 1);
}

static void infected_init(void)
{
	all_up();
	sweep("epoch-2", show_infected_init);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe_of(1, PROBE_RUNNING);
	answer_probe_of(1, PROBE_RUNNING);	/* patience is over */
}

static void seen_again(const char *epoch)
{
	sweep(epoch, show_infected_init);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
}

/* Whom no agent can be told to end. */
static void process_one_is_the_hosts(void **state)
{
	NEEDS_PROGRAMS();
	infected_init();
	contain();
	assert_true(is_noted("kill withheld: process 1"));
	assert_true(is_noted("fallback, step 1 of 2: no agent is told to end process 1"));
	seen_again("epoch-3");
	expect_silence(w.parent, 300);
	expect_silence(w.channel, 0);
	verify_journal();
}

/* An operator's thaw stands, whatever is found of it again. */
static void process_one_stays_thawed(void **state)
{
	int fd;

	NEEDS_PROGRAMS();
	infected_init();
	contain();
	fd = api_send("POST", "/v1/guests/7/thaw", "{}");
	answer_act(HOST_LINK_UP, 0, ACT_DONE);
	answer_act(HOST_RELEASE, 0, ACT_DONE);
	json_decref(api_end(fd, 200));
	await_contained(false);
	seen_again("epoch-3");
	expect_silence(w.parent, 1500);
	restart();
	scanner_up();
	seen_again("epoch-4");
	expect_silence(w.parent, 1500);
}

static void process_one_is_contained_after_expiry(void **state)
{
	NEEDS_PROGRAMS();
	infected_init();
	contain();
	say_flags(KVM_WARDEN_GUEST_CONTAINED);
	say_flags(0);
	await_contained(false);
	answer_probe_of(1, PROBE_RUNNING);
	answer_act(HOST_CONTAIN, EXPIRY, ACT_DONE);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
}

static void show_nameless(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", false);
	show_object(id);
}

static void show_named(uint64_t id)
{
	show_task(id);
	show_object(id);
}

/* A program that has dropped its own pages. */
static void nameless(void)
{
	all_up();
	sweep("epoch-2", show_nameless);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe(PROBE_RUNNING);
}

static void process_without_identity_is_the_hosts(void **state)
{
	NEEDS_PROGRAMS();
	nameless();
	expect_silence(w.channel, 300);
	answer_probe(PROBE_RUNNING);
	contain();
	assert_true(is_noted("fallback, step 1 of 2: nothing of its executable is in memory"));
}

static void ended_process_without_identity_contains_nobody(void **state)
{
	NEEDS_PROGRAMS();
	nameless();
	answer_probe(PROBE_GONE);
	expect_silence(w.parent, 1500);
	await_order("undeliverable", "gone");
}

static void identity_in_time_is_the_agents(void **state)
{
	NEEDS_PROGRAMS();
	nameless();
	sweep("epoch-3", show_named);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	answer_probe(PROBE_RUNNING);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	expect_silence(w.parent, 1500);
	await_order("done", "killed");
}

/* What was cut in part is shown, not believed, and given back. */
static void links_cut_in_part(void **state)
{
	json_t *g;
	int fd;

	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_CONTAIN, EXPIRY, ACT_FAILED);
	answer_act(HOST_LINK_DOWN, 0, ACT_PARTLY);
	answer_act(HOST_POWER_OFF, 0, ACT_UNAVAILABLE);
	g = guest_json();
	assert_true(json_is_true(json_object_get(g, "link_down")));
	json_decref(g);
	restart();
	scanner_up();
	fd = api_send("POST", "/v1/guests/7/thaw", "{}");
	answer_act(HOST_LINK_UP, 0, ACT_DONE);
	json_decref(api_end(fd, 200));
	g = guest_json();
	assert_true(json_is_false(json_object_get(g, "link_down")));
	json_decref(g);
}

static void limit_counts_answers_of_the_host(void **state)
{
	json_t *answer;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	infected();
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
	say_flags(0);
	await_contained(false);
	/* Released: another process of the same rule contains it no second time. */
	sweep("e2", show_two);
	expect_silence(w.parent, 500);
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 2);
	json_decref(answer);
	assert_false(is_contained());
}

/* Else a guest whose VMM takes no order used up what the others' answers need. */
static void limit_counts_no_failures(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	infected();
	answer_act(HOST_CONTAIN, 0, ACT_FAILED);
	sweep("e2", show_two);
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
}

static void direct_answers_in_their_order(void **state)
{
	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	infected();
	answer_act(HOST_LINK_DOWN, 0, ACT_UNAVAILABLE);
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
	/* Another finding contains nothing anew. */
	sweep("e2", show_two);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	expect_silence(w.parent, 300);
	verify_journal();
}

/* The module's answer comes while the VMM's monitor hangs; returns what that was asked. */
static uint64_t contained_before_its_links_are_down(void)
{
	uint64_t id;

	scanner_up();
	guest_with_kernel(true);
	infected();
	id = expect_act(HOST_LINK_DOWN, 0);
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_contained(true);
	return id;
}

static void module_waits_for_no_monitor(void **state)
{
	struct m_acted m = { .status = ACT_UNAVAILABLE, .detail = "it did not answer" };
	uint64_t id;

	NEEDS_PROGRAMS();
	id = contained_before_its_links_are_down();
	send_to(w.parent, &msg_acted, id, &m, -1);
	expect_silence(w.parent, 300);
	assert_true(is_contained());
	verify_journal();
}

/* An operator's thaw ends what is still on its way, too. */
static void thaw_is_behind_what_hangs(void **state)
{
	struct m_acted m = { .status = ACT_DONE };
	uint64_t id;
	int fd;

	NEEDS_PROGRAMS();
	id = contained_before_its_links_are_down();
	fd = api_send("POST", "/v1/guests/web-1/thaw", "");
	answer_act(HOST_RELEASE, 0, ACT_DONE);
	expect_silence(w.parent, 300);
	send_to(w.parent, &msg_acted, id, &m, -1);
	answer_act(HOST_LINK_UP, 0, ACT_DONE);
	json_decref(api_end(fd, 200));
	assert_false(is_contained());
	verify_journal();
}

/* The guest is down because of what was asked: the answer is in the journal all the same. */
static void answer_after_the_end(void **state)
{
	struct m_guest_down down = { .guest = GUEST };
	struct m_acted m = { .status = ACT_DONE, .detail = "quit" };
	json_t *s;
	uint64_t id;

	NEEDS_PROGRAMS();
	no_agent();
	answer_probe(PROBE_RUNNING);
	answer_act(HOST_CONTAIN, EXPIRY, ACT_FAILED);
	answer_act(HOST_LINK_DOWN, 0, ACT_DONE);
	id = expect_act(HOST_POWER_OFF, 0);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(100000);
	send_to(w.parent, &msg_acted, id, &m, -1);
	usleep(100000);
	s = ctl("", 0);
	assert_int_equal(number(json_object_get(s, "acts"), "done"), 2);
	assert_int_equal(number(json_object_get(s, "acts"), "sent"), 0);
	json_decref(s);
	verify_journal();
}

static void late_answer_of_the_parent(void **state)
{
	struct m_acted m = { .status = ACT_DONE };

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_to(w.parent, &msg_acted, 123456, &m, -1);
	assert_false(is_contained());
}

int main(void)
{
#define P(f, p) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, p)
	const struct CMUnitTest tests[] = {
		P(missing_agent_is_waited_for, policy), P(ended_process_contains_nobody, policy),
		P(agent_in_time_is_asked, policy), P(next_step_when_one_fails, policy),
		P(silent_agent, policy), P(refusing_agent, policy), P(lying_agent, policy),
		P(unconfirmed_is_no_lie, policy), P(agent_that_cannot_kill, policy),
		P(contained_guest_waits, policy), P(stopped_before_the_answer, policy),
		P(containment_is_found_again, policy), P(unanswered_containment_is_found, policy),
		P(contained_by_nobody_we_know, policy), P(answer_after_the_end, policy),
		P(unanswered_pause_is_no_answer, policy_pause), P(unanswered_pause_is_ended, policy_pause),
		P(paused_guest_that_runs, policy_pause), P(contained_again_after_expiry, policy),
		P(direct_answers_outlive_the_engine, policy_direct),
		P(process_one_is_the_hosts, policy), P(process_one_stays_thawed, policy),
		P(process_one_is_contained_after_expiry, policy),
		P(process_without_identity_is_the_hosts, policy),
		P(ended_process_without_identity_contains_nobody, policy),
		P(identity_in_time_is_the_agents, policy_patient), P(links_cut_in_part, policy),
		P(limit_counts_answers_of_the_host, policy_limit),
		P(limit_counts_no_failures, policy_limit),
		P(direct_answers_in_their_order, policy_direct),
		P(module_waits_for_no_monitor, policy_direct),
		P(thaw_is_behind_what_hangs, policy_direct), T(late_answer_of_the_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

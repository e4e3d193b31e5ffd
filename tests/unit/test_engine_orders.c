// SPDX-License-Identifier: GPL-2.0-or-later
/* Findings to orders, and what becomes of those: sent once, confirmed from outside. */
#include "test_engine_world.h"

static void event_to_confirmed_kill(void **state)
{
	json_t *answer, *f, *o, *d;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_RUNNING);
	answer_probe(PROBE_GONE);
	await_order("done", "killed");

	f = finding(&answer);
	assert_int_equal(number(f, "guest"), GUEST);
	assert_int_equal(number(f, "vmm_pid"), VMM);
	assert_int_equal(number(f, "pid"), PID);
	assert_int_equal(number(f, "start_ns"), START);
	assert_string_equal(text(f, "comm"), "miner");
	assert_string_equal(text(f, "exe"), "/tmp/miner");
	assert_string_equal(text(f, "object_kind"), "file");
	assert_string_equal(text(f, "gva"), "0x400000");
	assert_string_equal(text(f, "signature"), "Test.Miner");
	assert_string_equal(text(f, "found_by"), "event");
	assert_true(number(f, "t_found_ns") > number(f, "t_seen_ns"));
	assert_int_equal(strncmp(text(f, "content_hash"), "010203", 6), 0);
	assert_string_equal(text(json_object_get(f, "evidence"), "argv"), "/tmp/miner --fast");
	d = json_array_get(json_object_get(f, "decisions"), 0);
	assert_string_equal(text(d, "rule"), "test");
	assert_string_equal(text(d, "action"), "kill");
	o = json_array_get(json_object_get(f, "orders"), 0);
	assert_int_equal(json_array_size(json_object_get(o, "results")), 3);
	assert_true(number(o, "killed_after_us") > 100000);
	json_decref(answer);
	assert_int_equal(status_number("kills_confirmed"), 1);
	verify_journal();
}

static void one_order_for_a_process(void **state)
{
	struct m_object o = { .object = 2, .kind = OBJECT_FILE, .size = 7, .path = "/tmp/lib.so" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 2, .gva = 0x7000 };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	uint64_t id, order;
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	order = expect_order();
	/* The look again shows another infected object in the same process. */
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Library");
	expect_silence(w.channel, 300);
	send_result(order, ORDER_DONE);
	answer_probe(PROBE_DYING);
	await_order("done", "killed");
	answer = ctl("findings --guest 7", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 2);
	json_decref(answer);
	assert_int_equal(status_number("kills_confirmed"), 1);
}

static void late_uses_and_exemption(void **state)
{
	json_t *answer, *f, *d;

	NEEDS_PROGRAMS();
	all_up();
	look();
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Me");
	expect_silence(w.channel, 300);
	f = finding(&answer);
	d = json_array_get(json_object_get(f, "decisions"), 0);
	assert_string_equal(text(d, "action"), "report");
	assert_string_equal(text(d, "note"), "exempt: good");
	json_decref(answer);
}

static void undelivered_is_retried_with_a_session(void **state)
{
	struct m_guest_cid c = { .guest = GUEST, .cid = CID, .source = "command line" };

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(false);
	infected();
	answer_probe(PROBE_RUNNING);
	await_order("undeliverable", "running");
	expect_silence(w.channel, 100);
	send_to(w.parent, &msg_guest_cid, 0, &c, -1);
	session_up();
	answer_probe(PROBE_RUNNING);
	send_result(expect_order(), ORDER_UNDELIVERABLE);
	answer_probe(PROBE_RUNNING);
	/* Once: not again with the next session. */
	session_up();
	expect_silence(w.channel, 300);
	await_order("undeliverable", "running");
	assert_int_equal(status_number("kills_confirmed"), 0);
	verify_journal();
}

static void no_answer_expires(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	answer_probe(PROBE_GONE);
	await_order("no answer in time", "killed");
}

static void lying_agent_is_told(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("done", "running");
	assert_int_equal(status_number("discrepancies"), 1);
	assert_int_equal(status_number("kills_confirmed"), 0);
	expect_silence(w.channel, 100);
}

static void show_other_program(uint64_t id)
{
	show_program(id, PID, "/bin/true", true);
}

/* It executes something else while the order comes, and then the same again. */
static void exec_dance_is_ordered_again(void **state)
{
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_MISMATCH);
	answer_probe(PROBE_RUNNING);
	await_order("another process", "running");
	sweep("e2", show_other_program);
	expect_silence(w.channel, 200);
	sweep("e3", show_miner);
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	/* It is confirmed dead: whatever is shown, no more orders. */
	sweep("e4", show_miner);
	expect_silence(w.channel, 200);
	assert_int_equal(status_number("kills_confirmed"), 1);
	answer = ctl("findings", 0);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 1);
	json_decref(answer);
	verify_journal();
}

/* What an engine before ordered in vain is ordered again. */
static void order_of_before_is_not_the_last(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_FAILED);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("failed", "running");
	end_engine(0);

	start_engine();
	all_up();
	infected();
	sweep("e2", show_miner);
	expect_order();
}

static void show_nameless(uint64_t id)
{
	show_program(id, PID, "/tmp/miner", false);
	show_use(id, PID);
}

static void no_order_without_identity(void **state)
{
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *answer, *f;
	uint64_t id;

	NEEDS_PROGRAMS();
	all_up();
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_program(id, PID, "/tmp/miner", false);
	show_object(id);
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	sweep("e2", show_nameless);
	expect_silence(w.channel, 200);
	f = finding(&answer);
	f = json_object_get(f, "decisions");
	assert_int_equal(json_array_size(f), 1);
	assert_string_equal(text(json_array_get(f, 0), "note"),
			    "kill withheld: no identity of the executable");
	json_decref(answer);
	sweep("e3", show_miner);
	expect_order();
}

/* More processes than an agent takes orders at once: the rest wait, none is refused. */
static void orders_wait_for_their_turn(void **state)
{
	const unsigned n = 10;
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	struct m_order o;
	uint64_t id, order[ORDERS_PER_SESSION];

	NEEDS_PROGRAMS();
	all_up();
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_task(id);
	show_object(id);
	for (unsigned i = 1; i < n; i++) {
		show_program(id, PID + i, "/tmp/miner", true);
		show_use(id, PID + i);
	}
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	for (unsigned i = 0; i < ORDERS_PER_SESSION; i++)
		order[i] = expect(w.channel, &msg_order, &o);
	expect_silence(w.channel, 300);
	send_result(order[3], ORDER_DONE);
	expect(w.channel, &msg_order, &o);
	expect_silence(w.channel, 100);
	send_result(order[0], ORDER_DONE);
	expect(w.channel, &msg_order, &o);
	assert_int_equal(o.pid, PID + n - 1);
}

static void killed_engine_sends_no_order_twice(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	end_engine(SIGKILL);

	start_engine();
	all_up();
	/* What became of the order is asked of the guest itself. */
	answer_probe(PROBE_RUNNING);
	infected();
	expect_silence(w.channel, 300);
	assert_int_equal(status_number("findings"), 1);
	for (int i = 0; i < 5; i++)
		answer_probe(PROBE_RUNNING);
	await_order("unknown after restart", "running");
	verify_journal();
}

static void killed_engine_confirms_a_kill_of_before(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	end_engine(SIGKILL);

	start_engine();
	guest_with_kernel(true);
	answer_probe(PROBE_GONE);
	await_order("unknown after restart", "killed");
	assert_int_equal(status_number("kills_confirmed"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(event_to_confirmed_kill), T(one_order_for_a_process), T(late_uses_and_exemption),
		T(undelivered_is_retried_with_a_session), T(no_answer_expires), T(lying_agent_is_told),
		T(exec_dance_is_ordered_again), T(order_of_before_is_not_the_last),
		T(no_order_without_identity), T(orders_wait_for_their_turn),
		T(killed_engine_sends_no_order_twice), T(killed_engine_confirms_a_kill_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

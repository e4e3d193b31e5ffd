// SPDX-License-Identifier: GPL-2.0-or-later
/* Infected files: put away once their process is dead, and put back by an operator. */
#include "test_engine_world.h"

static char policy[] =
	"[rule test]\nmatch = Test.*\nactions = report,kill,quarantine\n";
static char policy_file_alone[] =
	"[rule test]\nmatch = Test.*\nactions = report,quarantine\nfallback = contain\n";

static struct m_order quarantine;	/* the last that came */

static uint64_t expect_quarantine(void)
{
	uint64_t id = expect(w.channel, &msg_order, &quarantine);

	assert_int_equal(quarantine.verb, VERB_QUARANTINE);
	/* Above the 60 s that the agent gives itself, whatever a kill is given. */
	assert_int_equal(quarantine.deadline_ms, 70000);
	assert_int_equal(quarantine.cid, CID);
	assert_string_equal(quarantine.path, "/tmp/miner");
	assert_int_equal(quarantine.size, 7);
	assert_int_equal(quarantine.exe_hash[0], 0xcc);
	assert_int_equal(quarantine.exe_ranges.len, 8);
	assert_int_equal(quarantine.exe_ranges.range[0].pages, 1);
	return id;
}

static void killed(void)
{
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
}

/* The only item; owned by *ret_answer. */
static const json_t *item(json_t **ret_answer)
{
	*ret_answer = api("GET", "/v1/quarantine", "", 200);
	assert_int_equal(json_array_size(json_object_get(*ret_answer, "items")), 1);
	return json_array_get(json_object_get(*ret_answer, "items"), 0);
}

static void await_item(const char *wanted)
{
	json_t *answer = NULL;

	for (int i = 0; i < 100; i++) {
		bool is;

		json_decref(answer);
		is = !strcmp(text(item(&answer), "state"), wanted);
		if (is) {
			json_decref(answer);
			return;
		}
		usleep(50000);
	}
	json_dumpf(answer, stderr, JSON_INDENT(1));
	fail_msg("the item is not '%s'", wanted);
}

static const char *restore_path(void)
{
	static char path[96];
	json_t *answer;

	snprintf(path, sizeof(path), "/v1/quarantine/%s/restore", text(item(&answer), "item"));
	json_decref(answer);
	return path;
}

static void put_away_and_back(void **state)
{
	json_t *answer, *o;
	const json_t *i;
	struct m_order back;
	uint64_t id;
	char path[64];

	NEEDS_PROGRAMS();
	all_up();
	infected();
	killed();
	id = expect_quarantine();
	await_item("waiting");
	send_result(id, ORDER_DONE);
	await_item("quarantined");
	i = item(&answer);
	assert_string_equal(text(i, "path"), "/tmp/miner");
	assert_string_equal(text(i, "guest_name"), NAME);
	assert_string_equal(text(i, "signature"), "Test.Miner");
	assert_int_equal(number(i, "size"), 7);
	assert_true(number(i, "finding") > 0);
	json_decref(answer);

	o = api("POST", restore_path(), "{\"reason\":\"it was ours\"}", 202);
	id = expect(w.channel, &msg_order, &back);
	assert_int_equal(back.verb, VERB_RESTORE);
	assert_int_equal(back.deadline_ms, 70000);
	assert_memory_equal(back.item, quarantine.item, ITEM_BYTES);
	await_item("restoring");
	api_refused("POST", restore_path(), "", 409, "being restored");
	send_result(id, ORDER_DONE);
	await_item("restored");
	snprintf(path, sizeof(path), "/v1/orders/%lld", (long long)number(o, "order"));
	json_decref(o);
	o = api("GET", path, "", 200);
	assert_string_equal(text(o, "verb"), "restore");
	assert_string_equal(text(o, "state"), "done");
	/* What no memory shows is called what it is. */
	assert_string_equal(text(o, "outcome"), "said by the agent");
	json_decref(o);
	api_refused("POST", restore_path(), "", 409, "or was");
	verify_journal();
}

static void not_before_the_process_is_dead(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_FAILED);
	for (int i = 0; i < 6; i++)
		answer_probe(PROBE_RUNNING);
	await_order("failed", "running");
	expect_silence(w.channel, 300);
	await_item("waiting");
	api_refused("POST", restore_path(), "", 409, "has not said");
	/* Decided again; one item all the same. */
	sweep("e2", show_miner);
	killed();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
}

static void at_once_without_a_kill(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	expect_silence(w.parent, 200);
}

/* Its process runs on, and the file too: the host's turn. */
static void refused_without_a_kill(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_quarantine(), ORDER_REFUSED);
	answer_act(HOST_CONTAIN, 0, ACT_DONE);
	await_item("failed");
	await_contained(true);
}

static void show_memfd(uint64_t id)
{
	struct m_object o = { .object = 2, .kind = OBJECT_MEMFD, .size = 7, .resident = 7,
			      .path = "memfd:x" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 2, .gva = 0x400000 };

	show_task(id);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
}

static void only_files_are_put_away(void **state)
{
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	sweep("e2", show_memfd);
	answer_scan(VERDICT_INFECTED, "Test.Miner");
	killed();
	expect_silence(w.channel, 300);
	assert_true(is_noted("quarantine does not apply: not a file"));
	answer = api("GET", "/v1/quarantine", "", 200);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 0);
	json_decref(answer);
}

static void show_two(uint64_t id)
{
	show_miner(id);
	show_program(id, PID + 1, "/tmp/miner", true);
	show_use(id, PID + 1);
}

/* Two processes of one file. */
static void one_item_for_one_file(void **state)
{
	struct m_order o;
	uint64_t first, second;
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	first = expect_order();
	sweep("e2", show_two);
	second = expect(w.channel, &msg_order, &o);
	assert_int_equal(o.pid, PID + 1);
	send_result(first, ORDER_DONE);
	answer_probe(PROBE_GONE);
	expect_quarantine();
	send_result(second, ORDER_DONE);
	answer_probe_of(PID + 1, PROBE_GONE);
	expect_silence(w.channel, 300);
	json_decref((item(&answer), answer));
}

static void show_again(uint64_t id)
{
	show_program(id, PID + 9, "/tmp/miner", true);
	show_use(id, PID + 9);
}

/* Put away, and there again: another process runs it now. */
static void file_that_comes_back(void **state)
{
	struct m_order o;
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	killed();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	sweep("e2", show_again);
	send_result(expect(w.channel, &msg_order, &o), ORDER_DONE);
	assert_int_equal(o.pid, PID + 9);
	answer_probe_of(PID + 9, PROBE_GONE);
	expect_quarantine();
	answer = api("GET", "/v1/quarantine", "", 200);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), 2);
	json_decref(answer);
}

static void waits_for_a_session(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	session_down();
	answer_probe(PROBE_GONE);	/* after its deadline */
	expect_silence(w.channel, 300);
	await_item("waiting");
	session_up();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	verify_journal();
}

static void outlives_the_engine(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	end_engine(SIGKILL);
	start_engine();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	answer_probe(PROBE_GONE);
	await_order("unknown after restart", "killed");
	session_up();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	verify_journal();
}

static void failure_is_told(void **state)
{
	struct m_result r = { .status = ORDER_FAILED, .detail = "read-only file system" };
	json_t *answer;

	NEEDS_PROGRAMS();
	all_up();
	infected();
	killed();
	send_to(w.channel, &msg_result, expect_quarantine(), &r, -1);
	await_item("failed");
	assert_string_equal(text(item(&answer), "why"), "read-only file system");
	json_decref(answer);
	api_refused("POST", restore_path(), "", 409, "has not said");
}

static void restore_needs_the_guest_and_its_agent(void **state)
{
	struct m_guest_down down = { .guest = GUEST };

	NEEDS_PROGRAMS();
	all_up();
	infected();
	killed();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	api_refused("POST", "/v1/quarantine/00112233445566778899aabbccddeeff/restore", "", 404,
		    "no such item");
	session_down();
	usleep(100000);
	api_refused("POST", restore_path(), "", 409, "no agent is in session");
	session_with(CAN(KILL));
	api_refused("POST", restore_path(), "", 409, "does not offer");
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(100000);
	api_refused("POST", restore_path(), "", 409, "is not up");
}

static void expect_items_of(const char *guest, size_t n)
{
	char path[64];
	json_t *answer;

	snprintf(path, sizeof(path), "/v1/quarantine?guest=%s", guest);
	answer = api("GET", path, "", 200);
	assert_int_equal(json_array_size(json_object_get(answer, "items")), n);
	json_decref(answer);
}

/* A guest that nobody knows has no empty quarantine; one that is gone has what it has. */
static void quarantine_of_whom(void **state)
{
	struct m_guest_down down = { .guest = GUEST };

	NEEDS_PROGRAMS();
	all_up();
	api_refused("GET", "/v1/quarantine?guest=web-l", "", 404, "no such guest");
	expect_items_of(NAME, 0);
	infected();
	killed();
	send_result(expect_quarantine(), ORDER_DONE);
	await_item("quarantined");
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(100000);
	expect_items_of(NAME, 1);
	expect_items_of("7", 1);
	api_refused("GET", "/v1/quarantine?guest=8", "", 404, "no such guest");
}

/* It has none, and is gone; the journal has what was found in it. */
static void quarantine_of_a_guest_of_before(void **state)
{
	struct m_guest_down down = { .guest = GUEST };

	NEEDS_PROGRAMS();
	all_up();
	infected();
	killed();
	await_order("done", "killed");
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(100000);
	expect_items_of(NAME, 0);
}

int main(void)
{
#define P(f, p) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, p)
	const struct CMUnitTest tests[] = {
		P(put_away_and_back, policy), P(not_before_the_process_is_dead, policy),
		P(at_once_without_a_kill, policy_file_alone),
		P(refused_without_a_kill, policy_file_alone), P(only_files_are_put_away, policy),
		P(one_item_for_one_file, policy), P(file_that_comes_back, policy), P(waits_for_a_session, policy),
		P(outlives_the_engine, policy), P(failure_is_told, policy),
		P(restore_needs_the_guest_and_its_agent, policy), P(quarantine_of_whom, policy),
		T(quarantine_of_a_guest_of_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What a guest's memory itself tells, through the engine to wardenctl. */
#define CHECK_SECONDS "1"
#include "test_engine_world.h"

static const char policy_signs[] =
	"[rule malware]\nmatch = *\nactions = report,kill\n"
	"[rule miners]\nmatch = Code.RWX\nkinds = suspicious\nactions = report,kill\n"
	"[rule rootkits]\nmatch = Hidden.*\nkinds = hidden\nactions = report,contain\n"
	"[exempt tracer]\nsignature = Kernel.Ftrace\n";

static uint64_t ask(uint32_t *ret_checks)
{
	struct m_check m;
	uint64_t id = expect(w.introspect, &msg_check, &m);

	*ret_checks = m.checks;
	return id;
}

static void tell(uint64_t id, uint32_t kind, const char *name, uint32_t pid, const char *detail)
{
	struct m_sign m = { .kind = kind, .pid = pid, .start_ns = pid ? START : 0, .address = 0x1000,
			    .subject = "what it is about", .comm = "miner", .exe = "/tmp/miner" };

	strcpy(m.name, name);
	strcpy(m.detail, detail);
	send_to(w.introspect, &msg_sign, id, &m, -1);
}

static void checked(uint64_t id, uint32_t check, uint32_t status, const char *why)
{
	struct m_checked m = { .check = check, .status = status, .counts = "task list 3" };

	strcpy(m.why, why);
	send_to(w.introspect, &msg_checked, id, &m, -1);
}

static void done(uint64_t id)
{
	const struct m_done d = { .status = DONE_COMPLETE };

	send_to(w.introspect, &msg_done, id, &d, -1);
}

/* The guest's word on that check, once it is there. */
static void assert_check(const char *check, const char *status, const char *why)
{
	for (int i = 0; i < 100; i++) {
		json_t *g = guest_json(), *c;
		size_t n;

		json_array_foreach(json_object_get(g, "checks"), n, c)
			if (!strcmp(text(c, "check"), check) && !strcmp(text(c, "status"), status)) {
				assert_string_equal(text(c, "why"), why);
				json_decref(g);
				return;
			}
		json_decref(g);
		usleep(20000);
	}
	fail_msg("check of %s is not %s", check, status);
}

static void a_sign_is_one_finding(void **state)
{
	json_t *answer, *f;
	uint32_t checks;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	for (int i = 0; i < 2; i++) {
		id = ask(&checks);
		assert_int_equal(checks, CHECK_PROCESSES | CHECK_MODULES | CHECK_KERNEL);
		tell(id, SIGN_KERNEL, "Kernel.IDT", 0, "vector 14 leads elsewhere");
		checked(id, CHECK_KERNEL, CHECK_DIFFERS, "");
		done(id);
	}
	assert_check("kernel", "differs", "");
	f = finding(&answer);
	assert_int_equal(json_array_size(json_object_get(answer, "findings")), 1);
	assert_string_equal(text(f, "signature"), "Kernel.IDT");
	assert_string_equal(text(f, "object_kind"), "guest kernel");
	assert_string_equal(text(f, "found_by"), "memory");
	assert_string_equal(text(json_object_get(f, "evidence"), "detail"), "vector 14 leads elsewhere");
	/* The rule for malware, which matches all, is not for this. */
	assert_string_equal(text(json_array_get(json_object_get(f, "decisions"), 0), "rule"), "");
	assert_int_equal(json_array_size(json_object_get(f, "orders")), 0);
	json_decref(answer);
	verify_journal();
}

static void what_was_not_checked_is_not_clean(void **state)
{
	uint32_t checks;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	id = ask(&checks);
	checked(id, CHECK_PROCESSES, CHECK_INCOMPLETE, "cgroups: more than the limit");
	checked(id, CHECK_MODULES, CHECK_CLEAN, "");
	done(id);
	assert_check("processes", "incomplete", "cgroups: more than the limit");
	assert_check("modules", "clean", "");
}

static void a_rule_answers_for_its_kind(void **state)
{
	struct m_act act;
	uint32_t checks;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	id = ask(&checks);
	tell(id, SIGN_KERNEL, "Kernel.Ftrace", 0, "hooked, and exempt");
	tell(id, SIGN_HIDDEN, "Hidden.Process", 77, "process 77 is not in: task list");
	done(id);
	expect(w.parent, &msg_act, &act);
	assert_int_equal(act.verb, HOST_CONTAIN);
	assert_int_equal(act.guest, GUEST);
}

/* Only of a process that a sweep has shown, by its identity. */
static void a_suspect_is_killed(void **state)
{
	struct m_order order;
	struct m_done d = { .status = DONE_COMPLETE };
	uint32_t checks;
	uint64_t id;

	NEEDS_PROGRAMS();
	scanner_up();
	w.channel = role_up("channel", 0);
	guest_with_kernel(true);
	id = ask(&checks);
	done(id);
	log_in_as(NAME, CAN(KILL));
	for (;;) {
		struct m_beacon_seen seen = { .state = BEACON_THERE };
		struct pollfd p = { w.introspect, POLLIN, 0 };

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == M_BEACON) {
			send_to(w.introspect, &msg_beacon_seen, in.id, &seen, -1);
			break;
		}
		send_to(w.introspect, &msg_done, in.id, &d, -1);
	}
	expect_bound(1);
	send_event(1);
	for (;;) {
		struct pollfd p = { w.introspect, POLLIN, 0 };

		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_int_equal(msg_recv(w.introspect, &in, 0), 1);
		if (in.type == M_LOOK)
			break;
		send_to(w.introspect, &msg_done, in.id, &d, -1);
	}
	id = in.id;
	show_task(id);
	tell(id, SIGN_SUSPICIOUS, "Code.RWX", PID, "memory that is writable and executable");
	send_to(w.introspect, &msg_done, id, &d, -1);
	expect(w.channel, &msg_order, &order);
	assert_int_equal(order.verb, VERB_KILL);
	assert_int_equal(order.pid, PID);
	assert_int_equal(order.start_ns, START);
}

#define S(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)policy_signs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		S(a_sign_is_one_finding), S(what_was_not_checked_is_not_clean),
		S(a_rule_answers_for_its_kind), S(a_suspect_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

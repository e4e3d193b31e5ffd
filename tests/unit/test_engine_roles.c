// SPDX-License-Identifier: GPL-2.0-or-later
/* Roles that break the rules, and the engine's own end. */
#include "test_engine_world.h"

static void malformed_message_ends_the_role_alone(void **state)
{
	struct m_done done = { .status = 99 };
	struct m_look m;
	uint64_t id;
	json_t *s;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_done, id, &done, -1);
	/* Closed by the engine. */
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
	close(w.introspect);
	w.introspect = role_up("introspect", GUEST);
	say_kernel();
	answer_sweep(0);
	look();
	answer_scan(VERDICT_CLEAN, "");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	assert_int_equal(number(json_object_get(s, "objects"), "clean"), 1);
	json_decref(s);
}

static void unsealed_object_is_malformed(void **state)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .path = "/x" };
	struct m_look m;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, memfd_create("x", MFD_CLOEXEC));
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
}

static void answer_without_question_is_malformed(void **state)
{
	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	show_task(123456789);
	assert_int_equal(msg_recv(w.introspect, &in, 0), 0);
}

static void ends_with_its_parent(void **state)
{
	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	assert_int_equal(end_engine(0), 0);
}

static void ends_by_sigterm(void **state)
{
	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	assert_int_equal(end_engine(SIGTERM), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(malformed_message_ends_the_role_alone), T(unsealed_object_is_malformed),
		T(answer_without_question_is_malformed), T(ends_with_its_parent), T(ends_by_sigterm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

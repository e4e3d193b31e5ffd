// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal on the disk, as the running engine keeps it. */
#include "test_engine_world.h"

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
	guest_up(true);
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

	NEEDS_PROGRAMS();
	all_up();
	infected();
	expect_order();
	end_engine(SIGKILL);		/* committed rows are in the -wal */
	snprintf(path, sizeof(path), "%s/state/journal/journal.db", w.dir);
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
	guest_up(true);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(long_journal), T(broken_journal_is_set_aside), T(unusable_journal_is_left_alone),
		T(tampered_journal_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* What a guest was called when it came stays its name over a daemon's restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/names.h"

static char dir[] = "/tmp/test-names-XXXXXX";
static char name[TEXT_NAME];

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* Whether one was kept. */
static bool keep(uint64_t guest, const char *now)
{
	memset(name, 0, sizeof(name));
	strcpy(name, now);
	return names_keep(dir, guest, name);
}

static void test_first_one_stays(void **state)
{
	assert_false(keep(1, "open"));
	assert_string_equal(name, "open");
	/* Its VMM now says it is one that may not be looked at. */
	assert_true(keep(1, "private"));
	assert_string_equal(name, "open");
	/* Each guest has its own. */
	assert_false(keep(11, "private"));
	assert_string_equal(name, "private");
}

static void test_odd_names(void **state)
{
	char longest[TEXT_NAME];

	/* One without a name gets none later; a path is no path. */
	assert_false(keep(2, ""));
	assert_true(keep(2, "private"));
	assert_string_equal(name, "");
	assert_false(keep(3, "../../=etc"));
	assert_true(keep(3, "private"));
	assert_string_equal(name, "../../=etc");
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_false(keep(4, longest));
	assert_true(keep(4, "private"));
	assert_string_equal(name, longest);
}

static void test_forgotten(void **state)
{
	assert_false(keep(5, "open"));
	names_forget(dir, 5);
	assert_false(keep(5, "private"));
	assert_string_equal(name, "private");
}

static void test_no_folder(void **state)
{
	strcpy(name, "open");
	assert_false(names_keep("/proc/none", 1, name));
	assert_string_equal(name, "open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_one_stays), cmocka_unit_test(test_odd_names),
		cmocka_unit_test(test_forgotten), cmocka_unit_test(test_no_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

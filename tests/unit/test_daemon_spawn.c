// SPDX-License-Identifier: GPL-2.0-or-later
/* A role is of the parent's release, whatever lies in its place by now. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/spawn.h"
#include "lib/messages.h"
#include "lib/util.h"

static char dir[] = "/tmp/test-spawn-XXXXXX";
static const char *const names[] = { "engine", "scan", "channel", "introspect", "qmp", "integrity" };

static void run_command(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	run_command("rm -rf %s", dir);
	return 0;
}

static void install(const char *program)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		run_command("install %s %s/warden-%s", program, dir, names[i]);
}

static int status_of(const char *name)
{
	int status, fds[] = { 0, 1 };
	pid_t pid = fork();

	if (!pid)
		spawn_exec(dir, name, "/dev/null", NULL, fds, ARRAY_SIZE(fds));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_missing(void **state)
{
	assert_int_equal(spawn_hold(dir), -1);
	assert_int_equal(status_of("engine"), 127);
}

static void test_upgrade_in_place(void **state)
{
	install("/bin/true");
	assert_int_equal(spawn_hold(dir), 0);
	install("/bin/false");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(status_of(names[i]), 0);
	run_command("rm %s/warden-*", dir);
	assert_int_equal(status_of("qmp"), 0);
	install("/bin/false");
	assert_int_equal(spawn_hold(dir), 0);
	assert_int_equal(status_of("qmp"), 1);
}

/* What a role has open: its own, and nothing of its start. */
static void test_descriptors(void **state)
{
	run_command("printf 'int main(void) { return close(%d) || close(%d) || !close(%d); }' >%s/x.c",
		    ROLE_FD, ROLE_FD + 1, ROLE_FD + 2, dir);
	run_command("gcc -w -o %s/counts %s/x.c", dir, dir);
	run_command("install %s/counts %s/warden-scan", dir, dir);
	assert_int_equal(spawn_hold(dir), 0);
	assert_int_equal(status_of("scan"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing), cmocka_unit_test(test_upgrade_in_place),
		cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* One daemon at a time, with no more rights than it states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/start.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/util.h"
#include "test_child.h"

static struct config config;
static char dir[] = "/tmp/test-start-XXXXXX";

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	snprintf(config.run_dir, sizeof(config.run_dir), "%s/run", dir);
	snprintf(config.state_dir, sizeof(config.state_dir), "%s/state", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void test_second_says_who_is_first(void **state)
{
	char said[512] = "", expected[64];
	int out[2], status;
	pid_t second;

	start_alone(&config);
	assert_int_equal(pipe(out), 0);
	second = child_fork();
	if (!second) {
		dup2(out[1], STDERR_FILENO);
		start_alone(&config);
		_exit(0);
	}
	close(out[1]);
	assert_true(read(out[0], said, sizeof(said) - 1) > 0);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EX_TEMPFAIL);
	snprintf(expected, sizeof(expected), "process %d ", getpid());
	if (!strstr(said, expected) || !strstr(said, "/run/wardend.lock"))
		fail_msg("said \"%s\"", said);
}

/* What a start says that fails.  read_only: the folder that it shall not write to. */
static void start_fails(char *said, size_t size, const struct config *c, const char *read_only)
{
	int out[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(out), 0);
	pid = child_fork();
	if (!pid) {
		dup2(out[1], STDERR_FILENO);
		if (read_only && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
				  mount(read_only, read_only, NULL, MS_BIND, NULL) ||
				  mount(NULL, read_only, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL)))
			_exit(99);
		start_alone(c);
		_exit(0);
	}
	close(out[1]);
	n = read(out[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 99)
		skip();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void expect_said(const char *said, const char *text)
{
	if (!strstr(said, text))
		fail_msg("said \"%s\", not \"%s\"", said, text);
}

static void test_folder_that_cannot_be_made_is_named(void **state)
{
	struct config c = config;
	char said[512], expected[512];

	snprintf(c.run_dir, sizeof(c.run_dir), "%s/run2", dir);
	snprintf(c.state_dir, sizeof(c.state_dir), "%s/none/state", dir);
	start_fails(said, sizeof(said), &c, NULL);
	snprintf(expected, sizeof(expected), "cannot make %s: No such file", c.state_dir);
	expect_said(said, expected);
	assert_null(strstr(said, "ReadWritePaths"));
}

/* As everything but its own folders is under wardend.service. */
static void test_read_only_says_how_to_allow_it(void **state)
{
	struct config c = config;
	char said[512], expected[512], elsewhere[64];

	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
	assert_int_equal(mkdir(elsewhere, 0755), 0);
	snprintf(c.run_dir, sizeof(c.run_dir), "%s/run3", dir);
	snprintf(c.state_dir, sizeof(c.state_dir), "%s/state", elsewhere);
	start_fails(said, sizeof(said), &c, elsewhere);
	snprintf(expected, sizeof(expected), "cannot make %s: Read-only file system: ", c.state_dir);
	expect_said(said, expected);
	expect_said(said, "systemctl edit wardend, ReadWritePaths=");
	/* It is there, and the lock cannot be. */
	snprintf(c.run_dir, sizeof(c.run_dir), "%s", elsewhere);
	snprintf(c.state_dir, sizeof(c.state_dir), "%s/state3", dir);
	start_fails(said, sizeof(said), &c, elsewhere);
	expect_said(said, "/elsewhere/wardend.lock: Read-only file system: ");
	expect_said(said, "ReadWritePaths=");
}

static uint64_t status_field(const char *field)
{
	char line[256];
	autofile FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, field, strlen(field)))
			return strtoull(line + strlen(field) + 1, NULL, 16);
	return UINT64_MAX;
}

static const struct config checking = { .integrity_seconds = 300, .guard = "/" };

/* Of a child, or of what it starts. */
static void check_capabilities(const char *field)
{
	uint64_t now = status_field(field);

	if (now != start_capabilities(&checking))
		fail_msg("%s is %llx, not %llx", field, (unsigned long long)now,
			 (unsigned long long)start_capabilities(&checking));
}

static void test_privileges(void **state)
{
	char script[128];
	int status;
	pid_t pid;

	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = child_fork();
	if (!pid) {
		start_drop_privileges(&checking);
		check_capabilities("CapPrm");
		check_capabilities("CapEff");
		check_capabilities("CapBnd");
		if (status_field("CapInh") || status_field("NoNewPrivs") != 1)
			_exit(2);
		/* Root all the same, and no raw sockets, traces or modules. */
		if (socket(AF_INET, SOCK_RAW, 1) >= 0)
			_exit(3);
		/* A program started by root gets what is bound, and that is the same. */
		snprintf(script, sizeof(script), "grep -q '^CapEff:.%016llx$' /proc/self/status",
			 (unsigned long long)start_capabilities(&checking));
		execl("/bin/sh", "sh", "-c", script, NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_what_is_not_needed_goes(void **state)
{
	const uint64_t ptrace = 1ull << CAP_SYS_PTRACE, syslog = 1ull << CAP_SYSLOG;
	uint64_t none = start_capabilities(&(struct config){ .guard = "/nowhere/guard.conf" }),
		 guard = start_capabilities(&(struct config){ .guard = "/" });

	assert_int_equal(none & (ptrace | syslog), 0);
	assert_int_equal(guard, none | ptrace);
	assert_int_equal(start_capabilities(&checking), guard | syslog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_second_says_who_is_first),
		cmocka_unit_test(test_folder_that_cannot_be_made_is_named),
		cmocka_unit_test(test_read_only_says_how_to_allow_it),
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_what_is_not_needed_goes),
	};

	log_open("wardend", false);
	return cmocka_run_group_tests(tests, setup, teardown);
}

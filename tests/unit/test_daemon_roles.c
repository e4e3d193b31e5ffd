// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Roles that end, talk nonsense or hang, played by shell scripts: started
 * again, and told of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "lib/log.h"
#include "lib/messages.h"

static char dir[] = "/tmp/test-roles-XXXXXX";
static sd_event *loop;
static struct roles *roles;
static unsigned ups, downs, asked;
static int engine_sock;

#define WAITS "exec sleep 1000\n"
#define LIMIT_MS 120000		/* a busy machine is no failure */

static void role(const char *name, const char *script)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/warden-%s", dir, name);
	f = fopen(path, "w");
	fprintf(f, "#!/bin/sh\n%s", script);
	fclose(f);
	chmod(path, 0700);
}

static void engine_up(void *arg, int sock)
{
	ups++;
	engine_sock = sock;
}

static void engine_down(void *arg)
{
	downs++;
}

static bool engine_asks(void *arg, const struct msg *m)
{
	asked++;
	return m->type == M_ACT;
}

static int setup(void **state)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int begin(void **state)
{
	ups = downs = asked = 0;
	if (sd_event_new(&loop) < 0)
		return -1;
	role("scan", WAITS);
	role("channel", WAITS);
	roles = roles_new(loop, dir, "/dev/null", &(struct roles_hooks){
		.engine_up = engine_up, .engine_down = engine_down, .engine_asks = engine_asks,
	});
	return 0;
}

static int end(void **state)
{
	roles_free(roles);
	sd_event_unref(loop);
	return 0;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

static void run_until(const unsigned *count, unsigned n)
{
	uint64_t until = now_ms() + LIMIT_MS;

	while (*count < n && now_ms() < until) {
		sd_event_run(loop, 50000);
		roles_watch_engine(roles);
	}
	assert_true(*count >= n);
}

static void tell(void)
{
	const struct m_guest_down message = { .guest = 1 };

	roles_tell_engine(roles, &msg_guest_down, 0, &message, -1);
}

static void test_engine_that_ends(void **state)
{
	role("engine", "kill -9 $$\n");
	assert_int_equal(roles_start(roles), 0);
	run_until(&ups, 2);
	/* Once one has run, an end of its own is no reason to give up. */
	role("engine", "exit 78\n");
	run_until(&ups, 4);
	assert_true(downs >= 3);
	/* Nor is it one for systemd's watchdog: another daemon would refuse the file, and stay down. */
	assert_int_equal(roles_engine_state(roles), ENGINE_REFUSES);
	role("engine", "dd bs=65536 count=1 <&3 2>&- >&-\n" WAITS);
	run_until(&ups, 6);
	tell();
	for (int i = 0; i < 100 && roles_engine_state(roles) != ENGINE_LIVES; i++) {
		roles_watch_engine(roles);
		sd_event_run(loop, 100000);
	}
	assert_int_equal(roles_engine_state(roles), ENGINE_LIVES);
}

static void test_engine_that_refuses(void **state)
{
	role("engine", "exit 78\n");
	assert_int_equal(roles_start(roles), 0);
	assert_int_equal(sd_event_loop(loop), EX_CONFIG);
	assert_int_equal(ups, 1);
	assert_int_equal(downs, 1);
}

/* The others end with it, and may be heard of first. */
static void test_engine_that_refuses_late(void **state)
{
	role("scan", "exit 0\n");
	role("channel", "exit 0\n");
	role("engine", "sleep 1; exit 78\n");
	assert_int_equal(roles_start(roles), 0);
	assert_int_equal(sd_event_loop(loop), EX_CONFIG);
	assert_int_equal(ups, 1);
}

/* As when there was no memory: that passes. */
static void test_engine_that_fails_at_first(void **state)
{
	role("engine", "exit 1\n");
	assert_int_equal(roles_start(roles), 0);
	run_until(&ups, 3);
}

/* One that was taken over, or is of another release. */
static void test_engine_that_talks_nonsense(void **state)
{
	role("engine", "printf nonsense >&3\n" WAITS);
	assert_int_equal(roles_start(roles), 0);
	run_until(&ups, 2);
	assert_int_equal(asked, 0);
}

static void test_engine_that_asks_for_what_is_no_act(void **state)
{
	/* A whole message of type 2. */
	role("engine", "printf 'KVWD\\2\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' >&3\n" WAITS);
	assert_int_equal(roles_start(roles), 0);
	run_until(&ups, 2);
	assert_int_equal(asked, 1);
}

static void test_engine_that_does_not_read(void **state)
{
	uint64_t started = now_ms();

	role("engine", WAITS);
	assert_int_equal(roles_start(roles), 0);
	tell();
	assert_int_equal(roles_engine_state(roles), ENGINE_STARTING);
	run_until(&downs, 1);
	assert_true(now_ms() - started >= 19000);
	run_until(&ups, 2);
}

/* What takes one long takes the next as long: it is given more time, or none would ever be up. */
static void test_engine_that_starts_slowly(void **state)
{
	role("engine", "sleep 25; while :; do dd bs=65536 count=1 <&3 2>&- >&-; done\n");
	assert_int_equal(roles_start(roles), 0);
	tell();
	run_until(&ups, 2);
	tell();
	for (uint64_t until = now_ms() + 30000; now_ms() < until;) {
		roles_watch_engine(roles);
		sd_event_run(loop, 500000);
	}
	assert_int_equal(downs, 1);
	assert_int_equal(roles_engine_state(roles), ENGINE_LIVES);
}

/* However slowly: it lives. */
static void test_engine_that_is_slow(void **state)
{
	uint64_t until = now_ms() + 23000;

	role("engine", "while :; do sleep 3; dd bs=65536 count=1 <&3 2>&- >&-; done\n");
	assert_int_equal(roles_start(roles), 0);
	while (now_ms() < until) {
		tell();
		roles_watch_engine(roles);
		sd_event_run(loop, 500000);
		roles_watch_engine(roles);
	}
	assert_int_equal(downs, 0);
	assert_int_equal(roles_engine_state(roles), ENGINE_LIVES);
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_engine_that_ends), T(test_engine_that_refuses),
		T(test_engine_that_refuses_late), T(test_engine_that_fails_at_first), T(test_engine_that_talks_nonsense),
		T(test_engine_that_asks_for_what_is_no_act), T(test_engine_that_does_not_read),
		T(test_engine_that_is_slow), T(test_engine_that_starts_slowly),
	};

	log_open("test_daemon_roles", false);
	return cmocka_run_group_tests(tests, setup, teardown);
}

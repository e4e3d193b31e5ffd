// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rounds over VMMs that cannot be looked at: the engine hears of each; and how
 * often guests bring one forward.  The device and the clock are played here, the
 * engine and warden-integrity by shell scripts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/kvm_warden.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/integrity.h"
#include "daemon/roles.h"
#include "lib/config.h"
#include "lib/messages.h"
#include "lib/util.h"

#define DEVICE 12345
#define GONE 2000000000u		/* no process has such a number */
#define LIMIT_S 60			/* a busy machine is no failure */
#define INTERVAL 300			/* integrity_seconds */

static char dir[] = "/tmp/test-integrity-XXXXXX";
static struct kvm_warden_guest_info guests[2];

/* The device's list of guests. */
int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_warden_guest_info *info;
	va_list args;

	va_start(args, request);
	info = va_arg(args, void *);
	va_end(args);
	for (size_t i = 0; fd == DEVICE && request == KVM_WARDEN_NEXT_GUEST &&
	     i < ARRAY_SIZE(guests); i++) {
		if (guests[i].guest <= info->guest)
			continue;
		*info = guests[i];
		return 0;
	}
	return -1;
}

/*
 * Years behind, so that to the kernel every timer is due: only what this clock
 * says counts.
 */
static time_t ahead;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	long r = syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME)
		*ts = (struct timespec){ .tv_sec = 1 + ahead };
	return r;
}

/* As of a process that waits in the kernel. */
static bool immortal;

int kill(pid_t pid, int signal)
{
	return immortal ? 0 : syscall(SYS_kill, pid, signal);
}

static void kill_children(void)
{
	FILE *f = fopen("/proc/thread-self/children", "r");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void role(const char *name, const char *script)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/warden-%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	chmod(path, 0700);
}

static void on_engine_up(void *arg, int sock)
{
}

static void on_engine_down(void *arg)
{
}

/* How often the engine was told so. */
static unsigned told(const char *what)
{
	static char text[1 << 16];
	char path[96];
	autofile FILE *f = NULL;
	unsigned n = 0;
	size_t size;

	snprintf(path, sizeof(path), "%s/told", dir);
	f = fopen(path, "re");
	size = f ? fread(text, 1, sizeof(text), f) : 0;
	for (char *at = text; (at = memmem(at, text + size - at, what, strlen(what))); at++)
		n++;
	return n;
}

static struct {
	sd_event *loop;
	struct roles *roles;
	struct integrity *in;
} w;

static void begin(void)
{
	static struct config config = { .integrity_seconds = INTERVAL };
	char script[160];

	snprintf(script, sizeof(script), "%s/told", dir);
	unlink(script);
	snprintf(config.libexec_dir, sizeof(config.libexec_dir), "%s", dir);
	snprintf(script, sizeof(script), "exec cat <&%d >%s/told", ROLE_FD, dir);
	role("engine", script);
	role("scan", "exec sleep 1000");
	role("channel", "exec sleep 1000");
	role("integrity", "exit 0");
	assert_true(sd_event_new(&w.loop) >= 0);
	w.roles = roles_new(w.loop, dir, "/dev/null", &(struct roles_hooks){
		.engine_up = on_engine_up, .engine_down = on_engine_down,
	});
	assert_int_equal(roles_start(w.roles), 0);
	w.in = integrity_new(w.loop, DEVICE, -1, &config, "/dev/null", w.roles);
}

static void end(void)
{
	integrity_free(w.in);
	roles_free(w.roles);
	sd_event_unref(w.loop);
	memset(guests, 0, sizeof(guests));
}

/* Lets time stand still until what was told so many times. */
static void await(const char *what, unsigned times)
{
	time_t until = time(NULL) + LIMIT_S;

	while (told(what) < times) {
		if (time(NULL) > until)
			fail_msg("\"%s\" was told %u times, not %u", what, told(what), times);
		sd_event_run(w.loop, 10000);
	}
}

static void test_vmms_out_of_reach(void **state)
{
	/* The module says that one has ended; another's process is not there. */
	guests[0] = (struct kvm_warden_guest_info){ .guest = 3 };
	guests[1] = (struct kvm_warden_guest_info){ .guest = 7, .vmm_pid = GONE };
	begin();
	ahead += 2;
	await("its VMM has ended", 2);
	/* The modules, whose check ended without a word, come first. */
	assert_int_equal(told("modules"), 1);
	end();
}

/* The other roles are three; with a check there is one more. */
static bool is_under_way(void)
{
	unsigned n = 0;
	int pid;
	FILE *f = fopen("/proc/thread-self/children", "r");

	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		n++;
	fclose(f);
	return n > 3;
}

/* When the round after the one at last begins, in s after it; rounds last no time. */
static time_t next_gap(time_t *last, const char *cause)
{
	unsigned before = told("modules");
	time_t gap;

	while (told("modules") == before) {
		if (cause)
			integrity_after_guest(w.in, cause);
		ahead++;
		for (int i = 0; i < 5; i++)
			sd_event_run(w.loop, 3000);
		if (is_under_way())
			await("modules", before + 1);
		assert_true(ahead - *last < 100000);
	}
	gap = ahead - *last;
	*last = ahead;
	return gap;
}

/* But for the time that a process takes to be started: 15 ms are a second here. */
static void about(time_t is, time_t want)
{
	if (is < want - 10 || is > want + 10)
		fail_msg("a round began after %lld s, not %lld", (long long)is, (long long)want);
}

/* A guest that makes new things all the time. */
static void test_guests_hurry_a_little(void **state)
{
	static const time_t gaps[] = { 30, 60, 120, 240, INTERVAL, 30, 60 };
	time_t last = ahead;

	begin();
	next_gap(&last, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(gaps); i++)
		about(next_gap(&last, "a guest's doing"), gaps[i]);
	assert_true(told("interval") >= 1);
	/* The daemon's own wait is what it was. */
	integrity_soon(w.in, "a new engine");
	about(next_gap(&last, NULL), 30);
	assert_int_equal(told("a new engine"), 1);
	end();
}

/* A process that can be looked at. */
static pid_t start_vmm(void)
{
	pid_t vmm = fork();

	if (!vmm) {
		pause();
		_exit(0);
	}
	assert_true(vmm > 0);
	return vmm;
}

static void end_vmm(pid_t vmm)
{
	kill(vmm, SIGKILL);
	waitpid(vmm, NULL, 0);
}

/*
 * A check that hangs in the kernel, as one that reads from a VMM's own file server
 * does, holds up neither the others nor the end.
 */
static void test_a_check_that_hangs_is_given_up(void **state)
{
	pid_t vmm = start_vmm();

	guests[0] = (struct kvm_warden_guest_info){ .guest = 3, .vmm_pid = vmm };
	guests[1] = (struct kvm_warden_guest_info){ .guest = 7, .vmm_pid = GONE };
	begin();
	role("integrity", "[ \"$3\" = modules ] || exec sleep 1000");
	immortal = true;
	ahead += 2;
	for (int i = 0; i < 100; i++)
		sd_event_run(w.loop, 10000);
	assert_int_equal(told("took too long"), 0);
	/* The modules' next round does not wait for it. */
	ahead += 40;
	integrity_soon(w.in, "a new engine");
	ahead += 2;
	await("modules", 2);
	assert_int_equal(told("its VMM has ended"), 0);
	ahead += 100;
	await("took too long", 1);
	/* The next VMM's turn, and then it is not asked anew. */
	await("its VMM has ended", 1);
	await("an earlier check of this VMM hangs", 1);
	integrity_free(w.in);
	w.in = NULL;
	immortal = false;
	end();
	end_vmm(vmm);
	kill_children();
}

static void test_a_vmm_is_checked_once(void **state)
{
	pid_t vmm = start_vmm();

	guests[0] = (struct kvm_warden_guest_info){ .guest = 3, .vmm_pid = vmm };
	guests[1] = (struct kvm_warden_guest_info){ .guest = 7, .vmm_pid = vmm };
	begin();
	ahead += 2;
	await("its VMM has another guest", 1);
	assert_int_equal(told("ended before it was done"), 2);	/* the modules', and the VMM's */
	end();
	end_vmm(vmm);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmms_out_of_reach), cmocka_unit_test(test_guests_hurry_a_little),
		cmocka_unit_test(test_a_check_that_hangs_is_given_up),
		cmocka_unit_test(test_a_vmm_is_checked_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

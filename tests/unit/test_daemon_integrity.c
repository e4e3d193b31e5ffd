// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A round over VMMs that cannot be looked at: the engine hears of each.  The
 * device is played here, the engine and warden-integrity by shell scripts.
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
#include <time.h>

#include "daemon/integrity.h"
#include "daemon/roles.h"
#include "lib/config.h"
#include "lib/messages.h"
#include "lib/util.h"

#define DEVICE 12345
#define GONE 2000000000u		/* no process has such a number */
#define LIMIT_S 60			/* a busy machine is no failure */

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

static void test_vmms_out_of_reach(void **state)
{
	static struct config config = { .integrity_seconds = 300 };
	time_t until = time(NULL) + LIMIT_S;
	struct integrity *in;
	struct roles *roles;
	sd_event *loop;
	char script[160];

	/* One let go of its guest; another's process is not there. */
	guests[0] = (struct kvm_warden_guest_info){ .guest = 3, .vmm_pid = getpid(),
						    .flags = KVM_WARDEN_GUEST_HIDDEN };
	guests[1] = (struct kvm_warden_guest_info){ .guest = 7, .vmm_pid = GONE };
	snprintf(config.libexec_dir, sizeof(config.libexec_dir), "%s", dir);
	snprintf(script, sizeof(script), "exec cat <&%d >%s/told", ROLE_FD, dir);
	role("engine", script);
	role("scan", "exec sleep 1000");
	role("channel", "exec sleep 1000");
	role("integrity", "exit 0");
	assert_true(sd_event_new(&loop) >= 0);
	roles = roles_new(loop, dir, "/dev/null", &(struct roles_hooks){
		.engine_up = on_engine_up, .engine_down = on_engine_down,
	});
	assert_int_equal(roles_start(roles), 0);
	in = integrity_new(loop, DEVICE, -1, &config, "/dev/null", roles);
	while (told("its VMM has let go of it, or is gone") < 2) {
		if (time(NULL) > until)
			fail_msg("told of %u", told("its VMM has let go of it, or is gone"));
		sd_event_run(loop, 50000);
	}
	/* The modules, whose check ended without a word, come first. */
	assert_int_equal(told("modules"), 1);
	integrity_free(in);
	roles_free(roles);
	sd_event_unref(loop);
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
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_vmms_out_of_reach) };

	return cmocka_run_group_tests(tests, setup, teardown);
}

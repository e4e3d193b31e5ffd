/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's engine and its introspector, as they are, over the RAM file of a guest that
 * runs in QEMU without KVM; what they find is read from wardenctl.
 */
#ifndef TELLS_WHOLE_H
#define TELLS_WHOLE_H

#include "../../unit/test_engine_world.h"

#include <signal.h>
#include <sys/prctl.h>

#include "guest.h"
#include "introspect/serve.h"

#define FIND_SECONDS 120

static struct testee t;
static const char *ram_path;

/* A guest's introspector without a guest of KVM: its memory is the file. */
static void serve(int sock)
{
	/* An idle vCPU's: its tables stay, and the monitor is another's. */
	struct kvm_warden_regs regs = *t.mem.fixed;
	static struct role role;
	int quiet[2];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	assert_int_equal(pipe(quiet), 0);
	dup2(sock, 200);
	dup2(quiet[0], 201);
	dup2(200, ROLE_FD);
	dup2(201, ROLE_GUEST_FD);
	regs.cr3 = t.in.kernel.as.root;
	if (testee_memory(&role.mem, ram_path, &regs) ||
	    introspector_init(&role.in, &role.mem))
		_exit(1);
	serve_engine(&role);
	_exit(0);
}

static pid_t guest_of_file(void)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = GUEST, .vmm_pid = VMM,
				 .name = NAME };
	int s[2];
	pid_t pid;

	pair(s);
	pid = fork();
	if (!pid)
		serve(s[1]);
	close(s[1]);
	guest_comes(&up, s[0]);
	return pid;
}

/* How many findings of that name are of a process with that comm ("": any). */
static unsigned found(const char *signature, const char *comm)
{
	json_t *answer = ctl("findings", 0), *f;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, f)
		n += !strcmp(text(f, "signature"), signature) &&
		     (!comm[0] || !strcmp(text(f, "comm"), comm));
	json_decref(answer);
	return n;
}

static void expect_finding(const char *signature, const char *comm)
{
	int i = 0;

	while (i < FIND_SECONDS && !found(signature, comm)) {
		sleep(1);
		i++;
	}
	ok(i < FIND_SECONDS, "wardenctl findings has %s of %s after %d s", signature,
	   comm[0] ? comm : "the kernel", i);
}

static void print_findings(void)
{
	json_t *answer = ctl("findings", 0), *f;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, f)
		printf("# %s %s: %s\n", text(f, "signature"), text(f, "comm"),
		       text(json_object_get(f, "evidence"), "detail"));
	json_decref(answer);
}

/* Opens the guest, and starts both.  The introspector's pid; 0: the engine is not there. */
static pid_t whole_start(const char *ram, const char *monitor, const char *policy)
{
	void *state = (void *)policy;
	pid_t pid;

	ram_path = ram;
	testee_open(&t, ram, monitor);
	printf("# %s\n", t.in.state.release);
	fflush(stdout);
	setup(&state);
	if (missing())
		return 0;
	pid = guest_of_file();
	for (int i = 0; i < 100 && access(w.socket, F_OK); i++)
		usleep(100000);
	sleep(1);
	return pid;
}

static void whole_end(pid_t pid)
{
	kill(pid, SIGKILL);
	kill(w.pid, SIGKILL);
}

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * jit RAM MONITOR LOOKS: Node.js and a JVM make code in the guest, in memory of no file;
 * that is no finding in LOOKS sweeps, and no check finds anything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "introspect/vmas.h"

#define START_SECONDS 300		/* a JVM takes its time in an emulator */
#define WARM_SECONDS 30

static struct testee t;
static const char *const engines[] = { "node", "java" };
static unsigned signs;

static int on_sign(void *ctx, const struct m_sign *m)
{
	printf("# %s: %s: %s\n", m->comm, m->name, m->detail);
	signs++;
	return 0;
}

static int add_code(void *ctx, const struct vma *v)
{
	uint64_t *bytes = ctx;

	*bytes += v->flags & VM_EXEC && !v->file ? v->end - v->start : 0;
	return 0;
}

/* Bytes of its mappings that are executable and of no file; 0: it is not there yet. */
static uint64_t own_code(const char *comm)
{
	struct task task;
	uint64_t bytes = 0;

	if (!testee_find(&t, comm, 0, &task) || vmas_walk(&t.in.kernel, task.mm, add_code, &bytes))
		return 0;
	return bytes;
}

/* The most that was seen: an engine may take away the right to execute while it writes. */
static uint64_t wait_for_code(const char *comm)
{
	uint64_t most = 0;

	/* The vDSO is in any process. */
	for (int i = 0; i < START_SECONDS && most < 64 << 10; i++) {
		uint64_t now = own_code(comm);

		most = now > most ? now : most;
		sleep(1);
		memory_refresh(&t.mem);
	}
	return most;
}

int main(int argc, char **argv)
{
	struct m_done done = { 0 };
	unsigned looks;

	if (argc != 4)
		return 2;
	looks = atoi(argv[3]);
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++) {
		uint64_t bytes = wait_for_code(engines[i]);

		ok(bytes >= 64 << 10, "%s makes code: %llu KiB of its mappings", engines[i],
		   (unsigned long long)bytes >> 10);
	}
	sleep(WARM_SECONDS);
	t.in.on_sign = on_sign;
	for (unsigned i = 0; i < looks; i++) {
		testee_sweep(&t, &done);
		sleep(1);
	}
	ok(!signs && done.tasks, "%u sweeps of %u tasks find nothing", looks, done.tasks);
	testee_stays_clean(&t, CHECK_PROCESSES | CHECK_MODULES | CHECK_KERNEL, looks);
	for (size_t i = 0; i < sizeof(engines) / sizeof(*engines); i++)
		ok(own_code(engines[i]), "%s goes on", engines[i]);
	return ok_done();
}

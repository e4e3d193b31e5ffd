// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * suspect RAM MONITOR LOOKS: what suspects.c plays in the guest is found, each by
 * its name; what only looks so is not, nor anything else, in LOOKS sweeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

static struct testee t;

static struct expected {
	const char *comm, *name;
	unsigned found, others;
} all[] = {
	{ "rwx", "Code.RWX", 0, 0 }, { "anon", "Code.Anonymous", 0, 0 },
	{ "huge", "Code.Anonymous", 0, 0 }, { "patched", "Code.Patched", 0, 0 },
	{ "traced", "Process.Traced", 0, 0 }, { "hollow", "Process.Hollowed", 0, 0 },
	{ "memfd", "Code.Memfd", 0, 0 }, { "deleted", "Code.Deleted", 0, 0 },
	{ "tmpfs", "Code.Tmpfs", 0, 0 }, { "preload", "Process.Preloaded", 0, 0 },
	{ "moved", "Code.Tmpfs", 0, 0 }, { "init", "Process.Preloaded", 0, 0 }, { "overlay", "Code.Overlay", 0, 0 },
	{ "headless", "Code.Anonymous", 0, 0 },
	{ "breakpoint", "", 0, 0 }, { "replaced", "", 0, 0 }, { "jemalloc", "", 0, 0 },
	{ "node", "", 0, 0 }, { "image", "", 0, 0 }, { "plain", "", 0, 0 }, { "restless", "", 0, 0 },
};

#define ALL (sizeof(all) / sizeof(*all))

static unsigned strangers;

static int on_sign(void *ctx, const struct m_sign *m)
{
	for (size_t i = 0; i < ALL; i++) {
		if (strcmp(all[i].comm, m->comm))
			continue;
		printf("# %s: %s\n", m->name, m->detail);
		if (!strcmp(all[i].name, m->name))
			all[i].found++;
		else
			all[i].others++;
		return 0;
	}
	printf("# of no suspect: %s: %s\n", m->name, m->detail);
	strangers++;
	return 0;
}

static bool all_there(void)
{
	struct task v;
	bool there = true;

	for (size_t i = 0; there && i < ALL; i++)
		there = testee_find(&t, all[i].comm, 0, &v);
	return there;
}

int main(int argc, char **argv)
{
	struct m_done done;
	unsigned looks;

	if (argc != 4)
		return 2;
	looks = atoi(argv[3]);
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	for (int i = 0; i < 120 && !all_there(); i++)
		sleep(1);
	sleep(5);
	t.in.on_sign = on_sign;
	for (unsigned i = 0; i < looks; i++)
		testee_sweep(&t, &done);
	printf("# %u tasks, %lu us: %s\n", done.tasks, (unsigned long)done.elapsed_us, done.why);
	for (size_t i = 0; i < ALL; i++) {
		if (all[i].name[0])
			ok(all[i].found == looks, "%s is found as %s: %u of %u", all[i].comm,
			   all[i].name, all[i].found, looks);
		else
			ok(!all[i].others, "%s is no finding", all[i].comm);
	}
	ok(!strangers, "nothing else is");
	return ok_done();
}

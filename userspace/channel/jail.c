// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/jail.h"

#include <seccomp.h>

#include "channel/conns.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_MEMORY (64ull << 20)	/* besides the connections' */
#define MAX_FILE 4096			/* an agent's key */

int jail_channel(const char *agents, uint32_t uid)
{
	static const int syscalls[] = {
		SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(sendto),
		/* the folder of agents, which is its root */
		SCMP_SYS(openat), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(unlinkat),
		SCMP_SYS(fsync),
	};
	const struct sandbox box = {
		.root = agents, .uid = uid,
		.files = SANDBOX_READ | SANDBOX_WRITE,
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_memory = MAX_MEMORY + CONNS_MAX * (sizeof(struct conn) + 16384),
		.max_files = CONNS_MAX + 16,
		.max_file = MAX_FILE,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

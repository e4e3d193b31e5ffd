// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/jail.h"

#include <sys/syscall.h>

#include "integrity/vmm.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_MEMORY (1ull << 30)

int jail_integrity(uint32_t uid)
{
	/* What it reads is open by now. */
	static const int calls[] = { SYS_pread64, SYS_sysinfo /* qsort() */ };
	const struct sandbox box = {
		.syscalls = calls,
		.nsyscalls = ARRAY_SIZE(calls),
		.max_memory = MAX_MEMORY,
		.max_files = VMM_MAPPINGS + 64,
		.uid = uid,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

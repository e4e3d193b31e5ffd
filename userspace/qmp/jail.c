// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp/jail.h"

#include "lib/sandbox.h"

#define MAX_MEMORY (256ull << 20)
#define MAX_FILES 16

int jail_qmp(uint32_t uid)
{
	const struct sandbox box = {
		.max_memory = MAX_MEMORY,
		.max_files = MAX_FILES,
		.uid = uid,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

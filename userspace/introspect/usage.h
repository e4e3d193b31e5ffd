/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process uses: CPU time and memory, as its kernel accounts for them. */
#ifndef WARDEN_USAGE_H
#define WARDEN_USAGE_H

#include "introspect/tasks.h"

struct usage {
	uint64_t cpu_ns;		/* of all its threads, those that ended too */
	uint64_t rss_pages;		/* file, anonymous and shared memory */
	uint64_t swap_pages;		/* anonymous memory that is swapped out */
	uint32_t threads;
};

/* What this kernel has no member for, or could not be read, is 0. */
void usage_read(const struct kernel *k, const struct task *t, struct usage *ret_usage);

#endif

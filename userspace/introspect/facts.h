/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a kernel says of itself: as the guest has it, each unknown on its own. */
#ifndef WARDEN_FACTS_H
#define WARDEN_FACTS_H

#include "introspect/kernel.h"

#define BUILD_ID_MAX 32u
#define COMMAND_LINE_SIZE 2048u		/* x86's COMMAND_LINE_SIZE */
#define MODULE_NAME_SIZE 64u
#define MAX_MODULES 4096u

struct kernel_facts {
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_size;		/* 0: unknown */
	uint64_t boot_ns;		/* since 1970; 0: unknown */
	uint64_t uptime_ns;		/* 0: unknown */
	int kpti;			/* 1, 0; -1: unknown, no process has an address space yet */
	char command_line[COMMAND_LINE_SIZE];
};

struct kernel_module {
	uint64_t va;			/* of its struct module */
	uint64_t base, size;		/* as in /proc/modules */
	uint32_t state;			/* enum module_state: 0 live */
	char name[MODULE_NAME_SIZE];	/* raw bytes */
};

void kernel_read_facts(const struct kernel *k, struct kernel_facts *ret_facts);

/*
 * The kernel's list of modules, as /proc/modules has it; fn returns 0 to go on.
 * -ENOENT: this kernel has no such list that we know; -ELOOP: it does not hold
 * together; else an errno of memory_read, or what fn returned.
 */
int modules_walk(const struct kernel *k,
		 int (*fn)(void *ctx, const struct kernel_module *module), void *ctx);

#endif

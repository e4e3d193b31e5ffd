// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/jail.h"

#include <linux/kvm_warden.h>
#include <sys/syscall.h>

#include "introspect/pagecache.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_MEMORY (1ull << 30)

int jail_introspect(uint32_t uid)
{
	/* memfds for objects; the watchdog. */
	static const int calls[] = {
		SYS_memfd_create, SYS_ftruncate, SYS_pwrite64, SYS_alarm,
	};
	static const unsigned ioctls[] = {
		KVM_WARDEN_READ, KVM_WARDEN_REGS, KVM_WARDEN_MEMSLOTS,
	};
	const struct sandbox box = {
		.syscalls = calls,
		.nsyscalls = ARRAY_SIZE(calls),
		.ioctls = ioctls,
		.nioctls = ARRAY_SIZE(ioctls),
		.max_memory = MAX_MEMORY,
		.max_file = (uint64_t)MAX_FILE_PAGES * FRAME_SIZE,
		.max_files = 16,
		.uid = uid,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

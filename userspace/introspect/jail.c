// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/jail.h"

#include <linux/kvm_warden.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "introspect/kernelfiles.h"
#include "introspect/pagecache.h"
#include "lib/sandbox.h"
#include "lib/util.h"

/* Of its own: the guest's memory, mapped, may be any size. */
#define MAX_DATA (1ull << 30)

int jail_inspect(bool writes)
{
	/* qsort asks how much memory there is before it takes some. */
	static const int calls[] = {
		SYS_pread64, SYS_dup, SYS_sysinfo, SYS_flock,
		SYS_pwrite64, SYS_ftruncate,	/* the last two, if it writes */
	};
	const struct sandbox box = {
		.syscalls = calls,
		.nsyscalls = ARRAY_SIZE(calls) - (writes ? 0 : 2),
		.max_file = writes ? MAX_FILE_BYTES : 0,
		.max_data = MAX_DATA,
		.max_files = 16 + KERNEL_FILES,
		.as_caller = geteuid() != 0,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

int jail_introspect(uint32_t uid)
{
	/* memfds for objects; the watchdog. */
	static const int calls[] = {
		SYS_memfd_create, SYS_ftruncate, SYS_pwrite64, SYS_alarm,
		SYS_sysinfo,	/* qsort of much asks how much memory there is */
		SYS_pread64, SYS_flock,		/* of kernels' files, by turns */
	};
	static const unsigned ioctls[] = {
		KVM_WARDEN_READ, KVM_WARDEN_REGS, KVM_WARDEN_MEMSLOTS, KVM_WARDEN_MAP,
		KVM_WARDEN_WATCH, KVM_WARDEN_UNWATCH,
	};
	const struct sandbox box = {
		.syscalls = calls,
		.nsyscalls = ARRAY_SIZE(calls),
		.ioctls = ioctls,
		.nioctls = ARRAY_SIZE(ioctls),
		.max_data = MAX_DATA,
		.max_file = MAX_FILE_BYTES,
		.max_files = 16 + KERNEL_FILES,
		.uid = uid,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

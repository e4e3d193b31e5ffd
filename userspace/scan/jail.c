// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"
#include "scan/content.h"
#include "scan/pool.h"

#define RUN_DIR "/run/kvm-warden"
#define TREE RUN_DIR "/scan"
#define WORKER_ROOT "/worker"
#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV | MS_NOEXEC)
/*
 * Room for what one content unpacks to, twice what libclamav unpacks at most.
 * 0711, since the loader has no right to pass over modes.
 */
#define WORKER_TMPFS "size=1g,nr_inodes=65536,mode=0711,uid=%u,gid=%u"

/* libclamav's temporary folders: it makes and removes one in each scan. */
#define WORKER_SYSCALLS							\
	SCMP_SYS(pread64), SCMP_SYS(openat), SCMP_SYS(unlink),		\
	SCMP_SYS(mkdir), SCMP_SYS(rmdir), SCMP_SYS(chmod),		\
	SCMP_SYS(getdents64), SCMP_SYS(ftruncate), SCMP_SYS(dup2)

static int failed(const char *step)
{
	log_err("jail: %s: %s", step, strerror(errno));
	return -1;
}

int jail_broker(uint32_t uid)
{
	static const int syscalls[] = {
		SCMP_SYS(pread64), SCMP_SYS(pidfd_send_signal), SCMP_SYS(waitid),
	};
	const struct sandbox box = {
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		/* Two for each worker, one for each scan that waits. */
		.max_files = 2 * POOL_MAX_WORKERS + SCAN_OUTSTANDING + 32,
		/* A log may be a file. */
		.max_file = 1 << 30,
		.max_memory = 1ull << 30,
		.uid = uid,
		.die_with_parent = true,
	};

	return sandbox_apply(&box);
}

/* What making a worker's jail takes. */
#define JAILER (1ull << CAP_SYS_ADMIN | 1ull << CAP_SYS_CHROOT | \
		1ull << CAP_SETUID | 1ull << CAP_SETGID)

static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = keep, .permitted = keep },
	};

	return syscall(SYS_capset, &header, data);
}

int jail_starter(void)
{
	/* A database need not be readable for all. */
	if (keep_capabilities(JAILER | 1ull << CAP_DAC_READ_SEARCH) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed("capabilities");
	return 0;
}

static int make_tree(const char *database)
{
	if ((mkdir(RUN_DIR, 0755) && errno != EEXIST) ||
	    (mkdir(TREE, 0700) && errno != EEXIST))
		return failed(TREE);
	if (mount("tmpfs", TREE, "tmpfs", MOUNT_FLAGS, "mode=0755"))
		return failed("tmpfs");
	if (mkdir(TREE JAIL_DATABASE, 0700) || mkdir(TREE WORKER_ROOT, 0700) ||
	    mkdir(TREE JAIL_TMP, 0700))
		return failed("folders");
	if (mount(database, TREE JAIL_DATABASE, NULL, MS_BIND, NULL) ||
	    mount(NULL, TREE JAIL_DATABASE, NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MOUNT_FLAGS, NULL))
		return failed(database);
	return 0;
}

/*
 * The tree is moved over the root and not swapped with pivot_root, which
 * refuses where the root is an initramfs.  What lies below the new root of
 * this namespace can no longer be reached.
 */
int jail_private_tree(const char *database)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return failed("mount namespace");
	if (make_tree(database))
		return -1;
	if (chdir(TREE) || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
		return failed("private root");
	return 0;
}

int jail_loader(void)
{
	static const int syscalls[] = {
		WORKER_SYSCALLS,
		SCMP_SYS(clone), SCMP_SYS(socketpair),
		SCMP_SYS(unshare), SCMP_SYS(mount), SCMP_SYS(chroot), SCMP_SYS(chdir),
		SCMP_SYS(setgroups), SCMP_SYS(setresgid), SCMP_SYS(setresuid),
		SCMP_SYS(prctl), SCMP_SYS(seccomp), SCMP_SYS(prlimit64), SCMP_SYS(setrlimit),
		SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
		SCMP_SYS(landlock_restrict_self),
	};
	const struct sandbox box = {
		.root = "",
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_file = 1 << 30,
		/* The limit of processes spares root. */
		.keep_identity = true,
		.die_with_parent = true,
	};

	if (keep_capabilities(JAILER))
		return failed("capabilities");
	return sandbox_apply(&box);
}

/* Its own tmpfs: no worker sees or fills another's, and it dies with it. */
static int worker_tmpfs(uint32_t uid)
{
	char options[128];

	snprintf(options, sizeof(options), WORKER_TMPFS, uid, uid);
	return unshare(CLONE_NEWNS) ||
	       mount("tmpfs", WORKER_ROOT, "tmpfs", MOUNT_FLAGS, options);
}

int jail_worker(uint64_t max_memory, uint32_t uid)
{
	static const int syscalls[] = { WORKER_SYSCALLS };
	const struct sandbox box = {
		.root = WORKER_ROOT, .uid = uid,
		.files = SANDBOX_READ | SANDBOX_WRITE | SANDBOX_FOLDERS,
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_memory = max_memory,
		/* More kills the worker, which is no "clean". */
		.max_file = 2 * CONTENT_FILE_MAX,
		.die_with_parent = true,
	};

	if (worker_tmpfs(uid))
		return failed("worker's tmpfs");
	if (sandbox_apply(&box))
		return -1;
	return mkdir(JAIL_TMP, 0700) ? failed(JAIL_TMP) : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"

#define NOBODY 65534
#define EMPTY_ROOT "/run/kvm-warden/empty"

/* To end, allocate, log, tell the time, and use descriptors already open. */
static const int base_syscalls[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(futex), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(getrandom), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigaction), SCMP_SYS(restart_syscall),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* F_SETFL apart; none that has the kernel send a signal to a process of choice. */
static const int fcntl_commands[] = {
	F_GETFD, F_SETFD, F_GETFL, F_DUPFD, F_DUPFD_CLOEXEC,
	F_GETLK, F_SETLK, F_SETLKW, F_ADD_SEALS, F_GET_SEALS,
};

/* Of memory allocators.  None that reads in what was swapped out. */
static const int advices[] = {
	MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
};

static int set_limit(int which, uint64_t value)
{
	struct rlimit limit = { value, value };

	return setrlimit(which, &limit);
}

/* A system that gives fewer files than a role may have is no reason not to serve. */
static int set_file_limit(unsigned max_files)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now))
		return -1;
	return set_limit(RLIMIT_NOFILE, MIN((rlim_t)(max_files ? max_files : 64), now.rlim_max));
}

/*
 * Standard error may be a file: a log line that RLIMIT_FSIZE forbids is lost,
 * but does not end the role.
 */
static int set_limits(const struct sandbox *box)
{
	signal(SIGXFSZ, SIG_IGN);
	if (set_limit(RLIMIT_CORE, 0) ||
	    set_limit(RLIMIT_FSIZE, box->max_file) ||
	    set_file_limit(box->max_files) ||
	    set_limit(RLIMIT_NPROC, 0) ||
	    (box->max_memory && set_limit(RLIMIT_AS, box->max_memory)) ||
	    (box->max_data && set_limit(RLIMIT_DATA, box->max_data)))
		return -1;
	return 0;
}

static int enter_root(const char *root)
{
	if (root && !root[0])
		return 0;
	if (!root) {
		root = EMPTY_ROOT;
		if ((mkdir("/run/kvm-warden", 0755) && errno != EEXIST) ||
		    (mkdir(root, 0555) && errno != EEXIST))
			return -1;
	}
	return chroot(root) || chdir("/");
}

static int drop_identity(const struct sandbox *box)
{
	const uint32_t id = box->uid ? box->uid : NOBODY;

	if (!box->keep_identity && !box->as_caller &&
	    (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id)))
		return -1;
	/* A change of user clears the parent's death signal: set it after. */
	if (box->die_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL))
		return -1;
	return prctl(PR_SET_DUMPABLE, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- Landlock ---- */

#define LANDLOCK_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)	/* all of its first version */

/* Version 3, kernel 6.2. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static uint64_t landlock_rights(unsigned files)
{
	uint64_t rights = 0;

	if (files & SANDBOX_READ)
		rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (files & SANDBOX_WRITE)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE;
	if (files & SANDBOX_FOLDERS)
		rights |= LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR;
	return rights;
}

static int allow_below_root(int ruleset, uint64_t rights)
{
	autofd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct landlock_path_beneath_attr beneath = {
		.allowed_access = rights, .parent_fd = root,
	};

	return root < 0 ? -1 : syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
				       &beneath, 0);
}

static int restrict_files(const struct sandbox *box)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr all = {
		.handled_access_fs = LANDLOCK_FIRST |
			(version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
			(version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0),
	};
	uint64_t rights = landlock_rights(box->files) & all.handled_access_fs;
	autofd int ruleset = -1;

	if (box->keep_identity)
		return 0;
	/* Not in this kernel.  Any other refusal is somebody's filter, and an error. */
	if (version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (version < 1)
		return -1;
	ruleset = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset < 0 || (rights && allow_below_root(ruleset, rights)))
		return -1;
	return syscall(SYS_landlock_restrict_self, ruleset, 0);
}

/* ---- seccomp ---- */

static int allow_all(scmp_filter_ctx filter, const int *syscalls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, syscalls[i], 0);

		if (r)
			return r;
	}
	return 0;
}

static int allow_if(scmp_filter_ctx filter, int syscall, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, syscall, 1, &condition);
}

/* Memory may be mapped and protected, but never made executable. */
static int allow_memory(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = allow_if(filter, SCMP_SYS(mmap), no_exec) ?:
		allow_if(filter, SCMP_SYS(mprotect), no_exec);

	for (size_t i = 0; !r && i < ARRAY_SIZE(advices); i++)
		r = allow_if(filter, SCMP_SYS(madvise),
			     SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)advices[i]));
	return r;
}

/*
 * Processes of one user have the right to kill each other, and the scanner's
 * are one: a signal may go to the process itself alone, as abort() sends it.
 * (A filter inherited over a fork names the parent: there abort() ends in
 * SIGSYS.)
 */
static int allow_abort(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

static int allow_fcntl(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp set_flags[] = {
		SCMP_A1(SCMP_CMP_EQ, F_SETFL),
		SCMP_A2(SCMP_CMP_MASKED_EQ, O_ASYNC, 0),
	};
	int r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl),
				       ARRAY_SIZE(set_flags), set_flags);

	for (size_t i = 0; !r && i < ARRAY_SIZE(fcntl_commands); i++)
		r = allow_if(filter, SCMP_SYS(fcntl),
			     SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)fcntl_commands[i]));
	return r;
}

static int allow_ioctls(scmp_filter_ctx filter, const unsigned *ioctls, size_t n)
{
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = allow_if(filter, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, ioctls[i]));
	return r;
}

static int filter_syscalls(const struct sandbox *box)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = -ENOMEM;

	if (!filter)
		return r;
	r = allow_all(filter, base_syscalls, ARRAY_SIZE(base_syscalls));
	if (!r)
		r = allow_memory(filter);
	if (!r)
		r = allow_all(filter, box->syscalls, box->nsyscalls);
	if (!r)
		r = allow_abort(filter);
	if (!r)
		r = allow_fcntl(filter);
	if (!r)
		r = allow_ioctls(filter, box->ioctls, box->nioctls);
	if (!r)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r;
}

int sandbox_apply(const struct sandbox *box)
{
	const char *step;
	int r;

	if (!box->as_caller && enter_root(box->root)) {
		step = "new root";
	} else if (set_limits(box)) {
		step = "limits";
	} else if (drop_identity(box)) {
		step = "drop of privileges";
	} else if (restrict_files(box)) {
		step = "Landlock";
	} else {
		r = filter_syscalls(box);
		if (!r)
			return 0;
		errno = -r;
		step = "seccomp filter";
	}
	log_err("sandbox: %s: %s: not serving unjailed (is this started as root?)",
		step, strerror(errno));
	return -1;
}

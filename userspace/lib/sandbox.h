/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A role acquires what it needs, calls sandbox_apply, and only then serves.
 */
#ifndef WARDEN_SANDBOX_H
#define WARDEN_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Added to config.uid_base. */
enum role_uid {
	ROLE_UID_ENGINE = 1,
	ROLE_UID_SCAN,			/* broker, loader and workers */
	ROLE_UID_CHANNEL,
	ROLE_UID_QMP,
	ROLE_UID_INTEGRITY,
	ROLE_UID_INTROSPECT = 0x10000,	/* and the guest's id modulo 65536 */
};

/* What may be done below the new root, by Landlock, whatever the modes say. */
#define SANDBOX_READ	(1u << 0)	/* files, and lists of them */
#define SANDBOX_WRITE	(1u << 1)	/* files: write, make, rename, remove */
#define SANDBOX_FOLDERS	(1u << 2)	/* make and remove */

struct sandbox {
	/*
	 * chroot here; NULL: an empty, unwritable folder; "" : keep the root
	 * (the kernel still drops every capability).
	 */
	const char *root;
	/*
	 * SANDBOX_*; 0: nothing.  A kernel without Landlock has the new root and
	 * modes alone.  Not for a role that keeps its identity: it must mount.
	 */
	unsigned files;
	/* System calls allowed besides those every program needs to end,
	 * allocate, log to standard error and use open descriptors. */
	const int *syscalls;
	size_t nsyscalls;
	/*
	 * ioctl commands allowed.  The call itself stays out of syscalls: some
	 * commands type into a terminal, or have a signal sent.
	 */
	const unsigned *ioctls;
	size_t nioctls;
	uint64_t max_memory;		/* RLIMIT_AS in bytes, 0: no limit */
	uint64_t max_data;		/* RLIMIT_DATA: of its own alone, mapped files apart; 0: no limit */
	uint64_t max_file;		/* RLIMIT_FSIZE in bytes (memfds too), 0: none at all */
	unsigned max_files;		/* RLIMIT_NOFILE, 0: 64 */
	/*
	 * User and group, from config.uid_base and the role's number below; 0:
	 * nobody.  Roles of different ids cannot signal or trace each other.
	 */
	uint32_t uid;
	/*
	 * Keep user, group and capabilities: for a role that makes jails for
	 * others and takes none of a guest's bytes.  It drops what capabilities
	 * it can before.
	 */
	bool keep_identity;
	/*
	 * For a program that an ordinary user starts: its user and root stay, and
	 * Landlock closes every file.  Without Landlock the filter alone does.
	 */
	bool as_caller;
	bool die_with_parent;		/* SIGKILL when its parent ends */
};

/*
 * New root, uid and gid as above, no capabilities, no new privileges, limits,
 * Landlock, seccomp (anything else kills the process; executable mappings are among it).
 * 0, or -1 and a line in the log: the caller must exit.
 */
int sandbox_apply(const struct sandbox *box);

#endif

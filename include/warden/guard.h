/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard over VMM processes: layouts shared by its BPF programs, the parent
 * and the engine.  Includes nothing: the includer brings __u32 and __u64.
 */
#ifndef WARDEN_GUARD_H
#define WARDEN_GUARD_H

/* What a VMM never does. */
enum warden_guard_what {
	GUARD_EXEC = 1,		/* path: the program */
	GUARD_ANON_CODE,	/* executable memory that is of no file */
	GUARD_FOREIGN_CODE,	/* an executable mapping of path */
	GUARD_MADE_CODE,	/* memory made executable, or executable and writable */
	GUARD_PTRACE,		/* detail: PTRACE_MODE_*; address: the process; path: its name */
	GUARD_TRACED,		/* the other way, pid and comm being the other's: never denied */
	GUARD_FILE,		/* path; detail: GUARD_READ or GUARD_WRITE */
	GUARD_SOCKET,		/* detail: address family; address: type */
	GUARD_CONNECT,		/* detail: family; path: a unix socket's, else see GUARD_ADDRESS */
	GUARD_BIND,		/* the same */
	GUARD_CAPABILITY,	/* address: the capabilities gained */
	GUARD_USER_NAMESPACE,
	GUARD_MODULE,		/* path: its name, its file, or where it is */
	GUARD_PROCESSES,	/* more of them than are watched */
	GUARD_CHANGE,		/* path, not opened; detail: enum warden_guard_change */
	GUARD_MOUNT,		/* path; detail: the same */
	GUARD_CONTROL,		/* detail: a signal, or GUARD_LIMITS, _LEASED, _HELD; address, path: as GUARD_PTRACE */
	GUARD_BPF,		/* detail: the command of bpf() */
	GUARD_KINDS		/* one more than the last */
};

/* Done by a file's name; from GUARD_MOUNTED on, to what names mean. */
enum warden_guard_change {
	GUARD_MOVED = 1,	/* to it, or from it */
	GUARD_LINKED,		/* the same */
	GUARD_SYMLINK,
	GUARD_FOLDER,
	GUARD_NODE,		/* a socket, pipe, or empty file */
	GUARD_MODE,
	GUARD_OWNER,
	GUARD_REMOVED,		/* a file's name, or a folder */
	GUARD_EMPTIED,		/* cut or grown by its name */
	GUARD_DEVICE,		/* a node of one; from here on by no path within the profile */
	GUARD_MOUNTED,		/* on it */
	GUARD_UNMOUNTED,	/* what is mounted there */
	GUARD_ROOT,		/* of a process, or of all */
	GUARD_CHANGES		/* one more than the last */
};

/* How a process is controlled, but by a signal. */
#define GUARD_LIMITS 0		/* set for it, or its scheduling */
#define GUARD_LEASED 254	/* whoever opens a file waits until its lease ends; the same */
#define GUARD_HELD 255		/* whoever opens a file waits for an answer; of no one process */

/* struct warden_guard_event.flags */
#define GUARD_DENIED	(1u << 0)
#define GUARD_CHILD	(1u << 1)	/* not by the VMM's own process */
#define GUARD_HELPER	(1u << 2)	/* by a program that the profile lets it run */
#define GUARD_LONG_PATH	(1u << 3)	/* there is a path, and it does not fit */
/* path holds an IPv4 or IPv6 address in network order, address the port. */
#define GUARD_ADDRESS	(1u << 4)
/* path is of no mount that the process has, but of one apart, or of another namespace's. */
#define GUARD_ELSEWHERE	(1u << 5)
#define GUARD_FLAGS	((1u << 6) - 1)

/* A path's rights in the profile. */
#define GUARD_MAY_EXEC	(1u << 0)
#define GUARD_READ	(1u << 1)
#define GUARD_WRITE	(1u << 2)
#define GUARD_MAP	(1u << 3)
#define GUARD_CONNECTS	(1u << 4)

#define GUARD_PATH 256		/* with NUL; what a trie of the kernel can match */
#define GUARD_COMM 16

struct warden_guard_event {
	__u64 guest;
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__u64 address, length;
	__u32 vmm, pid;		/* process ids: of the VMM, of who did it */
	__u32 what, flags;
	__u32 detail, reserved;
	char comm[GUARD_COMM];	/* texts of the attacker's; NUL-padded */
	char path[GUARD_PATH];
};

/* A process that is watched. */
struct warden_guard_mark {
	__u64 guest;
	__u64 since;		/* when its VMM's guest was first seen */
	__u32 vmm;
	__u32 helper;		/* 1: runs a program that the profile lets it run */
	__u64 leader;		/* its first thread's task; 0 until that is known */
};

/* One that was there before us. */
struct warden_guard_child {
	struct warden_guard_mark mark;	/* of its VMM's guest */
	__u32 pid;
	__u32 left_out;			/* not 0: of no one, but so many that were not looked at */
};

struct warden_guard_budget {
	__u64 window, in_window;
};

/* violations = submitted + dropped + over_budget, exact once quiet. */
struct warden_guard_counts {
	__u64 violations;
	__u64 submitted;	/* put into the ring */
	__u64 dropped;		/* the ring was full */
	__u64 over_budget;	/* the VMM had spent its budget */
	__u64 denied;		/* of the violations */
	__u64 processes;	/* that are watched and live */
	__u64 unwatched;	/* children there was no room for */
	__u64 forking;		/* children on their way to be watched, or to have failed */
	struct warden_guard_budget budget[GUARD_KINDS];	/* one kind hides no other */
};

/* Set by the parent before the load, and read as the programs run. */
struct warden_guard_settings {
	__u64 families;		/* bit n: sockets of address family n */
	__u64 startup_ns;	/* for so long a VMM opens what it needs */
	__u32 deny;		/* 1: what is found is refused */
	__u32 warden;		/* our own process: it and its children read VMMs */
};

/* An LPM trie's key: a file ends in its NUL, a folder in its slash. */
struct warden_guard_key {
	__u32 bits;
	char path[GUARD_PATH];
};

#define WARDEN_GUARD_RING_BYTES (1u << 20)
#define WARDEN_GUARD_GUESTS 4096
#define WARDEN_GUARD_RULES 1024
#define WARDEN_GUARD_PROCESSES 65536
#define WARDEN_GUARD_FORKING 16384
#define WARDEN_GUARD_CHILDREN 256	/* of one VMM that are let live where it is denied */
#define WARDEN_GUARD_WATCHED 2048	/* of one VMM that are watched where it is not */

#define GUARD_UNIX_PATH 108

/*
 * Does a path leave there by ".." the folder that it has named?  Such a path is within no
 * rule.  Of four bytes.
 */
static inline __attribute__((always_inline)) int guard_climbs_at(const char *at)
{
	return at[0] == '/' && at[1] == '.' && at[2] == '.' && (at[3] == '/' || !at[3]);
}

/* Where who looks for such a place comes to an end. */
static inline __attribute__((always_inline)) int guard_path_ends(const char *at)
{
	return !at[0] || guard_climbs_at(at);
}

#endif

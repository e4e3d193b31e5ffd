/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the daemon say to each other.  Each struct m_x has a
 * schema msg_x for msg.h.  "-> engine" names the direction.  The id of an
 * answer is the id of what it answers.  Texts are escaped by text_escape at
 * their source and printable everywhere after it.
 *
 * Who talks: parent -- engine; engine -- warden-introspect (one socket each
 * guest); engine -- warden-scan; engine -- warden-channel.  A role has its
 * engine (or, for the engine, its parent) on descriptor ROLE_FD.
 *
 * No deadlock: answers may block, so an engine never has more than
 * INTROSPECT_OUTSTANDING looks or SCAN_OUTSTANDING scans unanswered, whose
 * requests together fit a socket's buffer.
 */
#ifndef WARDEN_MESSAGES_H
#define WARDEN_MESSAGES_H

#include "lib/msg.h"

#define ROLE_FD 3		/* the socket a role serves */
#define ROLE_GUEST_FD 4		/* warden-introspect: its guest */

#define INTROSPECT_OUTSTANDING 8
#define SCAN_OUTSTANDING 8
#define ORDERS_PER_SESSION 8	/* that an agent takes before it answers one */

#define TEXT_NAME 64
#define TEXT_COMM 64		/* 15 bytes, each escaped at worst, and NUL */
#define TEXT_PATH 1024
#define TEXT_WHY 256
#define TEXT_LINE 8192		/* x86's 2048 bytes of command line, each escaped at worst */
#define TEXT_MODULE 256		/* 63 bytes, the same, and NUL */
#define TEXT_FILE 16000		/* 4095 bytes of path, escaped; what is longer still is cut */
#define TEXT_FS 144		/* 32 bytes, escaped, and NUL */
#define HASH_BYTES 32		/* BLAKE2b-256 */
#define EXE_MAX_RANGES 64

enum message_type {
	M_GUEST_UP = 1,		/* parent -> engine */
	M_GUEST_DOWN,		/* parent -> engine */
	M_GUEST_CID,		/* parent -> engine */
	M_EVENTS,		/* parent -> engine */
	M_COUNTERS,		/* parent -> engine */
	M_ROLE_STATE,		/* parent -> engine; fd: the role's new socket when up */
	M_ACT,			/* engine -> parent: an answer of the host's own */
	M_ACTED,		/* parent -> engine: exactly one for each M_ACT */
	M_GUARD_STATE = 24,	/* parent -> engine, of the guard over VMMs */
	M_GUARD_EVENTS,		/* parent -> engine */
	M_GUARD_COUNTS,		/* parent -> engine */
	M_GUARD_TAKEN,		/* engine -> parent: one for each M_GUARD_EVENTS */
	M_CIDS_STATE,		/* parent -> engine, also when it changes */
	M_MODULE_STATE,		/* the same */
	M_GUARD_JUDGED,		/* engine -> parent */

	M_LOOK = 32,		/* engine -> introspector: answers TASK, OBJECT, USES, DONE */
	M_SWEEP,		/* the same for every task */
	M_PROBE,		/* engine -> introspector: answer PROBED */
	M_KERNEL,		/* introspector -> engine, id 0, whenever it changes */
	M_TASK,			/* introspector -> engine */
	M_OBJECT,		/* introspector -> engine, fd: a sealed memfd */
	M_USES,			/* introspector -> engine */
	M_DONE,			/* introspector -> engine: the look or sweep is over */
	M_PROBED,		/* introspector -> engine */
	M_LIST,			/* engine -> introspector: answers TASK, DONE */
	M_LOOK_PID,		/* one process: answers TASK, OBJECT, USES, DONE */
	M_MAPS,			/* its memory map: answers VMA, DONE */
	M_VMA,			/* introspector -> engine */
	M_BEACON,		/* engine -> introspector: answer BEACON_SEEN */
	M_BEACON_SEEN,		/* introspector -> engine */
	M_CHECK,		/* engine -> introspector: answers SIGN, CHECKED, DONE */
	M_SIGN,			/* introspector -> engine, also of a look or sweep */
	M_CHECKED,		/* introspector -> engine: one for each check */
	M_PROCESS,		/* engine -> introspector: answers FACT, DONE */
	M_FACT,			/* introspector -> engine */
	M_TELL_KERNEL,		/* engine -> introspector: answers KERNEL_FACTS (one), MODULE, DONE */
	M_KERNEL_FACTS,		/* introspector -> engine: before any M_MODULE */
	M_MODULE,		/* introspector -> engine */
	M_FILES,		/* engine -> introspector: answers INODE, DONE */
	M_INODE,		/* introspector -> engine */
	M_EXTRACT,		/* engine -> introspector: answers MISSING, CONTENT (one, or none), DONE */
	M_MISSING,		/* introspector -> engine: in order, and before CONTENT */
	M_CONTENT,		/* introspector -> engine, fd: a sealed memfd */
	M_REST = 60,		/* engine -> introspector: answers REST_FILE, RESTED */
	M_REST_FILE,		/* introspector -> engine, fd: a sealed memfd */
	M_RESTED,		/* introspector -> engine: so far went that part of the round */

	M_SCAN = 64,		/* engine -> scan, fd: a sealed memfd */
	M_VERDICT,		/* scan -> engine */
	M_DATABASE,		/* scan -> engine, id 0, when a database is ready or refused */

	M_ORDER = 96,		/* engine -> channel */
	M_RESULT,		/* channel -> engine: exactly one for each order */
	M_SESSION,		/* channel -> engine, id 0 */
	M_BOUND,		/* engine -> channel: whose guest a session is */
	M_AGENT_ACT,		/* engine -> channel: answers AGENT_INFO, AGENT_DONE */
	M_AGENT_INFO,		/* channel -> engine */
	M_AGENT_DONE,		/* channel -> engine: exactly one for each M_AGENT_ACT */

	M_INTEGRITY_DIFFERENCE = 112,	/* warden-integrity -> parent -> engine */
	M_INTEGRITY_DONE,		/* the same: one for each thing checked */

	M_TAKEN = 128,		/* engine -> parent: one for each M_EVENTS, in their order */
	M_GUEST_LEVEL,		/* parent -> engine: when it changes */
	M_GUEST_NAMED,		/* parent -> engine: once, after an M_GUEST_UP that is unnamed */
};

/* ---- parent -> engine ---- */

struct m_guest_up {
	uint64_t guest;			/* id of the module */
	uint32_t vmm_pid;
	uint32_t level;			/* KVM_WARDEN_LEVEL_* */
	uint32_t unnamed;		/* 1: its name is not known yet; its level is off until then */
	uint64_t marked;		/* the guest by which the guard knows its VMM's processes; 0: none */
	char name[TEXT_NAME];		/* the VMM's name for it; "": it has none, or keeps it to itself */
};

/* Before its CID and its introspector's socket. */
struct m_guest_named {
	uint64_t guest;
	uint32_t level;			/* KVM_WARDEN_LEVEL_* */
	char name[TEXT_NAME];
};

struct m_guest_down {
	uint64_t guest;
};

struct m_guest_cid {
	uint64_t guest;
	uint32_t cid;			/* 0: it has none any more */
	char source[TEXT_NAME];		/* "bpf" or "command line" */
};

#define EVENTS_MAX 64

/* Whole struct kvm_warden_event of the UAPI header, one after the other. */
struct m_events {
	struct {
		uint32_t len;
		uint8_t data[EVENTS_MAX * 80];
	} events;
};

/* The parent keeps events until they are taken, for the next engine if need be. */
struct m_taken {
	uint32_t events;		/* of that M_EVENTS: all */
};

struct m_guest_level {
	uint64_t guest;
	uint32_t level;			/* KVM_WARDEN_LEVEL_* */
};

/*
 * A guest's numbers, sent now and then, and once more after it is down.
 *
 *   emitted = delivered + dropped + suppressed + missed + those on their way
 *
 * They go on over restarts of daemon and engine.
 */
struct m_counters {
	uint64_t guest;
	uint64_t exits, emitted;
	uint64_t delivered;		/* M_TAKEN by the engine */
	uint64_t dropped;		/* the guest's share of the ring was taken */
	uint64_t suppressed;		/* the guest had spent its budget */
	uint64_t missed;		/* BPF did not see them: nothing was attached, or it could not run */
	uint64_t ring_full;		/* of the dropped: the ring had no room for anyone */
	uint64_t seen_again;		/* address spaces: never emitted */
	uint64_t address_spaces;
	uint64_t lag_us, lagged;	/* from exit until taken, summed over so many events */
	uint32_t vcpus, flags;		/* flags: KVM_WARDEN_GUEST_* */
	uint32_t last;			/* 1: it is down, and these are final */
};

enum role_state { ROLE_UP = 1, ROLE_DOWN = 2 };

struct m_role_state {
	uint32_t state;
	uint64_t guest;			/* warden-introspect: its guest, else 0 */
	char role[TEXT_NAME];		/* "introspect", "scan", "channel", "bpf" */
	char why[TEXT_WHY];		/* "killed by signal 31 (SIGSYS)", ... */
};

/*
 * What the host does itself, without the guest's help.  The parent does it,
 * by the module or through the VMM's monitor.
 */
enum host_verb {
	HOST_CONTAIN = 1,	/* every vCPU stopped by the module, until released */
	HOST_RELEASE,
	HOST_PAUSE,		/* by the VMM (QMP stop) */
	HOST_RESUME,
	HOST_LINK_DOWN,		/* of every network device, by the VMM */
	HOST_LINK_UP,
	HOST_POWER_OFF,		/* QMP quit, else SIGTERM, else SIGKILL of the VMM */
	HOST_LEVEL_OFF,		/* its level in the module, which the parent sets */
	HOST_LEVEL_METADATA,
	HOST_LEVEL_CONTENT,
};

struct m_act {
	uint64_t guest;
	uint32_t verb;
	uint64_t expiry_ms;	/* HOST_CONTAIN: released by itself then; 0: never */
};

enum act_status {
	ACT_DONE = 1,
	ACT_NO_GUEST = 2,	/* it is gone */
	ACT_UNAVAILABLE = 3,	/* no monitor, or it is taken: detail tells */
	ACT_FAILED = 4,		/* tried, and nothing changed: detail tells */
	ACT_PARTLY = 5,		/* or something did, and not all that was asked for */
};

struct m_acted {
	uint32_t status;
	uint64_t elapsed_us;
	char detail[TEXT_WHY];
};

enum guard_mode { GUARD_MODE_OFF = 1, GUARD_MODE_FINDING, GUARD_MODE_DENY };

enum guard_is {
	GUARD_IS_OFF = 1,
	GUARD_IS_WHOLE,
	GUARD_IS_DEGRADED,	/* it sees less, and cannot deny */
};

struct m_guard_state {
	uint32_t mode, state;
	uint32_t hooks, rules;	/* attached; of the profile */
	char why[TEXT_WHY];	/* unless whole */
	char missing[TEXT_WHY];	/* functions this kernel has not */
};

#define GUARD_EVENTS_MAX 32

/*
 * Whole struct warden_guard_event of warden/guard.h, one after the other: as
 * the kernel made them, with texts of the VMM's.
 */
struct m_guard_events {
	struct {
		uint32_t len;
		uint8_t data[GUARD_EVENTS_MAX * 328];
	} events;
};

/* As m_taken, once what has come of them is on the disk. */
struct m_guard_taken {
	uint32_t events;
	uint32_t held;		/* bit n: not the nth, whose guest's name is not known yet */
};

/* Those of the guest that were held are taken, too. */
struct m_guard_judged {
	uint64_t guest;
};

/* violations = delivered + dropped + suppressed once quiet. */
struct m_guard_counts {
	uint64_t guest;
	uint64_t processes, unwatched;
	uint64_t violations, denied, delivered, dropped, suppressed;
};

/* Whether BPF sees which VMM sets which vsock CID. */
struct m_cids_state {
	uint32_t on;
	char why[TEXT_WHY];	/* not */
};

/* Whether the module hooks KVM: while it does not, no guest is seen. */
struct m_module_state {
	uint32_t attached;
	char state[TEXT_WHY];	/* in its own words */
};

/* ---- engine -> introspector ---- */

struct m_look {
	uint64_t cr3;			/* as in the event */
};

struct m_sweep {
	uint32_t resend;		/* 1: send objects again even if unchanged */
};

struct m_probe {
	uint32_t pid;
	uint64_t start_ns;
};

/* A list is of identities alone: no code is read, no hash of an executable made. */
struct m_list {
	uint32_t flags;			/* must be 0 */
};

struct m_tell_kernel {
	uint32_t flags;			/* must be 0 */
};

struct m_look_pid {
	uint32_t pid;
	uint64_t start_ns;		/* 0: whatever process has that pid */
	uint32_t resend;		/* 1: send objects again even if unchanged */
};

struct m_maps {
	uint32_t pid;
	uint64_t start_ns;		/* 0: whatever process has that pid */
};

struct m_process {
	uint32_t pid;
	uint64_t start_ns;		/* 0: whatever process has that pid */
	uint32_t environment;		/* 1: that too */
};

/* Does that process hold, at that address, a struct wire_beacon of that nonce? */
struct m_beacon {
	uint32_t pid;			/* both by the agent's word: a hint */
	uint64_t gva;
	uint8_t nonce[HASH_BYTES];
};

/* Files at rest. */
struct m_files {
	uint32_t all;			/* 1: also those without a page in memory */
};

enum extract_what {
	EXTRACT_MEMORY = 1,		/* pid (0: the kernel), address, length */
	EXTRACT_EXE,			/* pid: the file that it runs */
	EXTRACT_OF_PROCESS,		/* pid, path: a file that it runs, maps or has open */
	EXTRACT_AT,			/* path: a file at rest */
	EXTRACT_INODE,			/* dev, ino: the same */
};

#define CONTENT_READ_MAX (64ull << 20)	/* of memory, at once */
#define CONTENT_MAX (128ull << 20)	/* of a file: what is behind is missing */

/* A guest's bytes, for an operator. */
struct m_extract {
	uint32_t what;			/* EXTRACT_* */
	uint32_t pid;
	uint64_t address, length;
	uint64_t dev, ino;		/* dev as the kernel has it */
	char path[TEXT_FILE];		/* raw or escaped, as it is in the guest */
};

#define CHECK_PROCESSES (1u << 0)	/* views of them compared */
#define CHECK_MODULES   (1u << 1)
#define CHECK_KERNEL    (1u << 2)	/* its tables and its code */

struct m_check {
	uint32_t checks;		/* CHECK_* */
};

/* ---- introspector -> engine ---- */

enum sign_kind {
	SIGN_HIDDEN = 1,		/* one view of the kernel's shows it, another does not */
	SIGN_KERNEL,			/* of the guest's kernel: changed code, hooked tables */
	SIGN_SUSPICIOUS,		/* of a process's memory */
	SIGN_USAGE,			/* of its CPU or memory */
	SIGN_KINDS,
};

/* What memory itself tells, whatever a scanner says of its content. */
struct m_sign {
	uint32_t kind;
	uint32_t pid;			/* 0: of no process */
	uint64_t start_ns;
	uint64_t address;
	char name[TEXT_NAME];		/* what rules match: "Hidden.Process" */
	char subject[TEXT_PATH];	/* what it is about */
	char detail[TEXT_PATH];		/* a sentence */
	char comm[TEXT_COMM];
	char exe[TEXT_PATH];
};

enum check_status {
	CHECK_CLEAN = 1,
	CHECK_DIFFERS,			/* there are signs */
	CHECK_INCOMPLETE,		/* no sign, but not all could be looked at: why */
	CHECK_UNAVAILABLE,		/* this kernel cannot be checked so: why */
};

struct m_checked {
	uint32_t check;			/* CHECK_*, one */
	uint32_t status;
	uint32_t signs;
	uint64_t elapsed_us;
	char counts[TEXT_PATH];		/* what was compared: "tasks 61, pids 74, ..." */
	char why[TEXT_WHY];
};

enum kernel_state {
	KERNEL_LOOKING = 1,		/* not found yet: still booting? */
	KERNEL_READY = 2,
	KERNEL_UNOBSERVABLE = 3,	/* and why: never "clean" */
};

struct m_kernel {
	uint32_t state;
	char release[128];
	char banner[TEXT_PATH];
	char why[TEXT_WHY];
	uint64_t text_base;
	uint64_t discovery_us;
};

#define TASK_KTHREAD	 (1u << 0)
#define TASK_DYING	 (1u << 1)
#define TASK_EXE_DELETED (1u << 2)
#define TASK_EXE_MEMFD	 (1u << 3)
#define TASK_EXE_PARTIAL (1u << 4)	/* exe_hash covers exe_ranges, not all */

struct exe_range {
	uint32_t first_page, pages;
};

/*
 * One thread group.  exe_hash is BLAKE2b-256 (no key) over the bytes of
 * exe_ranges of the executable file, in order; the file's last page counts up
 * to the file's size alone.  No ranges: no hash could be made.
 */
struct m_task {
	uint32_t pid, ppid, uid, flags;
	uint64_t start_ns;		/* task_struct.start_boottime */
	uint64_t cr3;			/* physical address of its PGD */
	uint64_t cpu_ns, rss_bytes;	/* used by all its threads so far; resident */
	uint32_t threads;
	char comm[TEXT_COMM];
	char exe[TEXT_PATH];
	char argv[TEXT_PATH];
	uint8_t exe_hash[HASH_BYTES];
	struct {
		uint32_t len;
		struct exe_range range[EXE_MAX_RANGES];
	} exe_ranges;
};

enum object_kind {
	OBJECT_FILE = 1,		/* rebuilt from the page cache */
	OBJECT_MEMFD = 2,
	OBJECT_DELETED = 3,
	OBJECT_ANON = 4,		/* anonymous executable memory */
};

/*
 * Code not seen before in this guest, or changed.  The descriptor holds the
 * content in file (or address) order, zero where not resident.  It is shorter
 * than size if the content was too large to be sent whole: what is missing has
 * not been scanned.
 */
struct m_object {
	uint64_t object;		/* id, unique in this introspector's life */
	uint32_t kind;
	uint64_t size, resident;	/* bytes */
	char path[TEXT_PATH];		/* file, "memfd:name", or "anon 7f..-7f.." */
	/* OBJECT_FILE: its identity, as exe_hash and exe_ranges of m_task. */
	uint8_t file_hash[HASH_BYTES];
	struct {
		uint32_t len;
		struct exe_range range[EXE_MAX_RANGES];
	} file_ranges;
};

/* This process executes that object.  Comes after the object's M_OBJECT. */
struct m_uses {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t object;
	uint64_t gva;			/* start of the mapping */
};

/* ---- files at rest ---- */

/* What an introspector may not go beyond, but to end the file it is at. */
struct m_rest {
	uint32_t anew;			/* 1: nothing of before is known any more */
	uint32_t files;			/* to send */
	uint64_t bytes;			/* of content, to send */
	uint32_t milliseconds;
};

/* A file of whose content pages are in the page cache, whoever runs or has it open. */
struct m_rest_file {
	uint32_t kind;			/* OBJECT_FILE, _MEMFD or _DELETED */
	uint32_t uid, mode;
	uint64_t inode, generation, dev;	/* as the guest's kernel has them */
	uint64_t mtime_sec;
	uint64_t size, resident;	/* bytes, as of m_object */
	char fs[TEXT_NAME];		/* "ext4" */
	char path[TEXT_PATH];		/* from its file system's root on; "": no name is in memory */
	uint8_t file_hash[HASH_BYTES];	/* as of m_object */
	struct {
		uint32_t len;
		struct exe_range range[EXE_MAX_RANGES];
	} file_ranges;
};

enum rest_status {
	REST_MORE = 1,			/* the next M_REST goes on */
	REST_END,			/* every file system was gone through, as far as counts tell */
	REST_UNAVAILABLE,		/* this kernel's cannot be listed, or there is none: why */
};

/* Of this part alone. */
struct m_rested {
	uint32_t status;
	uint32_t inodes, files;		/* looked at; of these, regular files with pages */
	uint32_t unchanged;		/* sent before, or none of their pages is whole */
	uint32_t mapped;		/* a process executes them: a sweep's */
	uint32_t sent;
	uint32_t unread, torn;		/* files; file systems whose lists do not hold together */
	uint32_t cut;			/* 1: more file systems or inodes than the limit */
	uint64_t bytes, elapsed_us;
	char why[TEXT_WHY];
};

enum done_status {
	DONE_COMPLETE = 1, DONE_INCOMPLETE = 2, DONE_NOT_FOUND = 3, DONE_UNOBSERVABLE = 4,
	DONE_AMBIGUOUS = 5,		/* M_EXTRACT: several are meant, and none is taken */
};

struct m_done {
	uint32_t status;
	uint32_t tasks, objects;	/* walked; sent.  M_FILES: file systems; inodes of all kinds */
	uint64_t elapsed_us;
	char why[TEXT_WHY];		/* unless complete */
};

enum probe_state { PROBE_GONE = 1, PROBE_RUNNING = 2, PROBE_DYING = 3, PROBE_UNKNOWN = 4 };

struct m_probed {
	uint32_t pid;
	uint64_t start_ns;
	uint32_t state;
	char why[TEXT_WHY];
};

#define VMA_READ   (1u << 0)
#define VMA_WRITE  (1u << 1)
#define VMA_EXEC   (1u << 2)
#define VMA_SHARED (1u << 3)

/* One line of /proc/PID/maps. */
struct m_vma {
	uint64_t start, end;		/* GVA */
	uint32_t flags;			/* VMA_* */
	uint64_t offset;		/* bytes into the file */
	uint32_t major, minor;
	uint64_t inode;
	char path[TEXT_PATH];		/* as the kernel shows it, or "" */
};

enum fact_kind {
	FACT_PROCESS = 1,		/* name: as in /proc/PID/status */
	FACT_NAMESPACE,			/* name: as in /proc/PID/ns; number */
	FACT_THREAD,			/* number: its id; name: its comm */
	FACT_FILE,			/* number: the descriptor; name: file, socket, pipe, anonymous */
	FACT_ENVIRONMENT,		/* value: NAME=value */
	FACT_KINDS,
};

struct m_fact {
	uint32_t kind;
	uint64_t number;
	char name[TEXT_NAME];
	char value[TEXT_PATH];
};

enum kpti_state { KPTI_OFF = 0, KPTI_ON = 1, KPTI_UNKNOWN = 2 };

/* What a kernel says of itself, each unknown (0, "") on its own.  Numbers are below 2^63. */
struct m_kernel_facts {
	char build_id[2 * HASH_BYTES + 1];	/* hexadecimal */
	uint64_t boot_ns, uptime_ns;	/* boot: since 1970, by the guest's clock */
	uint64_t text_base;
	uint32_t paging_levels;		/* 4 or 5 */
	uint32_t kpti;			/* KPTI_* */
	uint64_t symbols;
	uint64_t discovery_us;		/* how long it took to find it */
	char release[128];
	char banner[TEXT_PATH];
	char command_line[TEXT_LINE];
};

/* One line of /proc/modules. */
struct m_module {
	char name[TEXT_MODULE];
	uint64_t base, size;		/* GVA; bytes, below 2^63 */
	uint32_t state;			/* the kernel's enum module_state */
};

/* A regular file that the kernel knows. */
struct m_inode {
	uint64_t dev, ino, size;
	uint64_t pages;			/* in the page cache */
	uint64_t mtime_sec;
	uint32_t uid, mode, deleted;
	char fs[TEXT_FS], id[TEXT_FS];	/* the file system's type, and what the kernel calls it */
	char path[TEXT_FILE];		/* from its root; "": nothing in memory names it */
};

/* What M_EXTRACT asked for and is not there: zeros stand for it. */
struct m_missing {
	uint64_t offset, length;	/* from its begin */
	char why[TEXT_WHY];
};

/*
 * resident and all that is missing are size together.  The descriptor has size bytes, or
 * fewer: what is behind its end is among the missing.
 */
struct m_content {
	uint64_t size, resident;	/* bytes */
	uint64_t dev, ino, mtime_sec;	/* of a file, as the next two */
	uint32_t deleted;
	char path[TEXT_FILE];
};

enum beacon_state {
	BEACON_THERE = 1,		/* the session is of this guest */
	BEACON_ABSENT = 2,		/* that memory was read, and it is not there */
	BEACON_UNKNOWN = 3,		/* the memory could not be read: why */
};

struct m_beacon_seen {
	uint32_t state;
	char why[TEXT_WHY];
};

/* ---- scan ---- */

enum scan_profile { SCAN_FILE = 1, SCAN_MEMORY = 2 };

struct m_scan {
	uint32_t profile;
};

enum verdict { VERDICT_CLEAN = 1, VERDICT_INFECTED = 2, VERDICT_NOT_SCANNED = 3 };

struct m_verdict {
	uint32_t verdict;
	uint32_t cached;		/* 1: from the verdict cache */
	uint8_t hash[HASH_BYTES];	/* BLAKE2b-256 of the content, no key */
	uint64_t bytes, elapsed_us;
	char name[TEXT_WHY];		/* signature, or why not scanned */
};

struct m_database {
	uint32_t ready;			/* 0: refused, and why; the old one stays */
	uint64_t signatures;
	char epoch[2 * HASH_BYTES + 1];	/* hash over the database's files */
	char engine[TEXT_NAME];		/* "libclamav 1.4.6" */
	char why[TEXT_WHY];
};

/* ---- channel ---- */

enum order_verb { VERB_KILL = 1, VERB_QUARANTINE = 2, VERB_RESTORE = 3 };

#define ITEM_BYTES 16			/* names a thing in a guest's quarantine */

/*
 * The target's identity is in the order: a reused pid is never killed, a file
 * that is another one by now never moved.
 *   kill        pid, start_ns, exe_hash, exe_ranges
 *   quarantine  path, size, exe_hash and exe_ranges (of that file), item (new)
 *   restore     item, path (for the log alone)
 */
struct m_order {
	uint32_t cid;			/* vsock CID of the guest meant */
	uint32_t verb;
	uint32_t deadline_ms;
	uint32_t pid;
	uint64_t start_ns;
	uint64_t size;
	char path[TEXT_PATH];		/* escaped, as m_object.path */
	uint8_t item[ITEM_BYTES];
	uint8_t exe_hash[HASH_BYTES];
	struct {
		uint32_t len;
		struct exe_range range[EXE_MAX_RANGES];
	} exe_ranges;
};

enum order_status {
	ORDER_DONE = 1,			/* the agent says so */
	ORDER_NO_TARGET = 2,		/* no such pid */
	ORDER_MISMATCH = 3,		/* another process has that pid; untouched */
	ORDER_REFUSED = 4,		/* the agent will not: verb not allowed */
	ORDER_FAILED = 5,		/* it tried: detail tells */
	ORDER_UNDELIVERABLE = 6,	/* no session with that guest's agent */
	ORDER_EXPIRED = 7,		/* no answer by the deadline */
};

struct m_result {
	uint32_t status;
	uint64_t elapsed_us;		/* from order to answer */
	char detail[TEXT_WHY];
};

struct m_session {
	uint32_t cid;
	uint32_t up;			/* 1 after login, 0 when it ends */
	uint64_t capabilities;		/* bit n: verb n */
	char agent[TEXT_NAME];		/* name of the pinned identity: the guest's name */
	char version[TEXT_NAME];	/* the agent's, by its own word */
	char why[TEXT_WHY];		/* refused or ended: why */
	uint32_t beacon_pid;		/* where the nonce lies, by the agent's word */
	uint64_t beacon_gva;
	uint8_t nonce[HASH_BYTES];
};

/*
 * A session is "up" after login, and gets orders once it is bound: the
 * introspector of the guest with that CID has read its nonce in that guest.
 * Not bound: the channel ends it, and says why to the agent's log alone.
 */
struct m_bound {
	uint32_t cid;
	uint32_t bound;			/* 1, or 0: refused */
	uint8_t nonce[HASH_BYTES];	/* of the session meant: a newer one is not it */
	char why[TEXT_WHY];
};

enum agent_verb {
	AGENT_LIST = 1,		/* AGENT_INFO for each, or for name alone */
	AGENT_ENROL,		/* a one-time token for that name */
	AGENT_REVOKE,		/* its key is never accepted again; its session ends */
	AGENT_ROTATE,		/* the agent in session makes a new key, which is pinned */
};

#define TOKEN_SECONDS_MAX (7 * 86400)

struct m_agent_act {
	uint32_t verb;
	char name[TEXT_NAME];
	uint32_t seconds;		/* AGENT_ENROL: life of the token */
};

enum agent_state { AGENT_PINNED = 1, AGENT_INVITED = 2, AGENT_REVOKED = 3 };

struct m_agent_info {
	char name[TEXT_NAME];
	uint32_t state;
	char key[2 * HASH_BYTES + 1];	/* public, hexadecimal; "" when invited */
	uint64_t since_wall, until_wall;	/* ns; until: the token's end */
};

enum agent_status { AGENT_OK = 1, AGENT_NOT_FOUND = 2, AGENT_EXISTS = 3, AGENT_NO_SESSION = 4, AGENT_ERROR = 5 };

struct m_agent_done {
	uint32_t status;
	char token[TEXT_WHY];		/* AGENT_ENROL: what `warden-agent enrol` takes */
	char why[TEXT_WHY];
};

/* ---- integrity of the host's own code ---- */

/* The parent sets guest and vmm_pid: 0 for a module. */
struct m_integrity_difference {
	uint64_t guest;
	uint32_t vmm_pid;
	char what[TEXT_NAME];		/* "kvm", "kvm_amd", ...; "VMM" */
	char section[TEXT_NAME];	/* of the module; a VMM's: the mapped file */
	char symbol[TEXT_NAME];
	uint64_t offset;		/* in section or file */
	uint64_t address, length;
	char expected[2 * 32 + 1], found[2 * 32 + 1];	/* hexadecimal, of the first bytes */
};

enum integrity_status {
	INTEGRITY_CLEAN = 1,
	INTEGRITY_DIFFERS = 2,
	INTEGRITY_UNAVAILABLE = 3,	/* all or a part was not checked, and why: never clean */
};

/* "what", where no module was checked: no answer of one, but that there is none for any. */
#define INTEGRITY_ALL_MODULES "modules"

struct m_integrity_done {
	uint64_t guest;
	uint32_t vmm_pid;
	uint32_t status;
	char what[TEXT_NAME];
	uint64_t sections, bytes;	/* compared */
	uint64_t sites, patched;	/* patch sites; of a VMM: its own pages */
	uint64_t kprobes;		/* that stand in it, by the kernel's list */
	uint64_t traced;		/* functions that ftrace or BPF is called by */
	uint64_t anonymous;		/* a VMM's executable mappings of no file */
	uint64_t differences;
	uint64_t elapsed_us;
	uint64_t round;			/* the parent's: of modules' checks, since it started */
	char cause[TEXT_NAME];		/* the parent's: why it was checked now */
	char why[TEXT_WHY];
};

extern const struct msg_schema msg_guest_up, msg_guest_down, msg_guest_cid,
	msg_events, msg_counters, msg_role_state, msg_look, msg_sweep,
	msg_probe, msg_kernel, msg_task, msg_object, msg_uses, msg_done,
	msg_probed, msg_scan, msg_verdict, msg_database, msg_order, msg_result,
	msg_session, msg_act, msg_acted, msg_list, msg_look_pid, msg_maps,
	msg_vma, msg_beacon, msg_beacon_seen, msg_check, msg_sign, msg_checked,
	msg_process, msg_fact, msg_tell_kernel, msg_kernel_facts, msg_module,
	msg_files, msg_inode, msg_extract, msg_missing, msg_content, msg_bound, msg_agent_act,
	msg_agent_info, msg_agent_done, msg_guard_state, msg_guard_events,
	msg_guard_counts, msg_integrity_difference, msg_integrity_done, msg_taken, msg_guest_level,
	msg_guard_taken, msg_cids_state, msg_module_state, msg_rest, msg_rest_file, msg_rested,
	msg_guest_named, msg_guard_judged;

const char *order_status_name(uint32_t status);
const char *order_verb_name(uint32_t verb);
const char *host_verb_name(uint32_t verb);
const char *guest_level_name(uint32_t level);
/* The level of that name, or -1. */
int guest_level(const char *name);
const char *object_kind_name(uint32_t kind);
const char *integrity_status_name(uint32_t status);
const char *sign_kind_name(uint32_t kind);
const char *check_name(uint32_t check);
const char *check_status_name(uint32_t status);

#endif

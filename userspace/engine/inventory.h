/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What introspection has shown of one guest: its tasks, the pieces of code
 * (objects), and which task executes which object (uses).  Pure state.
 *
 * Everything is bounded for each guest alone.  A full table gives up its
 * oldest dead entry, else its oldest one; what must be sent again for that is
 * asked for with the next sweep (resend_due).
 */
#ifndef WARDEN_ENGINE_INVENTORY_H
#define WARDEN_ENGINE_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/messages.h"

#define INVENTORY_TASKS 8192
#define INVENTORY_OBJECTS 16384
#define INVENTORY_USES 65536
#define INVENTORY_USES_PER_TASK 1024
#define INVENTORY_BUCKETS 2048

enum found_by { BY_EVENT = 1, BY_SWEEP = 2 };

enum object_state {
	OBJECT_WAITING = 1,	/* for the scanner */
	OBJECT_CLEAN,
	OBJECT_INFECTED,
	OBJECT_NOT_SCANNED,
};

const char *object_state_name(enum object_state state);

struct use {
	struct task *task;
	struct object *object;
	uint64_t gva;
	enum found_by by;
	uint64_t t_seen;	/* the event's exit, or the sweep's start */
	bool stale;		/* the process has executed another program since */
	bool undecided;		/* to be decided when it is shown again */
	bool withheld;		/* and the journal has why it is not yet */
	char *reported;		/* the signature a finding was made for */
	int64_t finding;	/* and its number in the journal */
	TAILQ_ENTRY(use) of_task, of_object;
};

TAILQ_HEAD(use_list, use);

struct task {
	uint32_t pid, ppid, uid, flags;
	uint64_t start_ns, cr3;
	char comm[TEXT_COMM];
	char *exe, *argv;
	uint8_t exe_hash[HASH_BYTES];
	struct exe_range *ranges;
	uint32_t nranges;	/* 0: no hash was ever made of this program */
	bool stub;		/* a use named it; no M_TASK came yet */
	bool dead;		/* a complete sweep did not show it, or a probe said so */
	uint64_t first_seen, last_seen;
	uint64_t cpu_used, rss;		/* as last seen: nanoseconds, bytes */
	uint32_t threads;
	uint64_t sampled, cpu_ns;	/* usage.c: its last sample */
	uint64_t cpu_since, memory_since; /* above a rule's threshold from then on; 0: not */
	bool cpu_told, memory_told;
	unsigned nuses;
	unsigned failed;	/* orders that ended while it lived */
	uint64_t next_order;	/* none before */
	struct use_list uses;	/* in the order in which they were shown last */
	struct task *next;	/* in its bucket */
	TAILQ_ENTRY(task) by_age;
};

struct object {
	uint64_t id;
	uint32_t version;	/* counts the contents this id has had */
	uint32_t kind;
	uint64_t size, resident;
	char *path;
	uint8_t file_hash[HASH_BYTES];
	struct exe_range *ranges;
	uint32_t nranges;	/* 0: no hash of the file */
	enum object_state state;
	char *why;		/* signature, or why not scanned */
	struct m_verdict verdict;
	bool found;		/* a finding of this content was made */
	struct use_list uses;
	struct object *next;
	TAILQ_ENTRY(object) by_age;
};

struct inventory {
	struct task *tasks[INVENTORY_BUCKETS];
	struct object *objects[INVENTORY_BUCKETS];
	TAILQ_HEAD(, task) task_ages;
	TAILQ_HEAD(, object) object_ages;
	unsigned ntasks, nobjects, nuses;
	bool resend_due;
	uint64_t evicted_tasks, evicted_objects, evicted_uses;
	uint64_t seed;		/* a guest picks pids, not buckets */
};

void inventory_init(struct inventory *inv);
void inventory_free(struct inventory *inv);

/* ret_new: not known before, or it runs another program or in another space. */
struct task *inventory_task(struct inventory *inv, const struct m_task *m,
			    uint64_t now, bool *ret_new);
struct task *inventory_find_task(struct inventory *inv, uint32_t pid, uint64_t start_ns);

struct object *inventory_object(struct inventory *inv, const struct m_object *m);
struct object *inventory_find_object(struct inventory *inv, uint64_t id);
void inventory_set_state(struct object *o, enum object_state state, const char *why);

/* NULL if the object is not known (resend_due is set). */
struct use *inventory_use(struct inventory *inv, const struct m_uses *m,
			  enum found_by by, uint64_t t_seen, uint64_t now);

/* A complete sweep that began at `began` is over: what it did not show is dead. */
void inventory_swept(struct inventory *inv, uint64_t began, uint64_t now);

/* A new introspector: its object ids mean other things. */
void inventory_forget_objects(struct inventory *inv);

#endif

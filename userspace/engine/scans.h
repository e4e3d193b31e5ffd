/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contents on their way to the scanner: one queue for each guest, served in
 * turn, so that a guest with a thousand contents delays another by one.  Files at
 * rest have queues of their own, of which one content is scanned at a time, and none
 * while anything else waits; their room is bounded by what is asked for (rest.c).
 * Pure state; a job owns its descriptor.
 */
#ifndef WARDEN_ENGINE_SCANS_H
#define WARDEN_ENGINE_SCANS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "lib/messages.h"

#define SCANS_PER_GUEST 1024
#define SCANS_TOTAL 4096
#define SCANS_GUEST_BYTES (512ull << 20)
#define SCANS_TOTAL_BYTES (1024ull << 20)
/* Beyond the totals only a guest below its share of them has room. */
#define SCANS_MOST (SCANS_TOTAL / 2 * 3)
#define SCANS_MOST_BYTES (SCANS_TOTAL_BYTES / 2 * 3)
#define SCANS_ATTEMPTS 2	/* a content that ends the scanner twice is given up */

struct scan_job {
	TAILQ_ENTRY(scan_job) entry;
	struct scan_queue *queue;	/* of its guest; NULL: the guest is gone */
	uint64_t id;			/* of the M_SCAN */
	uint64_t object;
	uint64_t scan;			/* the operator's that it is of; 0: none */
	uint32_t version, generation, profile;
	uint32_t attempts;
	uint64_t bytes;			/* memory it holds */
	uint64_t sent;
	int fd;
	struct m_rest_file *file;	/* at rest; NULL: an object of the inventory */
	uint64_t length, seen;		/* of it: what was copied, and when that was asked for */
};

TAILQ_HEAD(scan_jobs, scan_job);

struct scan_queue {
	void *owner;
	struct scan_jobs waiting;
	unsigned jobs;			/* waiting and running */
	uint64_t bytes;
	bool listed;
	bool rest;			/* of files at rest */
	TAILQ_ENTRY(scan_queue) turn;
};

TAILQ_HEAD(scan_turns, scan_queue);

struct scans {
	struct scan_turns turns, rest_turns;	/* queues with waiting jobs */
	struct scan_job *running[SCAN_OUTSTANDING];
	unsigned nrunning, jobs;
	unsigned queues;		/* that have jobs */
	uint64_t bytes;
	/* of files at rest, which the counts above do not have */
	unsigned rest_jobs;
	uint64_t rest_bytes;
	uint64_t verdicts, cached, refused;
	uint64_t scanned;		/* bytes, without what the cache answered */
};

void scans_init(struct scans *s);
void scan_queue_init(struct scan_queue *q, void *owner, bool rest);

/*
 * Why a content of that many bytes has no room now; NULL if it has.  A guest
 * that has none in the queue always has room for one.
 */
const char *scans_full(const struct scans *s, const struct scan_queue *q, uint64_t bytes);

/* Takes the job over.  There must be room. */
void scans_add(struct scans *s, struct scan_queue *q, struct scan_job *job);

/* The next job in turn, now running; NULL if none waits or all slots are taken. */
struct scan_job *scans_next(struct scans *s);

/* The running job of that id, not running any more and the caller's. */
struct scan_job *scans_answered(struct scans *s, uint64_t id);

/* Puts a job that was not answered back in front of its queue. */
void scans_requeue(struct scans *s, struct scan_job *job);

void scans_free_job(struct scans *s, struct scan_job *job);

/* The guest is gone or its objects mean nothing any more. */
void scans_drop(struct scans *s, struct scan_queue *q);

#endif

// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/scans.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void scans_init(struct scans *s)
{
	memset(s, 0, sizeof(*s));
	TAILQ_INIT(&s->turns);
	TAILQ_INIT(&s->rest_turns);
}

void scan_queue_init(struct scan_queue *q, void *owner, bool rest)
{
	memset(q, 0, sizeof(*q));
	TAILQ_INIT(&q->waiting);
	q->owner = owner;
	q->rest = rest;
}

/* The reasons are fixed texts: they are counted by text. */
const char *scans_full(const struct scans *s, const struct scan_queue *q, uint64_t bytes)
{
	unsigned guests = s->queues + !q->jobs;
	bool below = q->jobs < SCANS_TOTAL / guests;
	bool below_bytes = q->bytes + bytes <= SCANS_TOTAL_BYTES / guests;

	if (!q->jobs)
		return NULL;
	if (q->jobs >= SCANS_PER_GUEST || s->jobs >= (below ? SCANS_MOST : SCANS_TOTAL))
		return "queue full";
	if (q->bytes + bytes > SCANS_GUEST_BYTES ||
	    s->bytes + bytes > (below_bytes ? SCANS_MOST_BYTES : SCANS_TOTAL_BYTES))
		return "queue full (bytes)";
	return NULL;
}

static void count_job(struct scans *s, struct scan_queue *q, const struct scan_job *job)
{
	s->queues += !q->rest && !q->jobs;
	q->jobs++;
	q->bytes += job->bytes;
}

static void uncount_job(struct scans *s, struct scan_queue *q, const struct scan_job *job)
{
	q->jobs--;
	q->bytes -= job->bytes;
	s->queues -= !q->rest && !q->jobs;
}

static struct scan_turns *turns_of(struct scans *s, const struct scan_queue *q)
{
	return q->rest ? &s->rest_turns : &s->turns;
}

static void list(struct scans *s, struct scan_queue *q)
{
	if (q->listed || TAILQ_EMPTY(&q->waiting))
		return;
	TAILQ_INSERT_TAIL(turns_of(s, q), q, turn);
	q->listed = true;
}

static void unlist(struct scans *s, struct scan_queue *q)
{
	if (q->listed)
		TAILQ_REMOVE(turns_of(s, q), q, turn);
	q->listed = false;
}

void scans_add(struct scans *s, struct scan_queue *q, struct scan_job *job)
{
	job->queue = q;
	TAILQ_INSERT_TAIL(&q->waiting, job, entry);
	count_job(s, q, job);
	if (job->file) {
		s->rest_jobs++;
		s->rest_bytes += job->bytes;
	} else {
		s->jobs++;
		s->bytes += job->bytes;
	}
	list(s, q);
}

static void set_running(struct scans *s, struct scan_job *job)
{
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		if (s->running[i])
			continue;
		s->running[i] = job;
		s->nrunning++;
		return;
	}
}

struct scan_job *scans_next(struct scans *s)
{
	struct scan_queue *q = TAILQ_FIRST(&s->turns);
	struct scan_job *job;

	/* One at a time, and none beside others: what runs is waited for by what comes. */
	if (!q && !s->nrunning)
		q = TAILQ_FIRST(&s->rest_turns);
	if (!q || s->nrunning == SCAN_OUTSTANDING)
		return NULL;
	job = TAILQ_FIRST(&q->waiting);
	TAILQ_REMOVE(&q->waiting, job, entry);
	/* Behind the others, if it has more. */
	unlist(s, q);
	list(s, q);
	job->attempts++;
	set_running(s, job);
	return job;
}

struct scan_job *scans_answered(struct scans *s, uint64_t id)
{
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		struct scan_job *job = s->running[i];

		if (!job || job->id != id)
			continue;
		s->running[i] = NULL;
		s->nrunning--;
		return job;
	}
	return NULL;
}

void scans_requeue(struct scans *s, struct scan_job *job)
{
	if (!job->queue) {
		scans_free_job(s, job);
		return;
	}
	TAILQ_INSERT_HEAD(&job->queue->waiting, job, entry);
	list(s, job->queue);
}

void scans_free_job(struct scans *s, struct scan_job *job)
{
	if (job->file) {
		s->rest_jobs--;
		s->rest_bytes -= job->bytes;
	} else {
		s->jobs--;
		s->bytes -= job->bytes;
	}
	if (job->queue)
		uncount_job(s, job->queue, job);
	if (job->fd >= 0)
		close(job->fd);
	free(job->file);
	free(job);
}

void scans_drop(struct scans *s, struct scan_queue *q)
{
	struct scan_job *job;

	while ((job = TAILQ_FIRST(&q->waiting))) {
		TAILQ_REMOVE(&q->waiting, job, entry);
		scans_free_job(s, job);
	}
	unlist(s, q);
	for (unsigned i = 0; i < SCAN_OUTSTANDING; i++) {
		job = s->running[i];
		if (!job || job->queue != q)
			continue;
		uncount_job(s, q, job);
		job->queue = NULL;
	}
}

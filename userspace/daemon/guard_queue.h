/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the guard found, on its way from the ring to the engine: none is forgotten
 * before an engine says that what came of it is on the disk.
 */
#ifndef WARDEN_DAEMON_GUARD_QUEUE_H
#define WARDEN_DAEMON_GUARD_QUEUE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"
#include "warden/guard.h"

/* An engine holds half as many, and as many may wait for its disk; one that says more is broken. */
#define GUARD_QUEUE_KEPT 65536

/* Zeroed: empty. */
struct guard_queue {
	struct m_guard_events batch;
	size_t nbatch;
	bool sent;			/* the batch; the engine has not said that it took it */
	struct warden_guard_event *kept;	/* until those that the engine holds are judged */
	size_t nkept, room;
	size_t again;			/* the first of them: for an engine that has them not */
};

typedef void (*guard_delivered)(void *arg, uint64_t guest);

bool guard_queue_has_room(const struct guard_queue *q);
/* There is room. */
void guard_queue_add(struct guard_queue *q, const struct warden_guard_event *event);
/* With what an engine before had held. */
void guard_queue_refill(struct guard_queue *q);
/* False: the batch is to be taken first. */
bool guard_queue_send(struct guard_queue *q, int engine);

/* For each that is delivered by it; false: that cannot be. */
bool guard_queue_taken(struct guard_queue *q, const struct m_guard_taken *taken,
		       guard_delivered delivered, void *arg);
bool guard_queue_judged(struct guard_queue *q, uint64_t guest, guard_delivered delivered,
			void *arg);
void guard_queue_engine_down(struct guard_queue *q);
void guard_queue_free(struct guard_queue *q);

#endif

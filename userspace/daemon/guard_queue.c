// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guard_queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/util.h"

#define EVENT_BYTES sizeof(struct warden_guard_event)

bool guard_queue_has_room(const struct guard_queue *q)
{
	return !q->sent && q->nbatch < GUARD_EVENTS_MAX;
}

void guard_queue_add(struct guard_queue *q, const struct warden_guard_event *event)
{
	memcpy(q->batch.events.data + q->nbatch++ * EVENT_BYTES, event, EVENT_BYTES);
}

void guard_queue_refill(struct guard_queue *q)
{
	size_t n = 0;

	while (n < q->again && guard_queue_has_room(q))
		guard_queue_add(q, &q->kept[n++]);
	if (!n)
		return;
	q->again -= n;
	q->nkept -= n;
	memmove(q->kept, q->kept + n, q->nkept * EVENT_BYTES);
}

bool guard_queue_send(struct guard_queue *q, int engine)
{
	struct msg m;

	if (!q->nbatch)
		return true;
	q->batch.events.len = q->nbatch * EVENT_BYTES;
	if (!q->sent)
		q->sent = engine >= 0 && !msg_encode(&m, &msg_guard_events, 0, &q->batch, -1) &&
			  !msg_send(engine, &m, MSG_DONTWAIT);
	return false;
}

static void keep(struct guard_queue *q, const struct warden_guard_event *event)
{
	if (q->nkept == q->room) {
		q->room = q->room ? 2 * q->room : 64;
		q->kept = reallocarray(q->kept, q->room, EVENT_BYTES);
		if (!q->kept)
			fatal("out of memory");
	}
	q->kept[q->nkept++] = *event;
}

bool guard_queue_taken(struct guard_queue *q, const struct m_guard_taken *taken,
		       guard_delivered delivered, void *arg)
{
	struct warden_guard_event e;

	if (!q->sent || taken->events != q->nbatch || (uint64_t)taken->held >> q->nbatch ||
	    q->nkept + __builtin_popcount(taken->held) > GUARD_QUEUE_KEPT)
		return false;
	for (size_t i = 0; i < q->nbatch; i++) {
		memcpy(&e, q->batch.events.data + i * EVENT_BYTES, EVENT_BYTES);
		if (taken->held >> i & 1)
			keep(q, &e);
		else
			delivered(arg, e.guest);
	}
	q->nbatch = 0;
	q->sent = false;
	return true;
}

bool guard_queue_judged(struct guard_queue *q, uint64_t guest, guard_delivered delivered,
			void *arg)
{
	size_t left = q->again;

	/* The first ones are none of what this engine was told. */
	for (size_t i = left; i < q->nkept; i++) {
		if (q->kept[i].guest == guest)
			delivered(arg, guest);
		else
			q->kept[left++] = q->kept[i];
	}
	if (left == q->nkept)
		return false;
	q->nkept = left;
	return true;
}

void guard_queue_engine_down(struct guard_queue *q)
{
	q->sent = false;
	q->again = q->nkept;
}

void guard_queue_free(struct guard_queue *q)
{
	free(q->kept);
	*q = (struct guard_queue){ .kept = NULL };
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/window.h"

#include <linux/kvm_warden.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/msg.h"

_Static_assert(sizeof(struct kvm_warden_event) == 80, "EVENTS_MAX counts in these");

static struct m_events *at(struct window *w, unsigned i)
{
	return &w->batch[(w->first + i) % WINDOW_BATCHES];
}

static bool is_full(const struct m_events *batch)
{
	return batch->events.len == EVENTS_MAX * sizeof(struct kvm_warden_event);
}

/* Where the next event goes: the last batch, unless it is full or on its way. */
static struct m_events *open_batch(struct window *w)
{
	struct m_events *last = w->n ? at(w, w->n - 1) : NULL;

	if (last && w->sent < w->n && !is_full(last))
		return last;
	return NULL;
}

bool window_is_full(const struct window *w)
{
	return w->n == WINDOW_BATCHES && !open_batch((struct window *)w);
}

bool window_add(struct window *w, const struct kvm_warden_event *event)
{
	struct m_events *batch = open_batch(w);

	if (!batch && w->n == WINDOW_BATCHES)
		return false;
	if (!batch) {
		batch = at(w, w->n++);
		batch->events.len = 0;
	}
	memcpy(batch->events.data + batch->events.len, event, sizeof(*event));
	batch->events.len += sizeof(*event);
	return true;
}

/*
 * Half of the room is for what else the engine is told: that waits for room, and an engine
 * that makes none for seconds is ended.  One that still starts beside a backlog would be,
 * and so would each after it.
 */
void window_send(struct window *w, int sock)
{
	struct msg m;

	while (w->sent < w->n && msg_has_room(sock)) {
		if (msg_encode(&m, &msg_events, 0, at(w, w->sent), -1) ||
		    msg_send(sock, &m, MSG_DONTWAIT))
			return;
		w->sent++;
	}
}

void window_resend(struct window *w)
{
	w->sent = 0;
}

const struct m_events *window_taken(struct window *w, uint32_t events)
{
	struct m_events *batch = at(w, 0);

	if (!w->sent || batch->events.len != events * sizeof(struct kvm_warden_event))
		return NULL;
	w->first = (w->first + 1) % WINDOW_BATCHES;
	w->n--;
	w->sent--;
	return batch;
}

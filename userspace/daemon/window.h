/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events between the ring and the engine.  They are kept until the engine says
 * that it has them, and go to the next engine if it ends before.
 */
#ifndef WARDEN_WINDOW_H
#define WARDEN_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/messages.h"

#define WINDOW_BATCHES 32
#define WINDOW_EVENTS (WINDOW_BATCHES * EVENTS_MAX)

struct kvm_warden_event;

struct window {
	struct m_events batch[WINDOW_BATCHES];
	unsigned first, n;	/* in use, from the oldest */
	unsigned sent;		/* of these, from the oldest; a batch that was sent is closed */
};

/* There is no room for another event. */
bool window_is_full(const struct window *w);
/* False: it is full. */
bool window_add(struct window *w, const struct kvm_warden_event *event);

/* What was not sent yet, as far as half of the engine's socket takes it. */
void window_send(struct window *w, int sock);
/* Another engine: everything is to be sent anew. */
void window_resend(struct window *w);

/*
 * The engine has taken the oldest batch, of so many events: it is handed out,
 * valid until the next call.  NULL: that cannot be.
 */
const struct m_events *window_taken(struct window *w, uint32_t events);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which address spaces of one guest are to be looked at, and when.  Pure
 * state: no clock, no socket.  Bounded: a guest that makes address spaces
 * faster than they are looked at loses looks of its own and gets a sweep.
 */
#ifndef WARDEN_ENGINE_LOOKS_H
#define WARDEN_ENGINE_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/clock.h"
#include "lib/messages.h"

#define LOOKS_PENDING 256
#define LOOKS_RECENT 1024
#define LOOKS_QUIET_NS NS_PER_S		/* not asked again for this long */
#define LOOKS_RETRY_NS (100 * NS_PER_MS) /* after NOT_FOUND: in the middle of exec */
#define LOOKS_AGAIN_NS (300 * NS_PER_MS) /* a new process's second look; then times 3 */

struct look {
	uint64_t cr3;		/* as in the event */
	uint64_t t_event;	/* CLOCK_MONOTONIC of the exit */
	uint64_t due;
	uint32_t retries;	/* after NOT_FOUND */
	uint32_t again;		/* 0: first look; n: the n-th look again */
};

struct looks {
	struct look pending[LOOKS_PENDING];
	unsigned npending;
	struct {
		uint64_t key, sent;
	} recent[LOOKS_RECENT];
	bool sweep_due;		/* something was lost: only a sweep mends it */
	uint64_t asked, coalesced, overflowed;
};

/* The guest has an address space that was not seen for a second. */
void looks_event(struct looks *l, uint64_t cr3, uint64_t t_event, uint64_t now);

/* Takes the next look that is due; false if none is. */
bool looks_take(struct looks *l, uint64_t now, struct look *ret_look);

/*
 * A look was answered.  is_new: it showed a process, or a program, not known
 * before.  horizon: no look again is planned beyond it, the sweep comes first.
 */
void looks_done(struct looks *l, const struct look *look, enum done_status status,
		bool is_new, uint64_t horizon_ns, uint64_t now);

/* When the next look is due; NEVER if none is pending. */
uint64_t looks_due(const struct looks *l);

#endif

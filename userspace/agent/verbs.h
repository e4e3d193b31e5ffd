/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orders carried out: what is not in the table of verbs is denied.  Each order
 * runs in a process of its own with a time limit, so that a file system that
 * never answers (malware may serve one) holds up no other order.
 */
#ifndef WARDEN_AGENT_VERBS_H
#define WARDEN_AGENT_VERBS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel/record.h"

#define VERBS_WORKERS WIRE_ORDERS_OPEN
#define VERBS_MS 6000			/* limit for a kill */
#define VERBS_FILE_MS 60000		/* for a file, which may be large */

/* Once, before all else: the folder of quarantined items, and leftovers in it. */
void verbs_start(const char *store);

/* The guest's owner switches a verb off; false: there is none of that name. */
bool verbs_deny(const char *name);

/* Bit n: verb n is carried out. */
uint64_t verbs_capabilities(void);

/*
 * True and *ret_result: answered at once (denied, or done before and
 * remembered).  False: verbs_next will have it.
 */
bool verbs_begin(const struct record_order *order, uint64_t now_ms,
		 struct record_result *ret_result);

/* Descriptors to poll and the time left (-1: none) until verbs_next is due. */
int verbs_poll(struct pollfd fds[VERBS_WORKERS], uint64_t now_ms, int *ret_timeout);

/* True and a result to send, as long as there is one. */
bool verbs_next(uint64_t now_ms, struct record_result *ret_result);

/*
 * The session is over: what is running goes on, but is answered only if the
 * order comes again.
 */
void verbs_orphan(void);

#endif

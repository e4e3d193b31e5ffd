/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file that an order to quarantine means: found, checked, taken away. */
#ifndef WARDEN_AGENT_TARGET_H
#define WARDEN_AGENT_TARGET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/place.h"
#include "channel/record.h"

struct target {
	struct place place;
	int fd;				/* for reading */
	struct stat st;			/* when it was opened */
};

#define TARGET_NONE ((struct target){ PLACE_NONE, -1, { 0 } })

/*
 * True: it is there, a regular file, and the one meant.  False and an answer
 * else: NO_TARGET if there is no file at that path.
 */
bool target_open(const struct record_order *order, struct target *ret_target,
		 struct record_result *result);
void target_close(struct target *t);

/* False and an answer if it could not be removed from its folder anyway. */
bool target_is_removable(const struct target *t, struct record_result *result);

/*
 * Removes the name, if it is still this file's and nothing was written to it
 * since it was opened.  False and an answer: it is as it was.
 */
bool target_remove(const struct target *t, uint32_t flags, struct record_result *result);

/* Processes that execute it, counted; *ret_pid is one of them. */
unsigned target_runners(const struct target *t, int *ret_pid);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_KILL_H
#define WARDEN_AGENT_KILL_H

#include <sys/types.h>

#include "channel/record.h"

/*
 * Kills the order's process if its start time and its executable's hash are
 * those of the order; anything else is left untouched.  agent is the pid that
 * must never be killed.  Fills status and detail.  May block on the guest's
 * file systems: verbs.c calls it in a process of its own.
 */
void kill_verb(const struct record_order *order, pid_t agent, struct record_result *result);

/* What /proc/PID/stat says of start_ns: the kernel divides by 10^7 and drops the rest. */
uint64_t kill_start_ticks(uint64_t start_ns);

#endif

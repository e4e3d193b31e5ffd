/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One check by warden-integrity, in a process of its own, and what the engine is
 * told of it.  A process that does not end, not even by SIGKILL (it waits in the
 * kernel, say for a file server of the VMM's own), is given up: nobody waits for
 * it, and it goes when it can.
 */
#ifndef WARDEN_DAEMON_INTEGRITY_CHILD_H
#define WARDEN_DAEMON_INTEGRITY_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "lib/messages.h"

struct config;
struct integrity_child;
struct roles;

/* What the checks share. */
struct integrity_checks {
	sd_event *loop;
	const struct config *config;
	const char *config_path;
	struct roles *roles;
	uint64_t round;			/* of the modules'; told with each answer */
	LIST_HEAD(, integrity_child) children;
};

struct integrity_target {
	uint64_t guest;			/* 0: the modules */
	uint32_t vmm_pid;
	int pidfd;			/* of the VMM, or -1 */
	int kernel;			/* /proc/kcore for the modules; -1: not to be had */
	char cause[TEXT_NAME];
};

/* Called once, when the check has ended or is given up. */
typedef void integrity_child_done_fn(void *arg);

/*
 * Takes pidfd over, in any case; kernel stays the caller's.  False: there will be
 * no check and no call; the engine has been told.
 */
bool integrity_child_start(struct integrity_checks *checks, const struct integrity_target *target,
			   integrity_child_done_fn *done, void *arg);

/* Tells the engine that there is no answer, and why. */
void integrity_tell_unanswered(struct integrity_checks *checks,
			       const struct integrity_target *target, const char *why);

/* Whether one of this VMM (0: of the modules) was given up and is still there; how many are. */
bool integrity_child_hangs(const struct integrity_checks *checks, uint32_t vmm_pid);
unsigned integrity_children_hang(const struct integrity_checks *checks);

/* Kills all, and waits for none. */
void integrity_children_free(struct integrity_checks *checks);

#endif

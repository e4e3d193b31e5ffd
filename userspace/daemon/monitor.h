/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way to a VMM's monitor.  Runs in a child of the parent: looking up what a
 * VMM's command line names may take as long as that VMM likes.
 */
#ifndef WARDEN_MONITOR_H
#define WARDEN_MONITOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/vmm.h"
#include "lib/messages.h"

/*
 * Connects to each monitor of that process: by the configuration's path (%n is
 * the guest's name; "": none), else by what its command line names.  A socket
 * of another process is never talked to.  How many; 0: why is in detail.
 */
unsigned monitor_connect(pid_t vmm, const char *configured, int fds[VMM_MONITORS],
			 char detail[TEXT_WHY]);

/* The path with each %n replaced; false if it is too long, or the name no part of a path. */
bool monitor_expand(const char *configured, const char *name, char path[VMM_PATH]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other processes, by /proc. */
#ifndef WARDEN_PROC_H
#define WARDEN_PROC_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * A thread through which the process's memory is seen: its first one, or, once
 * that has exited while others run on, one of those.  -1: there is none.
 */
pid_t proc_living_thread(pid_t pid);

/* Until then the process's number is its own. */
bool proc_has_ended(int pidfd);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader: holds the compiled signatures and forks workers that share them
 * copy-on-write.  It takes nothing from a guest, so each worker starts clean.
 *
 * On its socket it sends one M_DATABASE, and then for each L_FORK it gets an
 * L_WORKER (fd: the worker's socket) and an L_PROCESS (fd: a pidfd).  Workers
 * are children of the broker, who alone can reap them.
 */
#ifndef WARDEN_SCAN_LOADER_H
#define WARDEN_SCAN_LOADER_H

#include <stdnoreturn.h>
#include <sys/types.h>

#include "lib/config.h"

enum { L_FORK = 1000, L_WORKER, L_PROCESS, L_LOADER, L_NEXT, L_AGAIN };

/*
 * A child of the caller's parent, who alone can reap it: fork cannot say so.
 * For processes of one thread.  As fork, and the pidfd.
 */
pid_t loader_clone_sibling(int *ret_pidfd);

/* In a process of its own: loads, then serves sock until it closes. */
noreturn void loader_run(int sock, const struct config *config);

#endif

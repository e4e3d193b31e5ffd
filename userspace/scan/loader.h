/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loader: holds the compiled signatures and forks workers that share them
 * copy-on-write.  It takes nothing from a guest, so each worker starts clean.
 *
 * On its socket it sends one M_DATABASE, and then for each L_FORK it gets an
 * L_WORKER (fd: the worker's socket) and an L_PROCESS (fd: a pidfd).  Workers
 * are children of whoever called loader_start, who alone can reap them.
 *
 * New databases will mean a second loader beside the first: whoever forks it,
 * the pool takes its workers and its epoch from then on.
 */
#ifndef WARDEN_SCAN_LOADER_H
#define WARDEN_SCAN_LOADER_H

#include "lib/config.h"

enum { L_FORK = 1000, L_WORKER, L_PROCESS };

/* The socket to a new loader, or -1 and a line in the log. */
int loader_start(const struct config *config);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The starter: makes a loader at once, and another one beside it whenever the
 * folder of databases has changed and then stood still.  It takes nothing from
 * a guest and reads no database, only names, sizes and times.
 *
 * On its socket it sends, for each loader, an L_LOADER (fd: the loader's
 * socket) and an L_PROCESS (fd: a pidfd).  Loaders are children of the broker,
 * who says when one has loaded, was refused or was lost (L_NEXT: one loads at a
 * time), and when to load again what has not changed (L_AGAIN).
 */
#ifndef WARDEN_SCAN_STARTER_H
#define WARDEN_SCAN_STARTER_H

#include "lib/config.h"

/* The socket to the starter, or -1 and a line in the log. */
int starter_start(const struct config *config);

#endif

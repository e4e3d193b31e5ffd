/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child of the broker's: a loader or a worker. */
#ifndef WARDEN_SCAN_CHILD_H
#define WARDEN_SCAN_CHILD_H

#include <stddef.h>

/*
 * Ends it, if it has not ended, and reaps it; both descriptors are closed.  A
 * loader, or a worker that is not in its jail yet, is root's and cannot be
 * killed: it ends by itself, since its socket is closed.
 */
void child_end(int *sock, int *pidfd, char *ret_how, size_t size);

#endif

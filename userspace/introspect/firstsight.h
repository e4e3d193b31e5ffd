/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's kernel was like at first sight. */
#ifndef WARDEN_FIRSTSIGHT_H
#define WARDEN_FIRSTSIGHT_H

struct inspection;
struct kernel_seen;

/* NULL is allowed. */
void kernel_seen_free(struct kernel_seen *seen);

/*
 * Code and read-only data against what they were at first sight, which this may be.
 * 0 or -errno; what could not be told is added to m->why.
 */
int check_first_sight(struct inspection *x);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children that were given up.  One that waits in the kernel for what a VMM holds up
 * may not end by SIGKILL either: nobody waits for it, and it is reaped when it goes.
 */
#ifndef WARDEN_HUNG_H
#define WARDEN_HUNG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Kills it.  What watched its end has been told to stop.  vmm: what it asked. */
void hung_add(pid_t child, uint32_t vmm);

#define HUNG_OF_ONE 2		/* at most: one VMM leaves places for the others' */

/* Those of one VMM. */
unsigned hung_of(uint32_t vmm);

/* Are there so many, or so many of that VMM, that no further child is risked on it? */
bool hung_too_many(uint32_t vmm);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables in use, of vCPUs and of processes: all that the checks read they read
 * by the kernel's own (init_mm's), and what a CPU runs by others may be other code.
 */
#ifndef WARDEN_ROOTS_H
#define WARDEN_ROOTS_H

#include "introspect/addresses.h"
#include "introspect/kernel.h"

/*
 * Where some map another page than the kernel's own, or make executable what that does
 * not: by the stretches that one entry of a top table spans, with whose they are and the
 * first such page.  0 or -errno: not all were seen (-ELOOP: some kept changing).
 */
int roots_read(const struct kernel *k, struct addresses *ret);

#endif

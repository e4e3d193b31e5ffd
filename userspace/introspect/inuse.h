/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the guest's vCPUs still run the kernel that was found?  One that another has
 * replaced (kexec, a reboot that clears nothing) lies in memory for long after,
 * whole and in order.
 */
#ifndef WARDEN_INUSE_H
#define WARDEN_INUSE_H

#include "introspect/kernel.h"

/*
 * As in discovery, the first vCPU that has a kernel on it decides.  0; -ESTALE: it
 * is another, or there is none on any; or an errno of memory_registers.
 */
int kernel_in_use(const struct kernel *k);

#endif

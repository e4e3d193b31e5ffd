/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest's kernel was like at first sight. */
#ifndef WARDEN_KERNELCHECK_H
#define WARDEN_KERNELCHECK_H

struct kernel_seen;

/* NULL is allowed. */
void kernel_seen_free(struct kernel_seen *seen);

#endif

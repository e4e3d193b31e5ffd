/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory fds: read-only windows to the files that guests' memory lies in. */
#ifndef KW_WINDOW_H
#define KW_WINDOW_H

#include <linux/types.h>

struct file;
struct kvm_warden_map;
struct kw_guest;
struct mm_struct;

/* A new memory fd, or an error. */
long kw_window_open(struct kw_guest *guest, const struct kvm_warden_map *request);

/*
 * The file that a window to this range would show, and where; NULL: none can be.
 * The mmap lock is held; no reference is taken.
 */
struct file *kw_window_backing(struct mm_struct *mm, unsigned long hva, u64 size,
			       unsigned long *ret_pgoff);

/* No window is left. */
void kw_window_exit(void);

#endif

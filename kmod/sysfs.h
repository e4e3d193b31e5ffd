/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /sys/kernel/kvm_warden/: version, state, enabled (the switch),
 * untracked_exits (no memory was had for their guest), and guests/ID/ with one
 * value a file.
 */
#ifndef KW_SYSFS_H
#define KW_SYSFS_H

struct kw_guest;

int kw_sysfs_init(void);
void kw_sysfs_exit(void);

/* From the reaper alone.  Adding twice is nothing. */
void kw_sysfs_add(struct kw_guest *guest);
void kw_sysfs_remove(struct kw_guest *guest);

#endif

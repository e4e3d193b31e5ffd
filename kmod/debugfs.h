/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /sys/kernel/debug/kvm_warden/: exits by guest, vCPU and reason; stops, which
 * vCPUs stand still and how often they were parked.
 */
#ifndef KW_DEBUGFS_H
#define KW_DEBUGFS_H

void kw_debugfs_init(void);
void kw_debugfs_exit(void);

#endif

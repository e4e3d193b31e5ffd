/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /dev/kvm_warden, see the UAPI header. */
#ifndef WARDEN_DEVICE_H
#define WARDEN_DEVICE_H

#include <linux/kvm_warden.h>
#include <stdint.h>

#include "lib/messages.h"

/* The control fd, or -1 and a line in the log that says how to mend it. */
int device_open(void);

/* Whether it is attached to KVM, with /sys/kernel/kvm_warden/state. */
void device_state(int device, struct m_module_state *ret_state);

/* 1 and the guest with the next id above info->guest; 0 after the last. */
int device_next_guest(int device, struct kvm_warden_guest_info *info);

/* A guest fd, or -errno. */
int device_open_guest(int device, uint64_t guest);

/* 0, or -errno once the guest is gone. */
int device_guest_info(int guest_fd, struct kvm_warden_guest_info *ret_info);

/* 0 or -errno, see the UAPI header.  expiry_ms 0: until it is released. */
int device_contain(int device, uint64_t guest, uint64_t expiry_ms);
int device_release(int device, uint64_t guest);

/* What became of a guest's events, for sysfs: 0, or -errno once the guest is gone. */
int device_tell(int device, const struct m_counters *counters);

/* 0 or -errno; -ENOENT: the guest is gone, or its folder in sysfs is not there yet. */
int device_set_level(uint64_t guest, uint32_t level);

#endif

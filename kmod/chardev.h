/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/kvm_warden and the guest fds: the UAPI header is their specification. */
#ifndef KW_CHARDEV_H
#define KW_CHARDEV_H

#include <linux/types.h>

/* KVM_WARDEN_FEATURE_* in use. */
u64 kw_chardev_features(void);

int kw_chardev_init(void);
void kw_chardev_exit(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* /dev/kvm_warden and the guest fds: the UAPI header is their specification. */
#ifndef KW_CHARDEV_H
#define KW_CHARDEV_H

int kw_chardev_init(void);
void kw_chardev_exit(void);

#endif

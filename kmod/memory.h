/* SPDX-License-Identifier: GPL-2.0-only */
/* Vectored reads of guest-physical memory. */
#ifndef KW_MEMORY_H
#define KW_MEMORY_H

struct kvm_warden_read;
struct kw_guest;

long kw_memory_read(struct kw_guest *guest, const struct kvm_warden_read *request);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* Stopping a guest's vCPUs: KVM_WARDEN_CONTAIN and KVM_WARDEN_FREEZE. */
#ifndef KW_FREEZE_H
#define KW_FREEZE_H

#include <linux/types.h>

struct kvm_vcpu;
struct kvm_warden_freeze;
struct kw_backend;
struct kw_guest;

void kw_freeze_init_guest(struct kw_guest *guest);

/* The guest is gone: nothing stops it, and no timer of it runs any more. */
void kw_freeze_end_guest(struct kw_guest *guest);

/* The probes are detached: no vCPU runs our code afterwards. */
void kw_freeze_exit(void);

/* Entry probe, on the vCPU's thread, interrupts off. */
void kw_freeze_at_entry(struct kvm_vcpu *vcpu, const struct kw_backend *backend);

/* The requests of the UAPI header; holder tells the fds of a guest apart. */
int kw_freeze_contain(struct kw_guest *guest, u64 expiry_ms);
int kw_freeze_release(struct kw_guest *guest);
int kw_freeze_begin(struct kw_guest *guest, const void *holder, struct kvm_warden_freeze *request);
int kw_freeze_thaw(struct kw_guest *guest, const void *holder);

/* KVM_WARDEN_GUEST_CONTAINED, KVM_WARDEN_GUEST_FROZEN */
u32 kw_freeze_flags(struct kw_guest *guest);

#endif

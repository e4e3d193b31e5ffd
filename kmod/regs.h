/* SPDX-License-Identifier: GPL-2.0-only */
/* KVM_WARDEN_REGS: a vCPU's registers, as its own thread sampled them. */
#ifndef KW_REGS_H
#define KW_REGS_H

struct kvm_warden_regs;
struct kw_guest;

/* regs->vcpu and regs->flags are the request.  Sleeps, 10 ms and a little at most. */
int kw_regs_get(struct kw_guest *guest, struct kvm_warden_regs *regs);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/* What happens at every exit of every guest, and at entry while one is stopped. */
#ifndef KW_EXIT_H
#define KW_EXIT_H

#include <linux/types.h>

struct kvm_vcpu;
struct kw_vcpu;

/* Before a probe is attached. */
void kw_exit_init(void);

/* Attached to the kvm_exit tracepoint, one for each vendor. */
void kw_probe_exit_svm(void *data, struct kvm_vcpu *vcpu, u32 isa);
void kw_probe_exit_vmx(void *data, struct kvm_vcpu *vcpu, u32 isa);

/* Attached to kvm_entry while a guest is stopped. */
void kw_probe_entry_svm(void *data, struct kvm_vcpu *vcpu, bool immediate_exit);
void kw_probe_entry_vmx(void *data, struct kvm_vcpu *vcpu, bool immediate_exit);

/* Its registers are sampled at its next exit; then v->want_regs is false. */
void kw_exit_want_regs(struct kw_vcpu *v);

/* Its next exit is looked at, whatever it shows. */
void kw_exit_look_again(struct kw_vcpu *v);

/* No CPU remembers a vCPU of an unhashed guest afterwards. */
void kw_exit_forget(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hooks beyond kvm_exit and kvm_entry: attached while a consumer of a trace
 * event asks, or the write watch does.
 */
#ifndef KW_HOOKS_H
#define KW_HOOKS_H

#include <linux/types.h>

struct module;

enum kw_hook { KW_HOOK_PAGE_FAULT, KW_HOOK_MSR, KW_HOOK_CR, KW_HOOKS };

/* What a vCPU's thread counts at them. */
enum kw_hook_count {
	KW_EXEC_FAULTS, KW_PAGE_FAULTS, KW_MSR_READS, KW_MSR_WRITES, KW_CR_READS, KW_CR_WRITES,
	KW_HOOK_COUNTS,
};

void kw_hooks_init(void);

/* Nothing is attached afterwards, nor will be. */
void kw_hooks_exit(void);

/* The holder of the lock of attach.c calls these: kvm came, or goes (NULL) ... */
void kw_hooks_set_kvm(struct module *kvm);
/* ... and hooks may be attached, or may not. */
void kw_hooks_apply(bool on);

/* Attached at once, while held; -ESHUTDOWN: hooks are off, or there are none. */
int kw_hook_hold(enum kw_hook hook);
void kw_hook_drop(enum kw_hook hook);

/* Its name, for how many it is wanted, and whether it is there. */
const char *kw_hooks_describe(enum kw_hook hook, unsigned int *asked, bool *attached);

/* Of trace.h: the first consumer of an event comes, the last one goes. */
int kw_hook_page_fault_reg(void);
void kw_hook_page_fault_unreg(void);
int kw_hook_msr_reg(void);
void kw_hook_msr_unreg(void);
int kw_hook_cr_reg(void);
void kw_hook_cr_unreg(void);

#endif

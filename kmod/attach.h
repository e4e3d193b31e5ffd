/* SPDX-License-Identifier: GPL-2.0-only */
/* The hooks' being attached to KVM, or why they are not. */
#ifndef KW_ATTACH_H
#define KW_ATTACH_H

#include <linux/types.h>

struct module;
struct tracepoint;

int kw_attach_init(void);
void kw_attach_exit(void);

/* The operator's switch: off detaches every hook. */
int kw_attach_enable(bool on);
bool kw_attach_enabled(void);
bool kw_is_attached(void);

/* KVM_WARDEN_FEATURE_*: what there is always, and the backend that is attached. */
u64 kw_attach_features(void);

/* The backend that was attached last. */
u64 kw_attach_vendor(void);

/*
 * The entry hook is attached while someone holds it.  -ESHUTDOWN: hooks are
 * switched off, or there are none.  It outlives the switch while it is held.
 */
int kw_attach_hold_entry(void);
void kw_attach_drop_entry(void);

/* How many hold it, and whether it is there; it stays for a moment after the last. */
void kw_attach_describe_entry(unsigned int *holders, bool *attached);

/* For hooks.c: a tracepoint of kvm, and a call of kw_hooks_apply(). */
struct tracepoint *kw_attach_tracepoint(struct module *mod, const char *name);
void kw_attach_apply_hooks(void);

/* One line: attached, waiting, or refused and why. */
ssize_t kw_attach_describe(char *buf, size_t size);

#endif

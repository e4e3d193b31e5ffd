/* SPDX-License-Identifier: GPL-2.0-only */
/* The write watch: KVM_WARDEN_WATCH, KVM_WARDEN_UNWATCH, read and poll. */
#ifndef KW_WATCH_H
#define KW_WATCH_H

#include <linux/types.h>
#include <uapi/linux/kvm_warden.h>

struct kw_guest;
struct kw_range;
struct kw_vcpu;

/* The parameter "watch" is on, and the kernel can. */
bool kw_watch_enabled(void);

void kw_watch_init_guest(struct kw_guest *guest);

/* The requests of the UAPI header; holder tells the fds of a guest apart. */
int kw_watch_begin(struct kw_guest *guest, const void *holder,
		   const struct kvm_warden_watch *request);
int kw_watch_stop(struct kw_guest *guest, const void *holder,
		  const struct kvm_warden_watch *request);
ssize_t kw_watch_read(struct kw_guest *guest, const void *holder, char __user *buf, size_t size,
		      bool wait);
bool kw_watch_readable(struct kw_guest *guest, const void *holder);

/* The fd goes, and with it its watch. */
void kw_watch_release(struct kw_guest *guest, const void *holder);

/*
 * Nothing of the guest is watched afterwards, because of that
 * (KVM_WARDEN_WRITE_*).  try: unless somebody is changing it; then false.  Else
 * false if we are killed while we wait for them.
 */
bool kw_watch_end(struct kw_guest *guest, u32 why, bool try);

/* The same of every guest; -EINTR if we are killed before all of it is done. */
int kw_watch_end_all(u32 why);

/* Page-fault probe, preemption off. */
void kw_watch_on_fault(struct kw_vcpu *v, u64 gpa, u64 error);

/* A copy of what is watched, for debugfs; false: nothing. */
bool kw_watch_describe(struct kw_guest *guest, struct kw_range *ranges, u64 *lost);

#endif

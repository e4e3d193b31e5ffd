/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the UAPI header demands of each request: 0 or -EINVAL.  Pure, and
 * blind to what a request asks for.
 */
#ifndef KW_CHECK_H
#define KW_CHECK_H

#include <linux/types.h>

struct kvm_warden_contain;
struct kvm_warden_counts;
struct kvm_warden_freeze;
struct kvm_warden_guest_info;
struct kvm_warden_map;
struct kvm_warden_memslots;
struct kvm_warden_open;
struct kvm_warden_read;
struct kvm_warden_regs;
struct kvm_warden_segment;
struct kvm_warden_watch;

int kw_check_next_guest(const struct kvm_warden_guest_info *info);
int kw_check_open(const struct kvm_warden_open *request);
int kw_check_contain(const struct kvm_warden_contain *request);
int kw_check_counts(const struct kvm_warden_counts *counts);
int kw_check_regs(const struct kvm_warden_regs *regs);
int kw_check_memslots(const struct kvm_warden_memslots *request);
int kw_check_read(const struct kvm_warden_read *request);
int kw_check_watch(const struct kvm_warden_watch *request);
int kw_check_segment(const struct kvm_warden_segment *seg);
int kw_check_map(const struct kvm_warden_map *request);

/* Puts the default in where it is asked for, and zero where answers go. */
int kw_check_freeze(struct kvm_warden_freeze *request);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What faulting reads of one guest may bring in: pages a second, saved up for a
 * second at most.  A huge page may overdraw it.  Pure; the caller locks.
 */
#ifndef KW_FAULTS_H
#define KW_FAULTS_H

#include <linux/types.h>

struct kw_faults {
	u64 filled_ns;		/* up to when it was filled */
	s64 pages;
};

void kw_faults_init(struct kw_faults *faults, u64 now_ns);

/* Takes one page, if one is left at this time. */
bool kw_faults_take(struct kw_faults *faults, u64 now_ns);

/* What came in beyond that one. */
void kw_faults_charge(struct kw_faults *faults, unsigned long pages);

#endif

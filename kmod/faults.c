// SPDX-License-Identifier: GPL-2.0-only
#include "faults.h"

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/time64.h>
#include <uapi/linux/kvm_warden.h>

#define NS_PER_PAGE (NSEC_PER_SEC / KVM_WARDEN_FAULT_PAGES)

void kw_faults_init(struct kw_faults *faults, u64 now_ns)
{
	faults->filled_ns = now_ns;
	faults->pages = KVM_WARDEN_FAULT_PAGES;
}

/* Whole pages are filled, and the time of a part of one stays for later. */
bool kw_faults_take(struct kw_faults *faults, u64 now_ns)
{
	u64 pages;

	if (now_ns > faults->filled_ns) {
		pages = div_u64(now_ns - faults->filled_ns, NS_PER_PAGE);
		faults->filled_ns += pages * NS_PER_PAGE;
		faults->pages = min_t(s64, faults->pages + pages, KVM_WARDEN_FAULT_PAGES);
	}
	if (faults->pages <= 0)
		return false;
	faults->pages--;
	return true;
}

void kw_faults_charge(struct kw_faults *faults, unsigned long pages)
{
	faults->pages -= pages;
}

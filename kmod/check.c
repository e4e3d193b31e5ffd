// SPDX-License-Identifier: GPL-2.0-only
#include "check.h"

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <uapi/linux/kvm_warden.h>

#define ZERO(array) (!memchr_inv(array, 0, sizeof(array)))

/* The last answer is the next question. */
#define REGS_FLAGS (KVM_WARDEN_REGS_GUEST_MODE | KVM_WARDEN_REGS_FRESH | \
		    KVM_WARDEN_REGS_HALTED | KVM_WARDEN_REGS_OUTSIDE)

static int valid(bool is)
{
	return is ? 0 : -EINVAL;
}

int kw_check_next_guest(const struct kvm_warden_guest_info *info)
{
	return valid(!info->reserved);
}

int kw_check_open(const struct kvm_warden_open *request)
{
	return valid(!request->flags && !request->reserved);
}

int kw_check_contain(const struct kvm_warden_contain *request)
{
	return valid(!request->flags && !request->reserved);
}

int kw_check_counts(const struct kvm_warden_counts *counts)
{
	return valid(ZERO(counts->reserved));
}

int kw_check_regs(const struct kvm_warden_regs *regs)
{
	return valid(!(regs->flags & ~REGS_FLAGS) && !regs->reserved0 && ZERO(regs->reserved));
}

int kw_check_memslots(const struct kvm_warden_memslots *request)
{
	return valid(!request->reserved && request->count <= KVM_WARDEN_MAX_SLOTS);
}

int kw_check_read(const struct kvm_warden_read *request)
{
	return valid(!(request->flags & ~KVM_WARDEN_READ_FAULT) &&
		     request->count <= KVM_WARDEN_MAX_SEGMENTS);
}

int kw_check_segment(const struct kvm_warden_segment *seg)
{
	return valid(seg->len <= KVM_WARDEN_MAX_SEGMENT && !seg->reserved &&
		     seg->gpa + seg->len >= seg->gpa);
}

int kw_check_map(const struct kvm_warden_map *request)
{
	return valid(!request->flags && !request->reserved && request->size &&
		     PAGE_ALIGNED(request->gpa | request->size) &&
		     request->gpa + request->size > request->gpa);
}

int kw_check_watch(const struct kvm_warden_watch *request)
{
	return valid(!request->flags && !request->reserved && request->len &&
		     request->gpa + (request->len - 1) >= request->gpa);
}

int kw_check_freeze(struct kvm_warden_freeze *request)
{
	if (request->flags || request->reserved0 || !ZERO(request->reserved) ||
	    request->timeout_ms > KVM_WARDEN_FREEZE_MAX_MS)
		return -EINVAL;
	*request = (struct kvm_warden_freeze){
		.timeout_ms = request->timeout_ms ?: KVM_WARDEN_FREEZE_DEFAULT_MS,
	};
	return 0;
}

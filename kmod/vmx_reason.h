/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel's basic exit reasons, 0-85 so far, as slots of a histogram.  Above
 * their 16 bits stand flags (a failed entry, an enclave).  Pure.
 */
#ifndef KW_VMX_REASON_H
#define KW_VMX_REASON_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "backend.h"

static __always_inline unsigned int vmx_reason_slot(u32 reason)
{
	u16 basic = reason;

	return likely(basic < KW_REASONS - 1) ? basic : KW_REASONS - 1;
}

static inline u32 vmx_slot_reason(unsigned int slot)
{
	return slot == KW_REASONS - 1 ? ~0u : slot;
}

#endif

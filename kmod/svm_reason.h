/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD's exit codes, 0x000-0x0a5, 0x400-0x403 and -1, as slots of a histogram.  Pure. */
#ifndef KW_SVM_REASON_H
#define KW_SVM_REASON_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "backend.h"

static __always_inline unsigned int svm_reason_slot(u32 reason)
{
	if (likely(reason < 0xf0))
		return reason;
	if (reason >= 0x400 && reason < 0x40f)
		return 0xf0 + (reason - 0x400);
	return KW_REASONS - 1;
}

static inline u32 svm_slot_reason(unsigned int slot)
{
	if (slot == KW_REASONS - 1)
		return ~0u;
	return slot < 0xf0 ? slot : 0x400 + (slot - 0xf0);
}

#endif

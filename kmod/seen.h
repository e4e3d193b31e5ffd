/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU showed at its last exits, and the address spaces a guest showed
 * lately.  Pure; inline, for they are the hot path.
 */
#ifndef KW_SEEN_H
#define KW_SEEN_H

#include <linux/bitops.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/types.h>

struct kw_seen {
	u64 cr3, lstar, idtr;
};

#define KW_CHANGED_CR3		(1u << 0)
#define KW_CHANGED_LSTAR	(1u << 1)
#define KW_CHANGED_IDTR		(1u << 2)

/* Takes the new values; returns which of them are new. */
static __always_inline u32 kw_seen_update(struct kw_seen *seen, u64 cr3, u64 lstar, u64 idtr)
{
	u32 changed = (seen->cr3 != cr3 ? KW_CHANGED_CR3 : 0) |
		      (seen->lstar != lstar ? KW_CHANGED_LSTAR : 0) |
		      (seen->idtr != idtr ? KW_CHANGED_IDTR : 0);

	*seen = (struct kw_seen){ .cr3 = cr3, .lstar = lstar, .idtr = idtr };
	return changed;
}

/* Address spaces seen lately, so that one is announced once a second. */
#define KW_RECENT_BITS 8

struct kw_recent {
	u64 cr3;
	unsigned long when;		/* jiffies */
};

/* True once a second for an address space that shows itself all the time. */
static inline bool kw_recent_is_new(struct kw_recent table[1 << KW_RECENT_BITS], u64 cr3,
				    unsigned long now)
{
	struct kw_recent *r = &table[hash_64(cr3, KW_RECENT_BITS)];

	if (READ_ONCE(r->cr3) == cr3 && time_before(now, READ_ONCE(r->when) + HZ))
		return false;
	WRITE_ONCE(r->cr3, cr3);
	WRITE_ONCE(r->when, now);
	return true;
}

/* Page-table roots a guest ever showed, as bits of their hash. */
#define KW_ROOT_BITS 14

/* True for the first root of this hash. */
static inline bool kw_root_is_new(unsigned long *roots, u64 cr3)
{
	unsigned int bit = hash_64(cr3 >> 12, KW_ROOT_BITS);

	return !test_bit(bit, roots) && !test_and_set_bit(bit, roots);
}

#endif

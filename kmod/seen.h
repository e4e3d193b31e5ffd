/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a vCPU showed at its last exits, the address spaces a guest showed
 * lately, and the kinds of MSR writes it made.  Pure; inline, for they are the
 * hot path.
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

/*
 * Address spaces seen lately, so that one is announced once a second.  Each has a few
 * places: with one alone two of a hash would announce each other at every switch.
 */
#define KW_RECENT_BITS 8
#define KW_RECENT_PLACES 4

struct kw_recent {
	u64 cr3;
	unsigned long when;		/* jiffies */
};

/* Its place, or else the one unused for the longest. */
static inline struct kw_recent *kw_recent_place(struct kw_recent table[1 << KW_RECENT_BITS], u64 cr3)
{
	struct kw_recent *r = &table[hash_64(cr3, KW_RECENT_BITS) & ~(KW_RECENT_PLACES - 1)], *oldest = r;
	int i;

	for (i = 0; i < KW_RECENT_PLACES; i++, r++) {
		if (READ_ONCE(r->cr3) == cr3)
			return r;
		if (time_before(READ_ONCE(r->when), READ_ONCE(oldest->when)))
			oldest = r;
	}
	return oldest;
}

/* True once a second for an address space that shows itself all the time. */
static inline bool kw_recent_is_new(struct kw_recent table[1 << KW_RECENT_BITS], u64 cr3,
				    unsigned long now)
{
	struct kw_recent *r = kw_recent_place(table, cr3);

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

/*
 * Kinds of MSR writes.  A kind is the MSR and whether KVM refused the write; of
 * EFER also which features it switches on.  Never 0.
 */
#define KW_MSR_EFER	0xc0000080u
#define KW_EFER_BITS	0x3fffffu

static inline u32 kw_msr_kind(u32 msr, u64 value, bool refused)
{
	u64 kind = msr | (u64)refused << 32;

	if (msr == KW_MSR_EFER && !refused)
		kind |= (value & KW_EFER_BITS) << 33;
	return hash_64(kind, 32) ?: 1;
}

#define KW_KIND_BITS 8
#define KW_KIND_PROBES 32

/*
 * True for the first of its kind, and for one that was forgotten: a guest that
 * fills the table loses from it what it did, so that filling hides nothing.  Two
 * CPUs may both be told that theirs is the first.
 */
static inline bool kw_kind_is_new(u32 kinds[1 << KW_KIND_BITS], u32 kind)
{
	unsigned int home = kind >> (32 - KW_KIND_BITS), i;

	for (i = 0; i < KW_KIND_PROBES; i++) {
		u32 *at = &kinds[(home + i) % (1 << KW_KIND_BITS)], seen = READ_ONCE(*at);

		if (seen == kind)
			return false;
		if (!seen) {
			WRITE_ONCE(*at, kind);
			return true;
		}
	}
	WRITE_ONCE(kinds[home], kind);
	return true;
}

#endif

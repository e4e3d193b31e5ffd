/* SPDX-License-Identifier: GPL-2.0-only */
/* Records of writes until they are read.  Pure; the caller locks. */
#ifndef KW_RING_H
#define KW_RING_H

#include <linux/types.h>
#include <uapi/linux/kvm_warden.h>

#define KW_RING_SIZE	256
#define KW_RING_RESERVE	32	/* a flood of writes leaves room for what ends */

struct kw_ring {
	u32 first, count;
	u64 lost;
	struct kvm_warden_write records[KW_RING_SIZE];
};

static inline void kw_ring_put(struct kw_ring *ring, const struct kvm_warden_write *record)
{
	u32 room = record->flags & KVM_WARDEN_WRITE_ENDED ? KW_RING_SIZE :
		   KW_RING_SIZE - KW_RING_RESERVE;
	struct kvm_warden_write *at;

	if (ring->count >= room) {
		ring->lost++;
		return;
	}
	at = &ring->records[(ring->first + ring->count++) % KW_RING_SIZE];
	*at = *record;
	at->lost = ring->lost;
}

/* False: there is none. */
static inline bool kw_ring_peek(const struct kw_ring *ring, struct kvm_warden_write *ret_record)
{
	if (!ring->count)
		return false;
	*ret_record = ring->records[ring->first];
	return true;
}

static inline void kw_ring_drop(struct kw_ring *ring)
{
	ring->first = (ring->first + 1) % KW_RING_SIZE;
	ring->count--;
}

#endif

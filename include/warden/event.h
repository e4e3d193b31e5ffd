/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Layouts shared by the BPF programs and the daemon.  Includes nothing: the
 * includer brings __u32 and __u64.
 */
#ifndef WARDEN_EVENT_H
#define WARDEN_EVENT_H

/* Events let through in the current second. */
struct warden_budget {
	__u64 window;		/* its start, ns */
	__u64 in_window;
};

/* What BPF counts for a guest.  Each event it sees is in one of the first three. */
struct warden_guest_counts {
	__u64 submitted;	/* put into the ring */
	__u64 dropped;		/* the guest had its share of the ring, or the ring was full */
	__u64 over_budget;	/* the guest had spent its budget */
	__u64 ring_full;	/* of the dropped: there was no room for anyone */
	__u64 last;		/* sequence number of its guest_down: all it emitted; 0: not yet */
	struct warden_budget spaces, entries, others;
};

/* Which CID a vhost-vsock device has, and by which process. */
struct warden_cid {
	__u64 set_ns;
	__u32 pid;
	__u32 cid;
};

#define WARDEN_MAX_GUESTS 4096
#define WARDEN_RING_BYTES (16u << 20)
#define WARDEN_RING_EVENTS (WARDEN_RING_BYTES / 88)	/* 80 and the ring's header of 8 */

/*
 * A guest may have so many events in the ring, when there are so many guests.
 * All together hold at most half of it: the other half is for guests that come
 * before the daemon has counted anew.
 */
#define WARDEN_FEW_GUESTS 4
#define WARDEN_SHARE(guests) \
	(WARDEN_RING_EVENTS / 2 / ((guests) > WARDEN_FEW_GUESTS ? (guests) : WARDEN_FEW_GUESTS))

#endif

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

/* What BPF counts for a guest. */
struct warden_guest_counts {
	__u64 submitted;	/* put into the ring */
	__u64 dropped;		/* the ring was full */
	__u64 over_budget;	/* the guest had spent its budget */
	struct warden_budget spaces, entries;
};

#define WARDEN_MAX_GUESTS 4096
#define WARDEN_RING_BYTES (4u << 20)

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The BPF objects: events out of the module's trace events, CIDs of VMMs. */
#ifndef WARDEN_BPF_H
#define WARDEN_BPF_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warden/event.h"

struct bpf;
struct config;
struct kvm_warden_event;

/*
 * Negative ends the draining.  The event is gone from the ring all the same, so
 * it must have been taken.
 */
typedef int bpf_event_fn(void *arg, const struct kvm_warden_event *event);

/*
 * Loads and attaches.  NULL, and why, if events cannot be had: the daemon then
 * sees by sweeps alone.  CIDs are extra: see bpf_look_for_cids().
 */
struct bpf *bpf_start(const struct config *config, bpf_event_fn *fn, void *arg,
		      char *why, size_t why_size);
void bpf_stop(struct bpf *bpf);

int bpf_fd(const struct bpf *bpf);	/* readable when events wait */
void bpf_drain(struct bpf *bpf);

/* So many guests share the ring. */
void bpf_share(struct bpf *bpf, unsigned guests);

/* So many more events of that guest have arrived where they are for. */
void bpf_delivered(struct bpf *bpf, uint64_t guest, unsigned events);

/* Zeroes for a guest BPF has not seen an event of. */
void bpf_counts(struct bpf *bpf, uint64_t guest, struct warden_guest_counts *ret_counts,
		uint64_t *ret_delivered);
/*
 * CIDs are seen once vhost_vsock is there, which may be long after the start.  Cheap,
 * so that it can be asked each second.  True: they are seen from now on, or why
 * they are not is another.
 */
bool bpf_look_for_cids(struct bpf *bpf);
/* Why CIDs are not seen; "" if they are. */
const char *bpf_cids_why(const struct bpf *bpf);
/* Looks at what devices there are, for the two below. */
void bpf_look_at_cids(struct bpf *bpf);
/* The one this VMM set last, of the devices that it has; 0: none since they are seen. */
uint32_t bpf_cid(const struct bpf *bpf, uint32_t vmm_pid);
bool bpf_has_cid(const struct bpf *bpf, uint32_t vmm_pid, uint32_t cid);

void bpf_forget(struct bpf *bpf, uint64_t guest);

/* Forgets guests that nobody knows, which came and went between two looks. */
void bpf_keep(struct bpf *bpf, bool (*is_known)(void *arg, uint64_t guest), void *arg);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the module's trace events to the ring buffer.
 *
 * Raw tracepoints: the event's layout is the module's ABI, so this needs
 * neither the kernel's nor the module's BTF.  A guest that floods loses its own
 * events alone: it has a budget of events a second and a share of the ring.
 *
 * Each event that is seen here is counted once: submitted, dropped or over
 * budget.  What a guest emitted and is in none of the three was missed.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <linux/kvm_warden.h>

#include "warden/event.h"

#define SECOND 1000000000ull

/* Noise of one class must not hide another: each has its own. */
const volatile __u64 spaces_per_second = 20000;
const volatile __u64 entries_per_second = 1000;
const volatile __u64 others_per_second = 1000;

/* Of the ring, for each guest; the daemon sets it by the number of guests. */
volatile __u64 share = WARDEN_SHARE(WARDEN_FEW_GUESTS);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WARDEN_RING_BYTES);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_MAX_GUESTS);
	__type(key, __u64);
	__type(value, struct warden_guest_counts);
} counts SEC(".maps");

/* Of the submitted, those the daemon is done with.  Written by the daemon alone. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_MAX_GUESTS);
	__type(key, __u64);
	__type(value, __u64);
} delivered SEC(".maps");

static struct warden_guest_counts *counts_of(__u64 guest)
{
	struct warden_guest_counts *c = bpf_map_lookup_elem(&counts, &guest), zero = {};

	if (c)
		return c;
	bpf_map_update_elem(&counts, &guest, &zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&counts, &guest);
}

/*
 * Two CPUs may both open a new second, and come with times out of order: the
 * budget is a bound, not a quota.
 */
static bool within_budget(struct warden_budget *b, __u64 now, __u64 limit)
{
	if ((__s64)(now - b->window) >= (__s64)SECOND) {
		b->window = now;
		b->in_window = 0;
	}
	return __sync_fetch_and_add(&b->in_window, 1) < limit;
}

static bool is_affordable(struct warden_guest_counts *c, const struct kvm_warden_event *event)
{
	switch (event->type) {
	case KVM_WARDEN_EVENT_GUEST_UP:
	case KVM_WARDEN_EVENT_GUEST_DOWN:	/* one of each */
		return true;
	case KVM_WARDEN_EVENT_ADDRESS_SPACE:
		return within_budget(&c->spaces, event->time_ns, spaces_per_second);
	case KVM_WARDEN_EVENT_ENTRY_POINT:
	case KVM_WARDEN_EVENT_IDT:
		return within_budget(&c->entries, event->time_ns, entries_per_second);
	default:
		return within_budget(&c->others, event->time_ns, others_per_second);
	}
}

/* Counts that contradict each other, as only a foreign hand could leave them, free nothing. */
static __u64 waiting_of(__u64 guest, __u64 submitted)
{
	__u64 *n = bpf_map_lookup_elem(&delivered, &guest);
	__u64 done = n ? *n : 0;

	return done > submitted ? submitted : submitted - done;
}

/* Counted before it is seen in the ring: no more is ever delivered than was submitted. */
static void submit(struct warden_guest_counts *c, struct kvm_warden_event *event)
{
	__u64 submitted = __sync_fetch_and_add(&c->submitted, 1);

	if (waiting_of(event->guest, submitted) < share) {
		if (!bpf_ringbuf_output(&events, event, sizeof(*event), 0))
			return;
		__sync_fetch_and_add(&c->ring_full, 1);
	}
	__sync_fetch_and_add(&c->submitted, -1);
	__sync_fetch_and_add(&c->dropped, 1);
}

static int forward(void *ctx)
{
	const struct kvm_warden_event *source = (void *)((struct bpf_raw_tracepoint_args *)ctx)->args[0];
	struct kvm_warden_event event;
	struct warden_guest_counts *c;

	if (bpf_probe_read_kernel(&event, sizeof(event), source))
		return 0;
	c = counts_of(event.guest);
	if (!c)		/* more guests than the map holds: not counted, so missed */
		return 0;
	if (event.type == KVM_WARDEN_EVENT_GUEST_DOWN)
		c->last = event.seq;
	if (is_affordable(c, &event))
		submit(c, &event);
	else
		__sync_fetch_and_add(&c->over_budget, 1);
	return 0;
}

SEC("raw_tp/kvm_warden_guest_up")
int on_guest_up(void *ctx)
{
	return forward(ctx);
}

SEC("raw_tp/kvm_warden_guest_down")
int on_guest_down(void *ctx)
{
	return forward(ctx);
}

SEC("raw_tp/kvm_warden_vcpu_up")
int on_vcpu_up(void *ctx)
{
	return forward(ctx);
}

SEC("raw_tp/kvm_warden_address_space")
int on_address_space(void *ctx)
{
	return forward(ctx);
}

SEC("raw_tp/kvm_warden_entry_point")
int on_entry_point(void *ctx)
{
	return forward(ctx);
}

SEC("raw_tp/kvm_warden_idt")
int on_idt(void *ctx)
{
	return forward(ctx);
}

/* The introspector's own watch; it tells what was written, and this that nothing was missed. */
SEC("raw_tp/kvm_warden_write")
int on_write(void *ctx)
{
	return forward(ctx);
}

/* Attached only where a check of integrity is to follow: the module then looks at each MSR. */
SEC("raw_tp/kvm_warden_msr_first")
int on_msr_first(void *ctx)
{
	return forward(ctx);
}

char LICENSE[] SEC("license") = "GPL";

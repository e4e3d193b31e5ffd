/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests the module tracks, each with its fd and its introspector; what
 * they emit goes to the engine.
 */
#ifndef WARDEN_GUESTS_H
#define WARDEN_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

struct bpf;
struct config;
struct guard;
struct guests;
struct kvm_warden_event;
struct msg;
struct roles;
struct vmm;

struct guests *guests_new(int device, const struct config *config);
void guests_free(struct guests *guests);
void guests_set_bpf(struct guests *guests, struct bpf *bpf);
void guests_set_guard(struct guests *guests, struct guard *guard);
void guests_set_roles(struct guests *guests, struct roles *roles);

/* Compares with the module: new guests, gone guests, CIDs. */
void guests_refresh(struct guests *guests);

/* The same, if there are new ones: before anything is said of them. */
void guests_meet(struct guests *guests);

/* Those whose VMM has said their names meanwhile; and do others still have to say one? */
void guests_name(struct guests *guests);
bool guests_asking(const struct guests *guests);

unsigned guests_count(const struct guests *guests);

/* Counters of all guests, to the engine. */
void guests_report(struct guests *guests);

/* roles_hooks */
void guests_engine_up(void *guests, int sock);
void guests_engine_down(void *guests);
void guests_introspector_up(void *guests, uint64_t guest, int sock);

/* acts_hooks: whose process a guest is, by the module's word of this moment. */
bool guests_find_vmm(void *guests, uint64_t guest, struct vmm *ret_vmm);

/*
 * bpf_event_fn: collects events into messages.  Negative: the engine is slow;
 * leave the rest in the ring, where losses are counted by guest, until
 * guests_flush succeeds.
 */
int guests_event(void *guests, const struct kvm_warden_event *event);
/* Sends what waits.  True: there is room for more. */
bool guests_flush(struct guests *guests);
/* M_TAKEN: false if it is malformed. */
bool guests_taken(struct guests *guests, const struct msg *m);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard over VMM processes: its BPF object, the profile in it, and what it
 * finds on its way to the engine.  Texts in it are the attacker's: they are
 * passed on as bytes.
 */
#ifndef WARDEN_DAEMON_GUARD_H
#define WARDEN_DAEMON_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct config;
struct guard;
struct m_guard_state;
struct roles;

/* Always one, be it off; NULL: the profile is refused, and why is in the log. */
struct guard *guard_start(const struct config *config);
void guard_stop(struct guard *guard);

/* Readable when something was found; -1: it is off. */
int guard_fd(const struct guard *guard);

void guard_state(const struct guard *guard, struct m_guard_state *ret_state);

/* A guest's VMM, unless it is watched already; and its guest's end. */
void guard_watch(struct guard *guard, uint64_t guest, uint32_t vmm);
void guard_forget(struct guard *guard, uint64_t guest);

/*
 * Sends what was found to the engine.  False: that is slow, and the rest stays
 * in the ring, where losses are counted by guest.
 */
bool guard_drain(struct guard *guard, int engine);

/* Counters of each guest's VMM, to the engine. */
void guard_report(struct guard *guard, struct roles *roles);

#endif

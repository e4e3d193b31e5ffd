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
struct msg;
struct roles;

/* Always one, be it off; NULL: the profile is refused, and why is in the log. */
struct guard *guard_start(const struct config *config);
void guard_stop(struct guard *guard);

/* Readable when something was found; -1: it is off. */
int guard_fd(const struct guard *guard);

void guard_state(const struct guard *guard, struct m_guard_state *ret_state);

/*
 * A guest's VMM, unless it is watched already, and its pidfd (-1: it has ended); and its
 * guest's end.  Of a VMM with several guests the first one's id is in what is found of its
 * processes, also once that guest is gone: it is returned; 0: none is.
 */
uint64_t guard_watch(struct guard *guard, uint64_t guest, uint32_t vmm, int pidfd);
void guard_forget(struct guard *guard, uint64_t guest);

/* Forgets the counts of guests that nobody knows, which came and went between two looks. */
void guard_keep(struct guard *guard, bool (*is_known)(void *arg, uint64_t guest), void *arg);

/* Takes a batch of what was found out of the ring, if the one before it is gone. */
void guard_collect(struct guard *guard);
/*
 * Sends it to the engine.  False: it is to be taken first, and the rest stays in the
 * ring, where losses are counted by guest.
 */
bool guard_send(struct guard *guard, int engine);

/* The engine has taken the batch, or what it held of a guest; false: that cannot be. */
bool guard_taken(struct guard *guard, const struct msg *m);
bool guard_judged(struct guard *guard, const struct msg *m);
/* What it had not taken, or held, goes to the next. */
void guard_engine_down(struct guard *guard);

/* Counters of each guest's VMM, to the engine. */
void guard_report(struct guard *guard, struct roles *roles);

#endif

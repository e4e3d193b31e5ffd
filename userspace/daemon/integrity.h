/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks of the host's own code, by warden-integrity: KVM's modules and ours in
 * one process, each VMM in another, one VMM after the other.  At start, every
 * integrity_seconds, and soon after what makes one worth it.
 */
#ifndef WARDEN_DAEMON_INTEGRITY_H
#define WARDEN_DAEMON_INTEGRITY_H

#include <systemd/sd-event.h>

struct config;
struct integrity;
struct roles;

/*
 * Before privileges are dropped: /proc/kcore needs one that is not kept.  -1:
 * it cannot be had, and checks of modules say so.
 */
int integrity_open_kernel(const struct config *config);

/* kcore is taken over.  NULL: switched off. */
struct integrity *integrity_new(sd_event *loop, int device, int kcore, const struct config *config,
				const char *config_path, struct roles *roles);
void integrity_free(struct integrity *integrity);

/*
 * A check is due, and why, in a word or two: once for however many ask, and not
 * more often than each 30 s.  NULL: nothing to be done.
 */
void integrity_soon(struct integrity *integrity, const char *cause);

/*
 * The same, for what a guest or its VMM did.  Such rounds come 30 s after the
 * last one at first, then 60 s, 120 s and so on, until a round comes by itself:
 * who makes one after another gains little more than those at intervals.
 */
void integrity_after_guest(struct integrity *integrity, const char *cause);

#endif

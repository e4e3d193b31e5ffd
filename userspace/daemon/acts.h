/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of the host's own, asked for by the engine (M_ACT): by the module,
 * through the VMM's monitor, or by signals to the VMM.  Acts of one guest
 * follow each other, those of different guests do not wait; nothing blocks.
 */
#ifndef WARDEN_ACTS_H
#define WARDEN_ACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

struct acts;
struct config;
struct m_acted;
struct msg;

/* The process behind a guest.  pidfd: the caller's, -1 if it is not certain to be that. */
struct vmm {
	pid_t pid;
	int pidfd;
};

struct acts_hooks {
	void *arg;
	/* False: the module knows no such guest. */
	bool (*find)(void *arg, uint64_t guest, struct vmm *ret_vmm);
	void (*answer)(void *arg, uint64_t id, const struct m_acted *acted);
};

struct acts *acts_new(sd_event *loop, int device, const struct config *config,
		      const char *config_path, const struct acts_hooks *hooks);
/* Ends what is under way. */
void acts_free(struct acts *acts);

/* False: this is no act. */
bool acts_take(struct acts *acts, const struct msg *m);

/* The engine is down: what waits is dropped, what runs ends without an answer. */
void acts_forget(struct acts *acts);

#endif

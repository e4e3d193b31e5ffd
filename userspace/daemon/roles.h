/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes that do the work: started, watched, started again.
 *
 * warden-engine talks to the parent; each other role talks to the engine over
 * a socket pair that the parent makes and hands out.  A role that ends is
 * started again after a pause that doubles from 100 ms to 10 s.  When the
 * engine ends, the others lose their peer and end by themselves.
 */
#ifndef WARDEN_ROLES_H
#define WARDEN_ROLES_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct msg;
struct msg_schema;
struct roles;
struct role;

struct roles_hooks {
	void *arg;
	/* The engine runs anew: tell it all there is.  sock is the parent's end. */
	void (*engine_up)(void *arg, int sock);
	void (*engine_down)(void *arg);
	/* What the engine asks for; false: it is no request, and the engine is ended. */
	bool (*engine_asks)(void *arg, const struct msg *m);
	/* A guest's introspector runs: sock (owned by the callee) is the engine's end. */
	void (*introspector_up)(void *arg, uint64_t guest, int sock);
};

struct roles *roles_new(sd_event *loop, const char *libexec_dir, const char *config_path,
			const struct roles_hooks *hooks);
void roles_free(struct roles *roles);	/* ends them all */

/* Starts engine, scan and channel. */
int roles_start(struct roles *roles);

/* Starts and keeps an introspector; guest_fd stays the caller's and open. */
struct role *roles_add_introspector(struct roles *roles, uint64_t guest, int guest_fd);
/* Ends it without waiting for it.  The role is not the caller's any more. */
void roles_remove(struct roles *roles, struct role *role);

/*
 * To the engine, if there is one.  One that takes no message for
 * ENGINE_PATIENCE_S is ended, and started anew.
 */
void roles_tell_engine(struct roles *roles, const struct msg_schema *schema, uint64_t id,
		       const void *message, int fd);

/*
 * Called before and after messages are sent: does the engine read what it is
 * told?  One that has not for ENGINE_SILENCE_US is ended, and started anew; one that
 * starts is given more time each time.
 */
void roles_watch_engine(struct roles *roles);

enum engine_state {
	ENGINE_LIVES,			/* it has read lately */
	ENGINE_STARTING,		/* it has not read yet, and may need the time */
	ENGINE_SILENT,
	ENGINE_REFUSES,			/* its files, as they are by now: another daemon's would, too */
};

enum engine_state roles_engine_state(const struct roles *roles);

#endif

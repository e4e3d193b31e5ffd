/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a child of the parent becomes another program of the daemon. */
#ifndef WARDEN_SPAWN_H
#define WARDEN_SPAWN_H

#include <stddef.h>
#include <stdnoreturn.h>

/*
 * Opens the roles' executables: from now on spawn_exec() runs these, also when an
 * upgrade puts others in their place, which speak with the new parent alone.  0,
 * or -1 and a line in the log.
 */
int spawn_hold(const char *libexec_dir);

/*
 * After a fork, for a child that may hang before it becomes NAME: closes all but standard
 * error, these and what it needs for that.  Else the locks and BPF
 * links of a parent that ends would stay with it.
 */
void spawn_keep_only(const char *name, const int *fds, size_t nfds);

/*
 * After a fork: becomes LIBEXEC/warden-NAME --config CONFIG [ARGUMENT], with
 * these descriptors from ROLE_FD on, standard error for the log, and nothing
 * else; in a session of its own, so that no terminal is its to read or type into.
 */
noreturn void spawn_exec(const char *libexec_dir, const char *name, const char *config_path,
			 const char *argument, const int *fds, size_t nfds);

#endif

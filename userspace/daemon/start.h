/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parent does once, before it serves. */
#ifndef WARDEN_START_H
#define WARDEN_START_H

#include <stdint.h>

struct config;

/* Makes the folders and holds their lock until we end; exits if another daemon has it. */
void start_alone(const struct config *config);

/*
 * Where the roles are, unless the configuration says it: PREFIX/libexec/kvm-warden
 * for PREFIX/sbin/wardend.
 */
void start_find_roles(struct config *config);

/* A guest costs a few descriptors, the engine thousands.  Before privileges are dropped. */
void start_raise_file_limit(void);

/*
 * Only what parent and roles need, and nothing that a program started later
 * could bring back.
 */
void start_drop_privileges(const struct config *config);

/* The capabilities that remain, a bit each: what the checks and the guard need, where they are on. */
uint64_t start_capabilities(const struct config *config);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The introspector's jail: its engine, its guest, and memory to hand over what
 * it found.  A user of its own, so that no introspector that a guest has taken
 * over can touch another guest's.
 */
#ifndef WARDEN_INTROSPECT_JAIL_H
#define WARDEN_INTROSPECT_JAIL_H

#include <stdbool.h>
#include <stdint.h>

/* 0, or -1 and a line in the log: the caller must exit. */
int jail_introspect(uint32_t uid);

/*
 * The same for warden-inspect, whoever starts it: one file, and its answer; if it
 * writes, also to descriptors that are open, as much as MAX_FILE_BYTES.
 */
int jail_inspect(bool writes);

#endif

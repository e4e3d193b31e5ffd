/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The jails of the scanner's four kinds of process:
 *
 *   starter  makes loaders; root with the few rights that takes; reads no byte
 *            of a guest, and no file.
 *   broker   talks to the engine and to the workers; the role's user, no file.
 *   loader   holds the signatures and makes workers; root with the few rights
 *            that takes, in a tree of its own; reads no byte of a guest.
 *   worker   runs libclamav on a guest's bytes; the role's user, alone in a
 *            tmpfs.
 *
 * The worker's filter is stacked on the loader's, which it inherits.
 */
#ifndef WARDEN_SCAN_JAIL_H
#define WARDEN_SCAN_JAIL_H

#include <stdint.h>

/* In the private tree, and again in each worker's. */
#define JAIL_DATABASE "/database"
#define JAIL_TMP "/tmp"

/* Each: 0, or -1 and a line in the log; the caller must exit. */
int jail_broker(uint32_t uid);

/* Without a filter: a loader inherits it, and needs many calls to load. */
int jail_starter(void);

/*
 * A mount namespace whose tree holds the database folder, read-only, and
 * nothing else of the host.
 */
int jail_private_tree(const char *database);

/* After jail_private_tree, once loaded. */
int jail_loader(void);

/* In a process of its own, made by one in the private tree. */
int jail_worker(uint64_t max_memory, uint32_t uid);

#endif

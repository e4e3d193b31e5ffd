/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file into the guest's sealed store, and back.  Each is done or not done,
 * whenever the guest stops: the original goes only when the sealed item is on
 * the disk, the item only when its file is.  An order that comes again is
 * answered, not done twice.  Both may block on the guest's file systems:
 * verbs.c calls them in a process of their own.
 */
#ifndef WARDEN_AGENT_QUARANTINE_H
#define WARDEN_AGENT_QUARANTINE_H

#include "channel/record.h"

#define QUARANTINE_MAX (4ull << 30)	/* bytes of a file */

/* The file at the order's path, if it is the one meant.  store: the folder of items. */
void quarantine_verb(const struct record_order *order, const char *store,
		     struct record_result *result);

/* The order's item, to where it was: restore.c. */
void restore_verb(const struct record_order *order, const char *store,
		  struct record_result *result);

#endif

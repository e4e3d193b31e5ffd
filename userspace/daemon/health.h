/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the service manager is told: that we serve, how many guests, that we live. */
#ifndef WARDEN_HEALTH_H
#define WARDEN_HEALTH_H

#include <stdbool.h>

#include "daemon/roles.h"

void health_ready(void);
void health_stopping(void);

/*
 * Called now and then by the loop that serves: that it is called is one half of
 * living, an engine that takes what it is told, or still may, the other.  One that refuses
 * its files is no reason to be started anew: what watches without it goes on.
 * detached: why the module sees no guest, or NULL.
 */
void health_beat(unsigned guests, bool events, const char *detached, enum engine_state engine);

#endif

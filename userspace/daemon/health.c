// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/health.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

void health_ready(void)
{
	sd_notify(0, "READY=1");
}

void health_stopping(void)
{
	sd_notify(0, "STOPPING=1\nSTATUS=ending its roles");
}

void health_beat(unsigned guests, bool events, const char *detached, enum engine_state engine)
{
	static const char *const said[] = {
		[ENGINE_LIVES] = "", [ENGINE_STARTING] = ", the engine starts",
		[ENGINE_SILENT] = ", the engine does not answer",
		[ENGINE_REFUSES] = ", NO FINDINGS: the engine refuses its configuration, see the log",
	};
	static char last[512];
	char status[512];

	snprintf(status, sizeof(status), "STATUS=%u guest%s%s%s%s%s", guests, guests == 1 ? "" : "s",
		 events ? "" : ", seen by sweeps alone", said[engine],
		 detached ? ", NONE IS WATCHED: the module is not attached: " : "", detached ?: "");
	if (strcmp(status, last))
		sd_notify(0, strcpy(last, status));
	if (engine != ENGINE_SILENT)
		sd_notify(0, "WATCHDOG=1");
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-scan: the daemon's scanner.  Started by the parent with the engine's
 * socket as ROLE_FD.  This process becomes the broker; see jail.h for all.
 *
 * In addition, as a special exception, this program may be linked with the
 * OpenSSL library (see LICENSE).
 */
#include <fcntl.h>
#include <string.h>

#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/sandbox.h"
#include "scan/broker.h"
#include "scan/jail.h"
#include "scan/starter.h"

static const char *config_path(int argc, char **argv)
{
	if (argc == 1)
		return CONFIG_DEFAULT_PATH;
	if (argc == 3 && !strcmp(argv[1], "--config"))
		return argv[2];
	fatal("usage: warden-scan [--config PATH]; started by wardend alone");
}

int main(int argc, char **argv)
{
	struct config config;
	int starter;

	log_open("warden-scan", false);
	if (config_load(config_path(argc, argv), &config))
		return 1;
	log_open("warden-scan", config.debug);
	if (fcntl(ROLE_FD, F_SETFD, FD_CLOEXEC))
		fatal("no engine on descriptor %d: started by wardend alone", ROLE_FD);
	starter = starter_start(&config);
	if (starter < 0 || jail_broker(config.uid_base + ROLE_UID_SCAN))
		return 1;
	broker_serve(ROLE_FD, starter, &config);
}

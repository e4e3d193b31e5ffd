// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-channel: the host's end of the channel to the agents.  It holds the
 * host's secret key and takes bytes from hostile guests, so after its start it
 * can reach nothing but its listener, its connections, the engine and the
 * folder of agents.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel/conns.h"
#include "channel/hostkey.h"
#include "channel/jail.h"
#include "channel/orders.h"
#include "channel/vault.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

static struct channel channel = {
	.engine = ROLE_FD,
	.logins = { .burst = 20, .interval_ms = 1000 },
	.refusals = { .burst = 5, .interval_ms = 30000 },
	.enrols = { .burst = 5, .interval_ms = 60000 },
};

static void load_vault(const char *host_key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s.quarantine", host_key);
	vault_load(path, channel.vault);
}

/*
 * The folder of agents belongs to the role, which writes it after its start.
 * One that cannot be given away (a read-only file system) still serves those
 * that are pinned there.
 */
static int open_agents(const char *path, uint32_t uid)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		fatal("%s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		fatal("%s: %s", path, strerror(errno));
	if (fchown(fd, uid, uid))
		log_warn("%s: cannot be given to user %u: %s: no agent can be enrolled, revoked "
			 "or get a new key", path, uid, strerror(errno));
	return fd;
}

struct options {
	const char *config, *unix_path;
	int (*host_key)(const char *path);
};

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "rotate-host-key", no_argument, NULL, 'r' },
		{ "adopt-host-key", no_argument, NULL, 'a' },
		{ "listen", required_argument, NULL, 'l' },	/* tests: unix:PATH */
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'r')
			o->host_key = hostkey_rotate;
		else if (c == 'a')
			o->host_key = hostkey_adopt;
		else if (c == 'l' && !strncmp(optarg, "unix:", 5))
			o->unix_path = optarg + 5;
		else
			return false;
	}
	return optind == argc;
}

static void start(const struct config *config, const struct options *o)
{
	uint32_t uid = config->uid_base + ROLE_UID_CHANNEL;

	hostkey_load(config->host_key, &channel.self, &channel.next, &channel.has_next);
	load_vault(config->host_key);
	pins_load(open_agents(config->agents, uid), &channel.pins);
	channel.order_ms = config->order_seconds * 1000;
	channel.listener = o->unix_path ? listen_unix(o->unix_path) : listen_vsock(config->port);
	conns_init(&channel);
	orders_init(&channel);
	if (jail_channel(config->agents, uid))
		fatal("no sandbox");
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONFIG_DEFAULT_PATH };
	struct config config;

	log_open("warden-channel", false);
	if (!parse(argc, argv, &o)) {
		fputs("usage: warden-channel [--config PATH] [--rotate-host-key | --adopt-host-key]\n",
		      stderr);
		return 2;
	}
	if (config_load(o.config, &config))
		return 1;
	log_open("warden-channel", config.debug);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* the sandbox limits files: a log in one is lost */
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	if (o.host_key)
		return o.host_key(config.host_key);
	start(&config, &o);
	channel_serve(&channel);
	return 0;
}

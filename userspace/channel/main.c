// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-channel: the host's end of the channel to the agents.  It holds the
 * host's secret key and takes bytes from hostile guests, so after its start it
 * can reach nothing but its listener, its connections and the engine.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <seccomp.h>

#include "channel/conns.h"
#include "channel/orders.h"
#include "channel/vault.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_MEMORY (64ull << 20)	/* besides the connections' */

static struct channel channel = {
	.engine = ROLE_FD,
	.logins = { .burst = 20, .interval_ms = 1000 },
	.refusals = { .burst = 5, .interval_ms = 30000 },
};

static void load_host_key(const char *path, struct identity *self)
{
	int r = identity_load(path, self);

	if (r == -ENOENT) {
		r = identity_make(path, self);
		if (!r)
			log_info("%s: made the host's key", path);
	} else if (!r && identity_publish(path, self)) {
		log_warn("%s.pub: cannot be written", path);
	}
	if (r)
		fatal("%s: %s", path, strerror(-r));
}

static void load_vault(const char *host_key)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s.quarantine", host_key);
	vault_load(path, channel.vault);
}

static void enter_sandbox(const struct channel *ch)
{
	static const int syscalls[] = { SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(sendto) };
	const struct sandbox box = {
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_memory = MAX_MEMORY + ch->max_conns * (sizeof(struct conn) + 16384),
		.max_files = ch->max_conns + 16,
	};

	if (sandbox_apply(&box))
		fatal("no sandbox");
}

struct options {
	const char *config, *unix_path;
};

static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "listen", required_argument, NULL, 'l' },	/* tests: unix:PATH */
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'l' && !strncmp(optarg, "unix:", 5))
			o->unix_path = optarg + 5;
		else
			return false;
	}
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options o = { .config = CONFIG_DEFAULT_PATH };
	struct config config;

	log_open("warden-channel", false);
	if (!parse(argc, argv, &o)) {
		fputs("usage: warden-channel [--config PATH]\n", stderr);
		return 2;
	}
	if (config_load(o.config, &config))
		return 1;
	log_open("warden-channel", config.debug);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* the sandbox forbids files: a log in one is lost */
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	load_host_key(config.host_key, &channel.self);
	load_vault(config.host_key);
	pins_load(config.agents, &channel.pins);
	channel.order_ms = config.order_seconds * 1000;
	channel.listener = o.unix_path ? listen_unix(o.unix_path) : listen_vsock(config.port);
	conns_init(&channel);
	orders_init(&channel);
	enter_sandbox(&channel);
	channel_serve(&channel);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-agent: carries out the host's orders inside a guest.  It connects to
 * the host, proves its identity, checks the host's, and does what its table
 * of verbs allows.  Runs as root, in the guest's initial namespaces.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/enrol.h"
#include "agent/keyring.h"
#include "agent/serve.h"
#include "agent/transport.h"
#include "agent/verbs.h"
#include "channel/identity.h"
#include "lib/log.h"
#include "lib/util.h"

#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 30000

static const char usage[] =
	"usage: warden-agent [OPTION]...\n"
	"       warden-agent [OPTION]... enrol TOKEN\n"
	"       warden-agent keygen FILE\n"
	"  --key FILE        this agent's secret key (/etc/warden-agent/agent.key)\n"
	"  --host-key FILE   the host's public key (/etc/warden-agent/host.pub)\n"
	"  --quarantine DIR  where infected files are kept (/var/lib/warden-agent/quarantine)\n"
	"  --deny VERB       never kill, quarantine or restore; may be given again\n"
	"  --port N          vsock port of warden-channel (5757)\n"
	"  --host-cid N      vsock CID of the host (2)\n"
	"  --debug           more lines in the log\n"
	"  enrol TOKEN       make the key and have the host pin it; -: TOKEN from standard input\n"
	"  keygen FILE       write a new secret key to FILE, its public key to FILE.pub\n";

struct options {
	const char *key, *host_key, *quarantine, *token;
	bool debug;
	struct transport transport;
};

static int keygen(const char *path)
{
	struct identity identity;
	char hex[2 * WIRE_KEY + 1];
	int r = identity_make(path, &identity);

	sodium_memzero(identity.secret, sizeof(identity.secret));
	if (r) {
		fprintf(stderr, "warden-agent: %s: %s\n", path, strerror(-r));
		return 1;
	}
	hex_encode(hex, identity.public, WIRE_KEY);
	printf("%s\n", hex);
	return 0;
}

static uint32_t number(const char *name, const char *text)
{
	uint64_t value;

	if (!parse_u64(text, UINT32_MAX - 1, &value))
		fatal("--%s %s: not a number in range", name, text);
	return value;
}

static void deny(const char *verb)
{
	if (!verbs_deny(verb))
		fatal("--deny %s: no such verb: kill, quarantine or restore", verb);
}

/* False: wrong usage. */
static bool parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "host-key", required_argument, NULL, 'h' },
		{ "quarantine", required_argument, NULL, 'q' },
		{ "deny", required_argument, NULL, 'D' },
		{ "port", required_argument, NULL, 'p' },
		{ "host-cid", required_argument, NULL, 'c' },
		{ "debug", no_argument, NULL, 'd' },
		{ "transport", required_argument, NULL, 't' },	/* tests: unix:PATH */
		{ "test-cid", required_argument, NULL, 'T' },	/* with it: our CID */
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'k')
			o->key = optarg;
		else if (c == 'h')
			o->host_key = optarg;
		else if (c == 'q')
			o->quarantine = optarg;
		else if (c == 'D')
			deny(optarg);
		else if (c == 'p')
			o->transport.port = number("port", optarg);
		else if (c == 'c')
			o->transport.host_cid = number("host-cid", optarg);
		else if (c == 'd')
			o->debug = true;
		else if (c == 'T')
			o->transport.test_cid = number("test-cid", optarg);
		else if (c == 't' && !strncmp(optarg, "unix:", 5))
			o->transport.unix_path = optarg + 5;
		else
			return false;
	}
	if (optind == argc - 2 && !strcmp(argv[optind], "enrol"))
		o->token = argv[optind + 1];
	return optind == argc || o->token;
}

static void wait_ms(uint32_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* One line for each new reason, not one for each try. */
static void report(const char *why, bool was_up)
{
	static char last[256];

	if (!was_up && !strncmp(last, why, sizeof(last) - 1))
		return;
	log_warn("no session: %s", why);
	snprintf(last, sizeof(last), "%s", why);
}

/* Once the host has let us in, the next try comes soon; else ever later. */
static void connect_for_ever(const struct options *o, struct keyring *keys)
{
	uint32_t backoff = BACKOFF_MIN_MS;

	for (unsigned attempt = 0; ; attempt++) {
		int fd = transport_connect(&o->transport);
		bool up = false;

		const char *why = fd < 0 ? strerror(-fd) :
			serve(fd, keys, keyring_identity(keys, attempt), &up);

		report(why, up);
		if (up) {
			backoff = BACKOFF_MIN_MS;
			attempt = UINT_MAX;	/* a new key is tried first */
		}
		wait_ms(backoff / 2 + randombytes_uniform(backoff / 2 + 1));
		backoff = MIN(2 * backoff, (uint32_t)BACKOFF_MAX_MS);
	}
}

int main(int argc, char **argv)
{
	struct options o = {
		.key = "/etc/warden-agent/agent.key", .host_key = "/etc/warden-agent/host.pub",
		.quarantine = "/var/lib/warden-agent/quarantine",
		.transport = { .host_cid = 2, .port = WIRE_PORT, .test_cid = 3 },
	};
	static struct keyring keys;
	const char *path;
	int r;

	log_open("warden-agent", false);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	if (argc == 3 && !strcmp(argv[1], "keygen"))
		return keygen(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!parse(argc, argv, &o)) {
		fputs(usage, stderr);
		return 2;
	}
	log_open("warden-agent", o.debug);
	signal(SIGPIPE, SIG_IGN);
	umask(077);
	if (o.token)
		return enrol(o.token, o.key, o.host_key, &o.transport);
	verbs_start(o.quarantine);
	keys.key_path = o.key;
	keys.host_path = o.host_key;
	r = keyring_load(&keys, &path);
	if (r)
		fatal("%s: %s%s", path, strerror(-r), r == -ENOENT ?
		      ": enrol this agent first: wardenctl enrol NAME on the host, then "
		      "warden-agent enrol TOKEN here" : "");
	connect_for_ever(&o, &keys);
}

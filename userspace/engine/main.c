// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-engine: the daemon's state, its policy, its journal and its control
 * API.  Started by wardend with its socket on descriptor 3.
 */
#include "engine/control.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "engine/jail.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

static struct engine engine;

/* The pump follows, as after every event. */
static int on_timer(sd_event_source *source, uint64_t usec, void *user)
{
	return 0;
}

static void read_boot_id(struct engine *e)
{
	autofile FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(e->boot, sizeof(e->boot), f))
		fatal("the host's boot id cannot be read: %s", strerror(errno));
	e->boot[strcspn(e->boot, "\n")] = '\0';
}

/* STATE_DIR/journal alone is the engine's; the databases beside it are not. */
static void prepare_folders(const struct config *config, char *journal, size_t size)
{
	int r = mkdir(config->state_dir, 0755) && errno != EEXIST ? -errno : 0;

	snprintf(journal, size, "%s/journal", config->state_dir);
	if (!r)
		r = jail_engine_folder(journal, config->uid_base + ROLE_UID_ENGINE);
	if (r)
		fatal("%s: %s", journal, strerror(-r));
}

static void prepare_events(struct engine *e)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (sd_event_new(&e->event) < 0 ||
	    sd_event_add_time(e->event, &e->timer, CLOCK_MONOTONIC, 0, 1, on_timer, e) < 0 ||
	    sd_event_add_post(e->event, NULL, engine_pump, e) < 0 ||
	    sd_event_add_signal(e->event, NULL, SIGTERM, NULL, NULL) < 0 ||
	    sd_event_add_signal(e->event, NULL, SIGINT, NULL, NULL) < 0)
		fatal("the event loop cannot be made");
}

static void parse_arguments(int argc, char **argv, struct config *config)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { NULL, 0, NULL, 0 },
	};
	const char *path = CONFIG_DEFAULT_PATH;
	int c;

	while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (c != 'c')
			fatal("usage: warden-engine [--config PATH]; started by wardend");
		path = optarg;
	}
	if (optind != argc || fcntl(ROLE_FD, F_GETFD) < 0)
		fatal("usage: warden-engine [--config PATH]; started by wardend");
	fcntl(ROLE_FD, F_SETFD, FD_CLOEXEC);
	if (config_load(path, config))
		exit(EX_CONFIG);
	log_open("warden-engine", config->debug);
}

static void prepare(struct engine *e, char *journal, size_t size)
{
	TAILQ_INIT(&e->guests);
	TAILQ_INIT(&e->guard_batches);
	scans_init(&e->scans);
	peer_init(&e->parent, e, PEER_PARENT, NULL);
	peer_init(&e->scan, e, PEER_SCAN, NULL);
	peer_init(&e->channel, e, PEER_CHANNEL, NULL);
	e->flush_due = e->guard_due = NEVER;
	e->started_wall = now_wall();
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	/* Not those of an engine before, also when the wall clock was set back. */
	e->next_id = 1 + ((uint64_t)randombytes_random() << 30);
	/* A hash seed from /dev/urandom, before there is none. */
	json_object_seed(0);
	read_boot_id(e);
	if (policy_load(e->config.policy, &e->policy, NULL, 0))
		exit(EX_CONFIG);
	prepare_folders(&e->config, journal, size);
	prepare_events(e);
	e->control = control_open(e);
}

static int finish(struct engine *e)
{
	struct guest *g;
	int r;

	/* The next engine gets them from the parent; if that has ended, nobody does. */
	if (e->parent.fd < 0)
		TAILQ_FOREACH(g, &e->guests, entry)
			guard_judge_held(g);
	record_event(&e->journal, "engine down", 0, 0, 0, NULL);
	r = journal_commit(&e->journal);
	control_close(e->control);
	while ((g = TAILQ_FIRST(&e->guests)))
		guest_free(e, g);
	peer_close(&e->parent);
	peer_close(&e->scan);
	peer_close(&e->channel);
	sd_event_source_unref(e->timer);
	sd_event_unref(e->event);
	journal_close(&e->journal);
	return r ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct engine *e = &engine;
	char journal[CONFIG_PATH_MAX + 16];

	log_open("warden-engine", false);
	parse_arguments(argc, argv, &e->config);
	prepare(e, journal, sizeof(journal));
	if (jail_engine(journal, e->config.uid_base + ROLE_UID_ENGINE))
		return 1;
	journal_start(e, now_mono());
	if (peer_open(&e->parent, ROLE_FD))
		return 1;
	if (sd_event_loop(e->event) < 0)
		log_err("the event loop failed");
	return finish(e);
}

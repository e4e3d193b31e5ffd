// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-engine: the daemon's state, its policy, its journal and its control
 * API.  Started by wardend with its socket on descriptor 3.
 */
#include "engine/control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define NOBODY 65534		/* whose files they were before each role had an id of its own */
#define MAX_FILES 8192		/* SCANS_TOTAL contents, the guests' sockets, and ours */
#define MAX_JOURNAL (1ull << 40)

/* SQLite's in its folder; libmicrohttpd's on its socket; sd-event's timer. */
static const int syscalls[] = {
	SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(unlink),
	SCMP_SYS(access), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(readlink),
	SCMP_SYS(getcwd), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(geteuid),
	SCMP_SYS(rename),
	SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(sendfile),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_create), SCMP_SYS(epoll_create1),
	SCMP_SYS(signalfd4), SCMP_SYS(sysinfo),
};

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

static int make_folder(const char *path, mode_t mode)
{
	return mkdir(path, mode) && errno != EEXIST ? -1 : 0;
}

/* What an engine of another id has left. */
static void take_over(const char *folder, uid_t owner)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (!fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    S_ISREG(st.st_mode) && st.st_uid == NOBODY &&
		    fchownat(dirfd(dir), entry->d_name, owner, owner, AT_SYMLINK_NOFOLLOW))
			log_warn("%s/%s: %s", folder, entry->d_name, strerror(errno));
	if (dir)
		closedir(dir);
}

/* STATE_DIR/journal alone is the engine's; the databases beside it are not. */
static void prepare_folders(const struct config *config, uid_t owner, char *journal, size_t size)
{
	snprintf(journal, size, "%s/journal", config->state_dir);
	if (make_folder(config->state_dir, 0755) || make_folder(journal, 0700) ||
	    chown(journal, owner, owner))
		fatal("%s: %s", journal, strerror(errno));
	take_over(journal, owner);
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
		exit(1);
	log_open("warden-engine", config->debug);
}

static void prepare(struct engine *e, char *journal, size_t size)
{
	TAILQ_INIT(&e->guests);
	scans_init(&e->scans);
	peer_init(&e->parent, e, PEER_PARENT, NULL);
	peer_init(&e->scan, e, PEER_SCAN, NULL);
	peer_init(&e->channel, e, PEER_CHANNEL, NULL);
	e->flush_due = NEVER;
	e->started_wall = now_wall();
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	/* Not those of an engine before, also when the wall clock was set back. */
	e->next_id = 1 + ((uint64_t)randombytes_random() << 30);
	/* A hash seed from /dev/urandom, before there is none. */
	json_object_seed(0);
	read_boot_id(e);
	if (policy_load(e->config.policy, &e->policy, NULL, 0))
		exit(1);
	prepare_folders(&e->config, e->config.uid_base + ROLE_UID_ENGINE, journal, size);
	prepare_events(e);
	e->control = control_open(e);
}

static int finish(struct engine *e)
{
	struct guest *g;
	int r;

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
	struct sandbox box = {
		.root = journal, .syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_file = MAX_JOURNAL, .max_files = MAX_FILES,
	};

	log_open("warden-engine", false);
	parse_arguments(argc, argv, &e->config);
	prepare(e, journal, sizeof(journal));
	box.uid = e->config.uid_base + ROLE_UID_ENGINE;
	if (sandbox_apply(&box))
		return 1;
	journal_start(e, now_mono());
	if (peer_open(&e->parent, ROLE_FD))
		return 1;
	if (sd_event_loop(e->event) < 0)
		log_err("the event loop failed");
	return finish(e);
}

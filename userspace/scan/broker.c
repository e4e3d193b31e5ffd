// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/broker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "scan/content.h"
#include "scan/loaders.h"
#include "scan/pool.h"
#include "scan/verdicts.h"

#define CACHED_VERDICTS 65536

struct job {
	bool used, running;
	char suspect[TEXT_WHY];		/* detected once: to be confirmed */
	uint64_t order;			/* of arrival */
	uint64_t id;			/* the engine's */
	uint64_t start_us;
	uint32_t profile;
	int fd;
	uint64_t size;
	uint8_t hash[HASH_BYTES];
};

struct broker {
	int engine;
	struct loaders loaders;
	bool loaded;			/* database below is known */
	struct m_database database;
	struct verdicts *verdicts;
	struct pool pool;
	uint64_t arrivals;
	struct job job[SCAN_OUTSTANDING];
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static struct verdict_key key_of(const struct broker *b, const struct job *j)
{
	struct verdict_key key = {
		.profile = j->profile,
		.epoch = b->database.epoch,
		.engine = b->database.engine,
	};

	memcpy(key.hash, j->hash, sizeof(key.hash));
	return key;
}

/* What a worker says beyond verdict and name is not taken from it. */
static void answer(struct broker *b, struct job *j, const struct m_verdict *from)
{
	struct m_verdict v = {
		.verdict = from->verdict,
		.cached = from->cached,
		.bytes = j->size,
		.elapsed_us = now_us() - j->start_us,
	};

	memcpy(v.hash, j->hash, sizeof(v.hash));
	memcpy(v.name, from->name, sizeof(v.name));
	if (msg_post(b->engine, &msg_verdict, j->id, &v, -1))
		exit(0);		/* the engine is gone */
	if (j->fd >= 0)
		close(j->fd);
	j->used = false;
}

static void answer_not_scanned(struct broker *b, struct job *j, const char *why)
{
	struct m_verdict v = { .verdict = VERDICT_NOT_SCANNED };

	snprintf(v.name, sizeof(v.name), "%s", why);
	answer(b, j, &v);
}

/*
 * A worker that an earlier content took over may accuse any other.  So a
 * detection counts when a second worker, which has read nothing else, says so
 * too.  False: it is now up to that one.
 */
static bool settle(struct job *j, struct m_verdict *v)
{
	char why[TEXT_WHY];

	if (!j->suspect[0]) {
		if (v->verdict != VERDICT_INFECTED)
			return true;
		snprintf(j->suspect, sizeof(j->suspect), "%s", v->name[0] ? v->name : "unnamed");
		j->running = false;
		return false;
	}
	if (v->verdict == VERDICT_INFECTED)
		return true;
	snprintf(why, sizeof(why), "a second scan does not confirm %.100s: %.100s", j->suspect,
		 v->verdict == VERDICT_CLEAN ? "clean" : v->name);
	v->verdict = VERDICT_NOT_SCANNED;
	memcpy(v->name, why, sizeof(v->name));
	return true;
}

static void on_done(void *context, uint32_t job, const struct m_verdict *verdict, bool outdated)
{
	struct broker *b = context;
	struct job *j = &b->job[job];
	struct verdict_key key = key_of(b, j);
	struct m_verdict fresh = *verdict;

	/* By the signatures of before: it is scanned by today's. */
	if (outdated) {
		j->running = false;
		j->suspect[0] = '\0';
		return;
	}
	if (!settle(j, &fresh))
		return;
	fresh.cached = 0;
	verdicts_add(b->verdicts, &key, &fresh);
	answer(b, j, &fresh);
}

/* Answered at once: refused, empty, or known.  True if so. */
static bool answer_early(struct broker *b, struct job *j)
{
	struct verdict_key key = key_of(b, j);
	struct m_verdict v = { .verdict = VERDICT_CLEAN };
	char why[TEXT_WHY];

	/* Without a signature nothing can be found: that is no "clean". */
	if (!b->database.ready || !b->database.signatures) {
		snprintf(why, sizeof(why), "%s%.*s", b->database.ready ? "" : "database refused: ",
			 (int)sizeof(why) - 20, b->database.why);
		answer_not_scanned(b, j, why);
		return true;
	}
	if (j->size && !verdicts_find(b->verdicts, &key, &v))
		return false;
	v.cached = j->size != 0;
	answer(b, j, &v);
	return true;
}

static struct job *oldest_waiting(struct broker *b)
{
	struct job *oldest = NULL;

	for (size_t i = 0; i < SCAN_OUTSTANDING; i++) {
		struct job *j = &b->job[i];

		if (j->used && !j->running && (!oldest || j->order < oldest->order))
			oldest = j;
	}
	return oldest;
}

/* All wait until the databases are loaded or refused. */
static void dispatch(struct broker *b)
{
	struct job *j;

	while (b->loaded && (j = oldest_waiting(b))) {
		if (answer_early(b, j))
			continue;
		if (!pool_give(&b->pool, j - b->job, j->profile, j->fd, j->suspect[0]))
			return;
		j->running = true;
	}
}

static struct job *free_job(struct broker *b)
{
	for (size_t i = 0; i < SCAN_OUTSTANDING; i++)
		if (!b->job[i].used)
			return &b->job[i];
	return NULL;
}

static void admit(struct broker *b, struct job *j)
{
	char why[TEXT_WHY];
	int r;

	if (content_check(j->fd, j->profile, &j->size, why))
		return answer_not_scanned(b, j, why);
	r = content_hash(j->fd, j->size, j->hash);
	if (r) {
		snprintf(why, sizeof(why), "content: %s", strerror(-r));
		answer_not_scanned(b, j, why);
	}
}

static void on_engine(struct broker *b, struct job *j)
{
	struct m_scan scan;
	struct msg m;
	int r = msg_recv(b->engine, &m, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return;
	if (r == 0 || r == -ECONNRESET)
		exit(0);
	if (r < 0 || !msg_decode(&m, &msg_scan, &scan))
		fatal("the engine sent nonsense");
	*j = (struct job) {
		.used = true,
		.order = b->arrivals++,
		.id = m.id,
		.start_us = now_us(),
		.profile = scan.profile,
		.fd = msg_take_fd(&m),
	};
	admit(b, j);
}

/* ---- loaders ---- */

static void use_coming(struct broker *b, const struct m_database *database)
{
	pool_use(&b->pool, b->loaders.coming.sock);
	loaders_use(&b->loaders);
	b->database = *database;
}

/* A database that is refused changes nothing, unless there was none before. */
static void on_database(struct broker *b, const struct m_database *database)
{
	if (database->ready)
		use_coming(b, database);
	else if (!b->database.ready)
		b->database = *database;
	b->loaded = true;
	if (msg_post(b->engine, &msg_database, 0, database, -1))
		exit(0);
}

/* Without it no worker is replaced: the parent starts all of this again. */
static void on_loader(struct broker *b)
{
	struct msg m;
	int r = msg_recv(b->loaders.used.sock, &m, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return;
	if (r <= 0)
		fatal("the loader ended");
	pool_arrival(&b->pool, &m);
	msg_release(&m);
}

enum { ENGINE, LOADER, LOADERS, WORKERS = LOADERS + LOADERS_FDS };

/* Of two times in ms, -1: never. */
static int sooner(int a, int b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

static void serve_once(struct broker *b)
{
	struct pollfd fds[WORKERS + POOL_MAX_WORKERS];
	struct m_database database;
	struct job *room;
	int timeout;

	dispatch(b);
	timeout = sooner(pool_expire(&b->pool), loaders_timeout(&b->loaders));
	room = free_job(b);
	/* An engine that asks too much waits; its end is seen all the same. */
	fds[ENGINE] = (struct pollfd) { .fd = b->engine, .events = room ? POLLIN : 0 };
	fds[LOADER] = (struct pollfd) { .fd = b->loaders.used.sock, .events = POLLIN };
	loaders_poll(&b->loaders, fds + LOADERS);
	pool_poll(&b->pool, fds + WORKERS);
	if (poll(fds, WORKERS + b->pool.size, timeout) < 0 && errno != EINTR)
		fatal("poll: %s", strerror(errno));
	if (fds[LOADER].revents)
		on_loader(b);
	pool_serve(&b->pool, fds + WORKERS);
	if (loaders_serve(&b->loaders, fds + LOADERS, &database))
		on_database(b, &database);
	if (room && (fds[ENGINE].revents & POLLIN))
		on_engine(b, room);
	else if (fds[ENGINE].revents)
		exit(0);
}

noreturn void broker_serve(int engine, int starter, const struct config *config)
{
	static struct broker b;

	b.engine = engine;
	loaders_init(&b.loaders, starter);
	b.verdicts = verdicts_new(CACHED_VERDICTS);
	if (!b.verdicts)
		fatal("no memory for verdicts");
	pool_init(&b.pool, config->workers, config->scan_seconds);
	b.pool.done = on_done;
	b.pool.context = &b;
	for (;;)
		serve_once(&b);
}

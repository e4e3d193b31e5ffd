// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A worker that has read hostile bytes may have been taken over by them and
 * lie about the contents of other guests that it sees next.  So it is thrown
 * away after whatever looked hostile (a detection, a limit, an error), and
 * after RECYCLE_SCANS in any case, which also bounds what libclamav leaks.
 * One process for each scan would bound it tighter, but a fork of an engine of
 * a gigabyte and its jail cost more than most scans.
 */
#include "scan/pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "scan/child.h"
#include "scan/loader.h"

#define RECYCLE_SCANS 256
/* libclamav looks at its clock now and then: the first limit is its own. */
#define GRACE_SECONDS 2
#define MAX_IDLE_DEATHS 5
#define AGAIN_MS 1
#define DUE_MS 30000		/* for the next worker of a loader that goes */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

void pool_init(struct pool *pool, uint32_t size, uint32_t scan_seconds)
{
	memset(pool, 0, sizeof(*pool));
	pool->loader = -1;
	pool->size = MIN(size, POOL_MAX_WORKERS);
	pool->scan_seconds = scan_seconds;
	pool->arriving = -1;
	for (uint32_t i = 0; i < POOL_MAX_WORKERS; i++)
		pool->worker[i].sock = pool->worker[i].pidfd = -1;
}

static void ask_for_worker(struct pool *pool)
{
	struct msg m = { .type = L_FORK, .fd = -1 };

	if (msg_send(pool->loader, &m, 0))
		fatal("the loader is gone");
	pool->due++;
}

static void add_worker(struct pool *pool, int sock, int pidfd)
{
	for (uint32_t i = 0; i < pool->size; i++) {
		struct worker *w = &pool->worker[i];

		if (w->sock >= 0)
			continue;
		*w = (struct worker) { .sock = sock, .pidfd = pidfd };
		pool->due -= pool->due != 0;
		return;
	}
	fatal("the loader sent a worker too many");
}

void pool_arrival(struct pool *pool, struct msg *m)
{
	int fd = msg_take_fd(m);

	if (fd >= 0 && m->type == L_WORKER && pool->arriving < 0)
		pool->arriving = fd;
	else if (fd >= 0 && m->type == L_PROCESS && pool->arriving >= 0)
		add_worker(pool, util_steal_fd(&pool->arriving), fd);
	else
		fatal("the loader sent nonsense");
}

static void end_worker(struct worker *w, char *ret_how, size_t size)
{
	child_end(&w->sock, &w->pidfd, ret_how, size);
	w->busy = false;
}

static void replace(struct pool *pool, struct worker *w)
{
	char how[TEXT_NAME];

	end_worker(w, how, sizeof(how));
	ask_for_worker(pool);
}

/* What was asked of a loader comes first: who never arrives is never reaped. */
static void await_the_due(struct pool *pool)
{
	while (pool->due) {
		struct pollfd p = { .fd = pool->loader, .events = POLLIN };
		struct msg m;

		if (poll(&p, 1, DUE_MS) != 1 || msg_recv(pool->loader, &m, 0) != 1)
			fatal("the loader does not give the workers it was asked for");
		pool_arrival(pool, &m);
		msg_release(&m);
	}
}

void pool_use(struct pool *pool, int loader)
{
	char how[TEXT_NAME];

	await_the_due(pool);
	pool->loader = loader;
	for (uint32_t i = 0; i < pool->size; i++) {
		struct worker *w = &pool->worker[i];

		w->outdated = w->busy;
		if (w->busy)
			continue;
		if (w->sock >= 0)
			end_worker(w, how, sizeof(how));
		ask_for_worker(pool);
	}
}

/* One that is idle; in place of none that is fresh, one is asked for. */
static struct worker *idle_worker(struct pool *pool, bool fresh)
{
	struct worker *used = NULL;
	bool coming = false;

	for (uint32_t i = 0; i < pool->size; i++) {
		struct worker *w = &pool->worker[i];

		coming = coming || w->sock < 0;
		if (w->sock < 0 || w->busy)
			continue;
		if (!fresh || !w->scans)
			return w;
		used = w;
	}
	if (used && !coming)
		replace(pool, used);
	return NULL;
}

bool pool_give(struct pool *pool, uint32_t job, uint32_t profile, int fd, bool fresh)
{
	struct m_scan scan = { .profile = profile };
	struct worker *w = idle_worker(pool, fresh);

	if (!w)
		return false;
	/*
	 * Descriptors under way are counted for the user, not for the process:
	 * others must receive theirs first.  If it is dead already, its socket
	 * will say so.
	 */
	pool->again = msg_post(w->sock, &msg_scan, job, &scan, fd) == -ETOOMANYREFS;
	if (pool->again)
		return false;
	w->busy = true;
	w->job = job;
	w->deadline_ms = now_ms() + (pool->scan_seconds + GRACE_SECONDS) * 1000ull;
	return true;
}

/* why NULL: it died by itself. */
static void lose(struct pool *pool, struct worker *w, const char *why)
{
	struct m_verdict verdict = { .verdict = VERDICT_NOT_SCANNED };
	char how[TEXT_NAME];
	bool busy = w->busy;

	end_worker(w, how, sizeof(how));
	if (why)
		snprintf(verdict.name, sizeof(verdict.name), "%s", why);
	else
		snprintf(verdict.name, sizeof(verdict.name), "worker died: %s", how);
	log_warn("%s", verdict.name);
	if (busy)
		pool->done(pool->context, w->job, &verdict, w->outdated);
	else if (++pool->idle_deaths > MAX_IDLE_DEATHS)
		fatal("workers die before they serve: %s", how);
	ask_for_worker(pool);
}

static bool is_answer(const struct worker *w, const struct msg *m, struct m_verdict *ret_verdict)
{
	return w->busy && m->id == w->job && m->fd < 0 &&
	       msg_decode(m, &msg_verdict, ret_verdict) &&
	       ret_verdict->verdict >= VERDICT_CLEAN &&
	       ret_verdict->verdict <= VERDICT_NOT_SCANNED;
}

static void serve(struct pool *pool, struct worker *w)
{
	struct m_verdict verdict;
	struct msg m;
	int r = msg_recv(w->sock, &m, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return;
	if (r == 0 || r == -ECONNRESET)
		return lose(pool, w, NULL);
	if (r < 0 || !is_answer(w, &m, &verdict)) {
		if (r > 0)
			msg_release(&m);
		return lose(pool, w, "worker sent nonsense");
	}
	w->busy = false;
	w->scans++;
	pool->idle_deaths = 0;
	pool->done(pool->context, w->job, &verdict, w->outdated);
	if (verdict.verdict != VERDICT_CLEAN || w->scans >= RECYCLE_SCANS || w->outdated)
		replace(pool, w);
}

void pool_poll(const struct pool *pool, struct pollfd *fds)
{
	for (uint32_t i = 0; i < pool->size; i++)
		fds[i] = (struct pollfd) { .fd = pool->worker[i].sock, .events = POLLIN };
}

void pool_serve(struct pool *pool, const struct pollfd *fds)
{
	for (uint32_t i = 0; i < pool->size; i++)
		if (fds[i].revents && pool->worker[i].sock == fds[i].fd)
			serve(pool, &pool->worker[i]);
}

int pool_expire(struct pool *pool)
{
	uint64_t now = now_ms();
	int next = pool->again ? AGAIN_MS : -1;

	for (uint32_t i = 0; i < pool->size; i++) {
		struct worker *w = &pool->worker[i];
		char why[TEXT_WHY];

		if (!w->busy)
			continue;
		if (now < w->deadline_ms) {
			int left = w->deadline_ms - now;

			next = next < 0 ? left : MIN(next, left);
			continue;
		}
		snprintf(why, sizeof(why), "worker exceeded %u s", pool->scan_seconds);
		lose(pool, w, why);
	}
	return next;
}

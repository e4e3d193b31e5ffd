// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/kill.h"
#include "agent/quarantine.h"
#include "agent/store.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

#define REMEMBERED 64

static const char *store;		/* folder of quarantined items */

static void run_quarantine(const struct record_order *order, pid_t agent,
			   struct record_result *result)
{
	quarantine_verb(order, store, result);
}

static void run_restore(const struct record_order *order, pid_t agent,
			struct record_result *result)
{
	restore_verb(order, store, result);
}

static struct verb {
	uint32_t verb;
	const char *name;
	uint32_t limit_ms;
	void (*run)(const struct record_order *order, pid_t agent, struct record_result *result);
	bool denied;			/* by the guest's owner */
} verbs[] = {
	{ WIRE_VERB_KILL, "kill", VERBS_MS, kill_verb, false },
	{ WIRE_VERB_QUARANTINE, "quarantine", VERBS_FILE_MS, run_quarantine, false },
	{ WIRE_VERB_RESTORE, "restore", VERBS_FILE_MS, run_restore, false },
};

/* An order but for its nonce and key: ids alone may begin anew when the host does. */
struct order_key {
	uint8_t hash[WIRE_HASH];
};

static struct worker {
	enum { FREE, RUNNING, STUCK } state;
	pid_t pid;
	int fd;				/* its result comes here */
	uint64_t deadline_ms;
	bool orphan;
	uint64_t order;
	uint8_t nonce[WIRE_NONCE];	/* of the latest delivery */
	struct order_key key;
} workers[VERBS_WORKERS];

static struct done {
	bool used;
	struct order_key key;
	struct record_result result;
} remembered[REMEMBERED];
static unsigned next_remembered;

static struct order_key key_of(const struct record_order *order)
{
	struct record_order copy = *order;
	uint8_t record[RECORD_MAX];
	struct order_key key;

	memset(copy.nonce, 0, sizeof(copy.nonce));
	memset(copy.key, 0, sizeof(copy.key));
	hash_content(key.hash, record, record_put_order(record, &copy));
	return key;
}

static bool same(const struct order_key *a, const struct order_key *b)
{
	return !memcmp(a->hash, b->hash, sizeof(a->hash));
}

static const struct verb *find_verb(uint32_t verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].verb == verb)
			return &verbs[i];
	return NULL;
}

void verbs_start(const char *folder)
{
	store = folder;
	store_tidy(store);
}

bool verbs_deny(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, name)) {
			verbs[i].denied = true;
			return true;
		}
	}
	return false;
}

uint64_t verbs_capabilities(void)
{
	uint64_t capabilities = 0;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!verbs[i].denied)
			capabilities |= 1ull << verbs[i].verb;
	return capabilities;
}

/* Only what was done: all else left things as they were and may be tried anew. */
static void remember(const struct order_key *key, const struct record_result *result)
{
	struct done *d;

	if (result->status != WIRE_DONE)
		return;
	d = &remembered[next_remembered++ % REMEMBERED];
	d->used = true;
	d->key = *key;
	d->result = *result;
}

static bool recall(const struct order_key *key, struct record_result *result)
{
	for (size_t i = 0; i < REMEMBERED; i++) {
		if (!remembered[i].used || !same(&remembered[i].key, key))
			continue;
		result->status = remembered[i].result.status;
		memcpy(result->detail, remembered[i].result.detail, sizeof(result->detail));
		return true;
	}
	return false;
}

/* An order that comes again while it runs: its answer takes the new nonce. */
static bool adopt(const struct order_key *key, const struct record_order *order)
{
	for (size_t i = 0; i < VERBS_WORKERS; i++) {
		struct worker *w = &workers[i];

		if (w->state != RUNNING || !same(&w->key, key))
			continue;
		memcpy(w->nonce, order->nonce, sizeof(w->nonce));
		w->orphan = false;
		return true;
	}
	return false;
}

/* A worker past its time holds its place until the kernel lets it die. */
static void reap(struct worker *w)
{
	if (w->state == STUCK && waitpid(w->pid, NULL, WNOHANG) != 0)
		w->state = FREE;
}

static struct worker *free_worker(void)
{
	for (size_t i = 0; i < VERBS_WORKERS; i++) {
		reap(&workers[i]);
		if (workers[i].state == FREE)
			return &workers[i];
	}
	return NULL;
}

/* What orders that died left, for as long as none is at work. */
static void tidy_when_idle(void)
{
	for (size_t i = 0; i < VERBS_WORKERS; i++)
		if (workers[i].state != FREE)
			return;
	store_tidy(store);
}

/* One write below PIPE_BUF: the parent reads all of it or nothing. */
_Static_assert(sizeof(struct record_result) <= 512, "a result goes through a pipe at once");

_Noreturn static void work(const struct verb *verb, const struct record_order *order,
			   pid_t agent, int fd)
{
	struct record_result result = { .status = WIRE_FAILED };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != agent)
		_exit(1);
	/* If it hangs, it must not hold the session's socket open with it. */
	if (fd > 3)
		close_range(3, fd - 1, 0);
	close_range(fd + 1, ~0u, 0);
	verb->run(order, agent, &result);
	_exit(write(fd, &result, sizeof(result)) != sizeof(result));
}

static int spawn(struct worker *w, const struct verb *verb, const struct record_order *order)
{
	pid_t agent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	w->pid = fork();
	if (w->pid == 0)
		work(verb, order, agent, fds[1]);
	close(fds[1]);
	w->fd = fds[0];
	if (w->pid < 0) {
		close(fds[0]);
		return -errno;
	}
	return 0;
}

bool verbs_begin(const struct record_order *order, uint64_t now_ms,
		 struct record_result *ret_result)
{
	const struct verb *verb = find_verb(order->verb);
	struct order_key key = key_of(order);
	struct worker *w;

	memset(ret_result, 0, sizeof(*ret_result));
	ret_result->order = order->order;
	memcpy(ret_result->nonce, order->nonce, sizeof(ret_result->nonce));
	if (!verb || verb->denied)
		return !answer(ret_result, WIRE_NOT_ALLOWED, verb ?
			       "the guest's owner does not allow this verb" : "no such verb");
	if (recall(&key, ret_result))
		return true;
	if (adopt(&key, order))
		return false;
	w = free_worker();
	tidy_when_idle();
	if (!w)
		return !answer(ret_result, WIRE_FAILED, "too many orders at work");
	if (spawn(w, verb, order))
		return !answer(ret_result, WIRE_FAILED, "no process for the order");
	w->state = RUNNING;
	w->deadline_ms = now_ms + verb->limit_ms;
	w->orphan = false;
	w->order = order->order;
	memcpy(w->nonce, order->nonce, sizeof(w->nonce));
	w->key = key;
	log_debug("order %llu: %s", (unsigned long long)order->order, verb->name);
	return false;
}

int verbs_poll(struct pollfd fds[VERBS_WORKERS], uint64_t now_ms, int *ret_timeout)
{
	int n = 0;

	*ret_timeout = -1;
	for (size_t i = 0; i < VERBS_WORKERS; i++) {
		const struct worker *w = &workers[i];
		int left;

		if (w->state != RUNNING)
			continue;
		fds[n++] = (struct pollfd){ w->fd, POLLIN, 0 };
		left = w->deadline_ms > now_ms ? (int)(w->deadline_ms - now_ms) : 0;
		if (*ret_timeout < 0 || left < *ret_timeout)
			*ret_timeout = left;
	}
	return n;
}

/* True if the worker is through, by itself or because its time is up. */
static bool finish(struct worker *w, uint64_t now_ms, struct record_result *result)
{
	ssize_t n = read(w->fd, result, sizeof(*result));

	if (n < 0 && (errno == EAGAIN || errno == EINTR) && now_ms < w->deadline_ms)
		return false;
	if (n != sizeof(*result)) {
		kill(w->pid, SIGKILL);
		answer(result, WIRE_FAILED, n == 0 ? "the order's process died" :
		       "gave up: the guest does not let the file be read or written in time");
	}
	close(w->fd);
	w->state = STUCK;
	reap(w);
	memcpy(result->nonce, w->nonce, sizeof(result->nonce));
	result->order = w->order;
	remember(&w->key, result);
	log_info("order %llu: %s", (unsigned long long)w->order, result->detail);
	return true;
}

bool verbs_next(uint64_t now_ms, struct record_result *ret_result)
{
	for (size_t i = 0; i < VERBS_WORKERS; i++) {
		struct worker *w = &workers[i];

		if (w->state == RUNNING && finish(w, now_ms, ret_result) && !w->orphan)
			return true;
		reap(w);
	}
	return false;
}

void verbs_orphan(void)
{
	for (size_t i = 0; i < VERBS_WORKERS; i++)
		workers[i].orphan = true;
}

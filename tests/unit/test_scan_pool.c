// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Workers that were taken over: processes of this test that answer what no
 * worker should.  Each content comes back once, never as clean, and the liar
 * is dead and replaced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/util.h"
#include "scan/loader.h"
#include "scan/pool.h"
#include "test_child.h"

#define JOB 5

typedef void (*behaviour)(int sock, uint64_t id);

struct seen {
	unsigned answers;
	uint32_t job;
	bool outdated;
	struct m_verdict verdict;
};

static struct pool pool;
static struct seen seen;
static int loader[2], content = -1;
static pid_t last_worker;

static void on_done(void *context, uint32_t job, const struct m_verdict *verdict, bool outdated)
{
	struct seen *s = context;

	s->answers++;
	s->job = job;
	s->verdict = *verdict;
	s->outdated = outdated;
}

static int set_up(void **state)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, loader))
		return -1;
	content = memfd_create("content", MFD_CLOEXEC);
	memset(&seen, 0, sizeof(seen));
	pool_init(&pool, 1, 1);
	pool.loader = loader[0];
	pool.done = on_done;
	pool.context = &seen;
	return content < 0;
}

static int tear_down(void **state)
{
	for (uint32_t i = 0; i < pool.size; i++) {
		if (pool.worker[i].sock < 0)
			continue;
		close(pool.worker[i].sock);
		syscall(SYS_pidfd_send_signal, pool.worker[i].pidfd, SIGKILL, NULL, 0);
		close(pool.worker[i].pidfd);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	close(loader[0]);
	close(loader[1]);
	close(content);
	return 0;
}

static void play(int sock, behaviour does)
{
	struct msg m = { .id = 0 };

	while (does && msg_recv(sock, &m, 0) > 0) {
		msg_release(&m);
		does(sock, m.id);
	}
	/* A worker that is not to be seen closing its socket. */
	for (;;)
		pause();
}

static void arrive(uint32_t type, int fd)
{
	struct msg m = { .type = type, .fd = fd };

	pool_arrival(&pool, &m);
}

/* The pool's end of its socket. */
static int start_worker(behaviour does)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	last_worker = child_fork();
	if (!last_worker) {
		close(pair[0]);
		play(pair[1], does);
	}
	close(pair[1]);
	return pair[0];
}

static void add_worker(behaviour does)
{
	arrive(L_WORKER, start_worker(does));
	arrive(L_PROCESS, syscall(SYS_pidfd_open, last_worker, 0));
}

/* Serves until something came back, or the worker went; at most 10 s. */
static void serve(void)
{
	for (int i = 0; i < 1000 && !seen.answers && pool.worker[0].sock >= 0; i++) {
		struct pollfd fd;

		pool_expire(&pool);
		pool_poll(&pool, &fd);
		poll(&fd, 1, 10);
		pool_serve(&pool, &fd);
	}
}

static bool asked_for_another(void)
{
	struct msg m;

	return msg_recv(loader[1], &m, MSG_DONTWAIT) == 1 && m.type == L_FORK;
}

static struct m_verdict answer(uint32_t verdict, const char *name)
{
	struct m_verdict v = { .verdict = verdict };

	snprintf(v.name, sizeof(v.name), "%s", name);
	return v;
}

static void send_verdict(int sock, uint64_t id, uint32_t verdict, const char *name, int fd)
{
	struct m_verdict v = answer(verdict, name);

	msg_post(sock, &msg_verdict, id, &v, fd);
}

static void say_clean(int sock, uint64_t id)
{
	send_verdict(sock, id, VERDICT_CLEAN, "", -1);
}

static void say_infected(int sock, uint64_t id)
{
	send_verdict(sock, id, VERDICT_INFECTED, "A.Virus", -1);
}

static void say_other_job(int sock, uint64_t id)
{
	send_verdict(sock, id + 1, VERDICT_CLEAN, "", -1);
}

static void say_unknown_verdict(int sock, uint64_t id)
{
	send_verdict(sock, id, 4, "", -1);
}

static void say_zero(int sock, uint64_t id)
{
	send_verdict(sock, id, 0, "", -1);
}

static void say_escape(int sock, uint64_t id)
{
	send_verdict(sock, id, VERDICT_INFECTED, "\033[2J", -1);
}

static void say_with_fd(int sock, uint64_t id)
{
	send_verdict(sock, id, VERDICT_CLEAN, "", 0);
}

static void say_another_type(int sock, uint64_t id)
{
	struct m_look look = { 0 };

	msg_post(sock, &msg_look, id, &look, -1);
}

static void say_garbage(int sock, uint64_t id)
{
	send(sock, "KVWDnonsense", 12, 0);
}

static void crash(int sock, uint64_t id)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void leave(int sock, uint64_t id)
{
	_exit(7);
}

static void hang_up(int sock, uint64_t id)
{
	close(sock);
	for (;;)
		pause();
}

static void say_nothing(int sock, uint64_t id) { }

static void scan_with(behaviour does)
{
	add_worker(does);
	assert_true(pool_give(&pool, JOB, SCAN_FILE, content, false));
	serve();
	assert_int_equal(seen.answers, 1);
	assert_int_equal(seen.job, JOB);
}

static void assert_replaced(void)
{
	assert_int_equal(pool.worker[0].sock, -1);
	assert_true(asked_for_another());
	assert_false(asked_for_another());
	/* Reaped: no longer a process of ours. */
	assert_int_equal(kill(last_worker, 0), -1);
}

static void assert_lost(behaviour does, const char *why)
{
	memset(&seen, 0, sizeof(seen));
	scan_with(does);
	assert_int_equal(seen.verdict.verdict, VERDICT_NOT_SCANNED);
	assert_string_equal(seen.verdict.name, why);
	assert_replaced();
}

static void test_honest(void **state)
{
	scan_with(say_clean);
	assert_int_equal(seen.verdict.verdict, VERDICT_CLEAN);
	/* It stays, idle. */
	assert_false(asked_for_another());
	assert_true(pool_give(&pool, JOB, SCAN_FILE, content, false));
	assert_false(pool_give(&pool, JOB + 1, SCAN_FILE, content, false));
}

static void test_replaced_after_detection(void **state)
{
	scan_with(say_infected);
	assert_int_equal(seen.verdict.verdict, VERDICT_INFECTED);
	assert_string_equal(seen.verdict.name, "A.Virus");
	assert_replaced();
}

/* A confirmation goes to a worker that has seen nothing: one that has gives way. */
static void test_fresh_one_is_asked_for(void **state)
{
	scan_with(say_clean);
	assert_false(pool_give(&pool, JOB, SCAN_FILE, content, true));
	assert_replaced();
	assert_false(pool_give(&pool, JOB, SCAN_FILE, content, true));
	assert_false(asked_for_another());
	add_worker(say_clean);
	assert_true(pool_give(&pool, JOB, SCAN_FILE, content, true));
}

/* New signatures: one that is idle ends at once, one at work with its answer. */
static void test_another_loader(void **state)
{
	int other[2];

	add_worker(say_clean);
	pool_use(&pool, loader[0]);
	assert_replaced();
	add_worker(say_nothing);
	assert_true(pool_give(&pool, JOB, SCAN_FILE, content, false));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
	pool_use(&pool, other[0]);
	assert_false(asked_for_another());
	assert_true(pool.worker[0].busy);
	pool.worker[0].deadline_ms = 0;		/* it answers, if only by its end */
	serve();
	assert_int_equal(seen.answers, 1);
	assert_true(seen.outdated);
	assert_int_equal(pool.worker[0].sock, -1);
	assert_false(asked_for_another());	/* of the loader before */
	close(loader[1]);
	loader[1] = other[1];
	assert_true(asked_for_another());
	close(other[0]);
}

/* One asked of the loader before, that arrives when that one is to go: reaped all the same. */
static void test_in_flight_to_another_loader(void **state)
{
	struct msg m = { .type = L_WORKER };
	int other[2];

	pool_use(&pool, loader[0]);
	m.fd = start_worker(NULL);
	assert_int_equal(msg_send(loader[1], &m, 0), 0);
	close(m.fd);
	m = (struct msg){ .type = L_PROCESS, .fd = syscall(SYS_pidfd_open, last_worker, 0) };
	assert_int_equal(msg_send(loader[1], &m, 0), 0);
	close(m.fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
	pool_use(&pool, other[0]);
	assert_int_equal(kill(last_worker, 0), -1);
	assert_int_equal(pool.due, 1);		/* of the other */
	assert_int_equal(pool.worker[0].sock, -1);
	close(other[0]);
	close(other[1]);
}

static void test_nonsense(void **state)
{
	static const behaviour lies[] = {
		say_other_job, say_unknown_verdict, say_zero, say_escape, say_with_fd,
		say_another_type, say_garbage,
	};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
		assert_lost(lies[i], "worker sent nonsense");
}

static void test_death(void **state)
{
	assert_lost(crash, "worker died: signal 11 (SIGSEGV)");
	assert_lost(leave, "worker died: status 7");
	assert_lost(hang_up, "worker died: signal 9 (SIGKILL)");
}

static void test_hanging(void **state)
{
	assert_lost(say_nothing, "worker exceeded 1 s");
}

/* An answer to nothing, as if for the next content. */
static void test_unasked(void **state)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	last_worker = child_fork();
	if (!last_worker)
		play(pair[1], NULL);
	arrive(L_WORKER, pair[0]);
	arrive(L_PROCESS, syscall(SYS_pidfd_open, last_worker, 0));
	say_clean(pair[1], 0);
	serve();
	assert_int_equal(seen.answers, 0);
	assert_replaced();
	close(pair[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_honest), TEST(test_replaced_after_detection),
		TEST(test_fresh_one_is_asked_for), TEST(test_another_loader),
		TEST(test_in_flight_to_another_loader), TEST(test_nonsense),
		TEST(test_death), TEST(test_hanging), TEST(test_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

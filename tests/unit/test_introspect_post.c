// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors under way are counted for all processes of a user together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "introspect/post.h"
#include "test_child.h"

#define LIMIT 16
#define OBJECTS 60

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("skipped: needs root\n");
	skip();
}

/* As the sandbox leaves an introspector; a user of this test's own. */
static void become_role(void)
{
	const struct rlimit limit = { LIMIT, LIMIT };

	if (setrlimit(RLIMIT_NOFILE, &limit) || setresgid(64999, 64999, 64999) ||
	    setresuid(64999, 64999, 64999))
		_exit(99);
}

static int send_objects(int sock, int n)
{
	const struct m_object o = { .object = 1, .kind = OBJECT_FILE, .size = 1, .path = "/x" };

	for (int i = 0; i < n; i++) {
		int fd = memfd_create("x", MFD_CLOEXEC), r = engine_post(sock, &msg_object, 1, &o, fd);

		close(fd);
		if (r)
			return -r;
	}
	return 0;
}

static pid_t start(int sock[2])
{
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
	pid = child_fork();
	if (!pid) {
		close(sock[0]);
		become_role();
		_exit(send_objects(sock[1], OBJECTS));
	}
	close(sock[1]);
	return pid;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Two guests' introspectors, and an engine that comes to them late. */
static void test_waits_for_the_engine(void **state)
{
	static struct msg m;
	int a[2], b[2], came = 0;
	pid_t pids[2];

	need_root();
	pids[0] = start(a);
	pids[1] = start(b);
	usleep(100000);
	while (came < 2 * OBJECTS) {
		struct pollfd p[2] = { { a[0], POLLIN, 0 }, { b[0], POLLIN, 0 } };

		assert_true(poll(p, 2, 5000) > 0);
		for (int i = 0; i < 2; i++) {
			if (!(p[i].revents & POLLIN) || msg_recv(p[i].fd, &m, 0) != 1)
				continue;
			assert_true(m.fd >= 0);
			msg_release(&m);
			came++;
		}
	}
	assert_int_equal(end(pids[0]), 0);
	assert_int_equal(end(pids[1]), 0);
	close(a[0]);
	close(b[0]);
}

/* While another keeps the count up, the end of its own engine is still seen. */
static void test_ends_with_the_engine(void **state)
{
	int a[2], b[2];
	pid_t pids[2];

	need_root();
	pids[0] = start(a);
	usleep(50000);
	pids[1] = start(b);
	usleep(50000);
	close(b[0]);
	assert_int_equal(end(pids[1]), EPIPE);
	close(a[0]);
	assert_int_equal(end(pids[0]), EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_for_the_engine),
		cmocka_unit_test(test_ends_with_the_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

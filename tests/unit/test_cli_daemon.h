/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real wardenctl (WARDENCTL names it) before a daemon of recorded answers, which
 * no real engine gives on demand.
 */
#ifndef WARDEN_TEST_CLI_DAEMON_H
#define WARDEN_TEST_CLI_DAEMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_child.h"
#include "test_cli_schema.h"

#define REQUESTS 65536
#define OK(body) "HTTP/1.1 200 OK\r\n\r\n" body
#define BEGUN(body) "HTTP/1.1 202 Accepted\r\n\r\n" body
#define REFUSED(status, code) "HTTP/1.1 " #status " X\r\n\r\n" \
	"{\"error\":{\"code\":\"" code "\",\"message\":\"why\",\"what_to_do\":\"do that\"}}"

static char dir[64], sock[128];
static pid_t server;
static char *requests;		/* all that was asked, one after the other; shared with the server */
static char out[1 << 16], err[1 << 16];

/* ---- a daemon of recorded answers ---- */

static inline int listening(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(sock);
	strcpy(address.sun_path, sock);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

#define HANG "the daemon hangs"
#define HANG_FULL "it hangs, and nobody else gets in"

/* A daemon that hangs; so many wait that nobody else can connect. */
static inline void hang(bool full)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, sock);
	while (full) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
			break;
	}
	strcat(requests, "hangs");
	pause();
}

static inline void serve_one(int listener, const char *answer)
{
	char *at = requests + strlen(requests);
	ssize_t n;
	int fd;

	if (!strcmp(answer, HANG) || !strcmp(answer, HANG_FULL))
		hang(!strcmp(answer, HANG_FULL));
	fd = accept(listener, NULL, NULL);
	n = read(fd, at, REQUESTS - 1 - (at - requests));
	at[n > 0 ? n : 0] = '\0';
	if (write(fd, answer, strlen(answer)) < 0)
		_exit(1);
	close(fd);
}

/* The last answer is given again and again. */
static inline void serve(const char *const *answers)
{
	int fd = listening();

	requests[0] = '\0';
	server = child_fork();
	if (server) {
		close(fd);
		return;
	}
	for (;; answers += answers[1] != NULL)
		serve_one(fd, *answers);
}

#define SERVE(...) serve((const char *const[]){ __VA_ARGS__, NULL })

static inline void end_server(void)
{
	if (server) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
	}
	server = 0;
}

/* ---- wardenctl ---- */

static inline void read_back(const char *name, char *text, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, size - 1, f)] = '\0';
	fclose(f);
}

/* Status of `wardenctl ARGUMENTS`, by a shell; what it printed in out and err. */
static inline int ctl(const char *arguments)
{
	char command[1024];
	int status;

	snprintf(command, sizeof(command), "%s --socket %s %s >%s/out 2>%s/err </dev/null",
		 getenv("WARDENCTL"), sock, arguments, dir, dir);
	status = system(command);
	read_back("out", out, sizeof(out));
	read_back("err", err, sizeof(err));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline json_t *ctl_json(const char *arguments, int expected)
{
	char command[900];
	json_error_t error;
	json_t *json;
	int status;

	snprintf(command, sizeof(command), "--json %s", arguments);
	status = ctl(command);
	if (status != expected)
		fail_msg("%s: status %d: %s%s", command, status, out, err);
	json = json_loads(out, 0, &error);
	if (!json)
		fail_msg("%s: %s: %s", command, error.text, out);
	return json;
}

static inline void expect_error(const char *arguments, int expected, const char *code)
{
	json_t *json = ctl_json(arguments, expected);
	const char *was = json_string_value(json_object_get(json_object_get(json, "error"), "code"));

	if (!was || strcmp(was, code))
		fail_msg("%s: %s", arguments, out);
	assert_true(fits_verb("error", json));
	json_decref(json);
}

/* No byte that a terminal obeys, and no line too many. */
static inline void expect_printable(const char *what, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p != '\n' && (*p < 0x20 || *p > 0x7e))
			fail_msg("%s: byte %02x at %td", what, *p, (const char *)p - text);
}

static inline int setup(void **state)
{
	static char copy[256];

	if (!getenv("WARDENCTL"))
		return 0;
	snprintf(copy, sizeof(copy), "%s", getenv("WARDENCTL"));
	setenv("WARDENCTL_DIR", dirname(copy), 1);
	strcpy(dir, "/tmp/wardenctl-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(sock, sizeof(sock), "%s/control.sock", dir);
	return 0;
}

static inline int teardown(void **state)
{
	char command[128];

	end_server();
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return getenv("WARDENCTL") ? system(command) : 0;
}

#define NEEDS_PROGRAM() do { if (!getenv("WARDENCTL")) skip(); } while (0)

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static inline void share_requests(void)
{
	signal(SIGPIPE, SIG_IGN);
	requests = mmap(NULL, REQUESTS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

#endif

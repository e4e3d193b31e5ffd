// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client for one request over the daemon's socket.  HTTP/1.0: the answer is
 * not chunked and ends where the connection does.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/messages.h"
#include "lib/util.h"

#define ANSWER_MAX (256u << 20)
#define BODY_MAX 4096
#define PATIENCE_S 120		/* a long journal takes time to verify */

int tell_error(struct cli *cli, int exit_code, const char *code, const char *message,
	       const char *what_to_do)
{
	if (cli->json) {
		json_t *error = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", code,
					  "message", message, "what_to_do", what_to_do);

		print_json(error);
		json_decref(error);
	} else {
		fprintf(stderr, "wardenctl: %s\n", message);
		if (what_to_do[0])
			fprintf(stderr, "wardenctl: what to do: %s\n", what_to_do);
	}
	return exit_code;
}

volatile sig_atomic_t interrupted;

/* A signal that nobody caught, such as the one that goes on after a stop, ends no wait. */
static bool goes_on(void)
{
	return errno == EINTR && !interrupted;
}

static int open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	autofd int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* SNDTIMEO is for connect too, where many wait for a daemon that hangs. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		if (!goes_on())
			return -1;
	return util_steal_fd(&fd);
}

static int send_request(int fd, const char *method, const char *path, const json_t *body)
{
	char request[API_PATH + BODY_MAX + 256];
	autofree char *text = body ? json_dumps(body, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	int n = snprintf(request, sizeof(request), "%s %s HTTP/1.0\r\nHost: wardend\r\n"
			 "Content-Length: %zu\r\n\r\n%s", method, path, text ? strlen(text) : 0,
			 text ? text : "");

	if ((body && !text) || n >= (int)sizeof(request)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return send(fd, request, n, MSG_NOSIGNAL) == n ? 0 : -1;
}

/* All until the end, NUL-terminated; NULL and errno. */
static char *receive(int fd)
{
	size_t size = 65536, used = 0;
	char *text = malloc(size);

	while (text) {
		ssize_t n;

		if (used + 1 == size) {
			char *more = size < ANSWER_MAX ? realloc(text, size * 2) : NULL;

			if (!more)
				break;
			text = more;
			size *= 2;
		}
		n = recv(fd, text + used, size - used - 1, 0);
		if (n < 0 && goes_on())
			continue;
		if (n < 0)
			break;
		if (n == 0) {
			text[used] = '\0';
			return text;
		}
		used += n;
	}
	free(text);
	return NULL;
}

static json_t *parse_answer(const char *text, int *ret_status)
{
	const char *body = strstr(text, "\r\n\r\n");

	if (!body || sscanf(text, "HTTP/1.%*d %d", ret_status) != 1)
		return NULL;
	return json_loads(body + 4, 0, NULL);
}

/* NULL and errno: not reachable; *ret_status 0: not understood. */
static json_t *ask(struct cli *cli, const char *method, const char *path, const json_t *body,
		   int *ret_status)
{
	autofd int fd = open_socket(cli->socket);
	autofree char *text = NULL;
	json_t *answer;

	*ret_status = -1;
	if (fd < 0 || send_request(fd, method, path, body) || !(text = receive(fd)))
		return NULL;
	*ret_status = 0;
	answer = parse_answer(text, ret_status);
	return cli->json ? answer : make_printable(answer);
}

/* ---- a request's path ---- */

/* arg with everything but letters, digits, '.', '_', '-' as %XX.  False if too long. */
static bool url_escape(char *out, size_t size, const char *arg)
{
	size_t used = 0;

	for (; *arg; arg++) {
		if (used + 4 > size)
			return false;
		if (isalnum((unsigned char)*arg) || strchr("._-", *arg))
			out[used++] = *arg;
		else
			used += sprintf(out + used, "%%%02X", (unsigned char)*arg);
	}
	out[used] = '\0';
	return true;
}

/*
 * Why there is no such path; NULL: it is made.  The daemon takes a path apart
 * after it was unescaped, so that a slash would lead to another resource.
 */
static const char *make_path(char path[API_PATH], const char *format, va_list args)
{
	size_t used = 0;

	for (bool query = false; *format; format++) {
		query |= *format == '?';
		if (*format == '*') {
			const char *arg = va_arg(args, const char *);

			if (!query && strchr(arg, '/'))
				return "no name with a slash can be asked for; name a guest by its id";
			if (!url_escape(path + used, API_PATH - used, arg))
				return "a name is too long";
			used += strlen(path + used);
		} else if (used + 1 < API_PATH) {
			path[used++] = *format;
		} else {
			return "a name is too long";
		}
	}
	path[used] = '\0';
	return NULL;
}

/* ---- errors ---- */

static int exit_code_of(int status)
{
	switch (status) {
	case 403:
	case 404:
	case 409:
		return EXIT_NO;
	case 400:
	case 413:
		return EXIT_USAGE;
	default:
		return EXIT_DAEMON;
	}
}

static int unreachable(struct cli *cli)
{
	const char *why = errno == EAGAIN ? "no answer in time" : errno ? strerror(errno) :
			  "the daemon ended the connection";
	char path[256], message[512];

	text_escape(path, sizeof(path), cli->socket, strlen(cli->socket));
	snprintf(message, sizeof(message), "%s: %s", path, why);
	return tell_error(cli, EXIT_DAEMON, "unreachable", message,
			  errno == EACCES ? "only root and members of the group named by control_group"
			  " in wardend.conf (warden) may ask: usermod -aG warden USER, then log in again" :
			  "is wardend running? systemctl status wardend; wardenctl doctor");
}

/* Takes answer; the exit code. */
static int tell_answer(struct cli *cli, int status, json_t *answer)
{
	const json_t *error = member(answer, "error");
	int code = exit_code_of(status);

	if (status < 0)
		return unreachable(cli);
	if (!error)
		code = tell_error(cli, EXIT_DAEMON, "bad_answer",
				  "the daemon's answer is not understood",
				  "did it end in the middle? Is wardenctl of the same version as"
				  " wardend? systemctl status wardend");
	else
		tell_error(cli, code, text_of(error, "code"), text_of(error, "message"),
			   text_of(error, "what_to_do"));
	json_decref(answer);
	return code;
}

static json_t *call(struct cli *cli, int *ret_code, const char *method, const json_t *body,
		    const char *format, va_list args)
{
	char path[API_PATH];
	const char *wrong = make_path(path, format, args);
	json_t *answer;
	int status;

	if (wrong) {
		*ret_code = tell_usage(cli, wrong);
		return NULL;
	}
	answer = ask(cli, method, path, body, &status);
	if (answer && status >= 200 && status < 300)
		return answer;
	if (status < 0 && interrupted) {
		*ret_code = EXIT_INTERRUPTED;
		return NULL;
	}
	*ret_code = tell_answer(cli, status, answer);
	return NULL;
}

json_t *api_get(struct cli *cli, int *ret_code, const char *format, ...)
{
	json_t *answer;
	va_list args;

	va_start(args, format);
	answer = call(cli, ret_code, "GET", NULL, format, args);
	va_end(args);
	return answer;
}

json_t *api_send(struct cli *cli, int *ret_code, const char *method, json_t *body,
		 const char *format, ...)
{
	json_t *answer;
	va_list args;

	va_start(args, format);
	answer = call(cli, ret_code, method, body, format, args);
	va_end(args);
	json_decref(body);
	return answer;
}

json_t *api_try(struct cli *cli, char *why, size_t size, const char *format, ...)
{
	char path[API_PATH];
	const char *wrong;
	json_t *answer = NULL;
	int status = 0;
	va_list args;

	va_start(args, format);
	wrong = make_path(path, format, args);
	va_end(args);
	if (!wrong)
		answer = ask(cli, "GET", path, NULL, &status);
	if (answer && status == 200)
		return answer;
	if (wrong)
		snprintf(why, size, "%s", wrong);
	else if (status < 0)
		snprintf(why, size, "%s: %s", cli->socket, strerror(errno));
	else
		snprintf(why, size, "%s: %s", text_of(member(answer, "error"), "code"),
			 text_of(member(answer, "error"), "message"));
	json_decref(answer);
	return NULL;
}

char *api_text(struct cli *cli, int *ret_code, const char *path)
{
	autofd int fd = open_socket(cli->socket);
	autofree char *text = NULL;
	json_t *answer = NULL;
	int status = -1;
	char *body;

	if (fd >= 0 && !send_request(fd, "GET", path, NULL) && (text = receive(fd))) {
		status = 0;
		body = strstr(text, "\r\n\r\n");
		if (body && sscanf(text, "HTTP/1.%*d %d", &status) == 1 && status == 200)
			return strdup(body + 4);
		answer = parse_answer(text, &status);
	}
	*ret_code = tell_answer(cli, status, answer);
	return NULL;
}

/* ---- a guest's bytes ---- */

#define FACTS_MAX (16u << 20)

/* What came of an answer's head and first line, and of what follows. */
struct stream {
	int fd;
	char *text;			/* NUL-terminated */
	size_t used, size;
};

/* False at the end, and on errors: errno tells them apart. */
static bool receive_more(struct stream *s)
{
	ssize_t n;

	if (s->used + 1 >= s->size) {
		const size_t size = s->size ? 2 * s->size : 65536;
		char *more = size <= FACTS_MAX ? realloc(s->text, size) : NULL;

		if (!more)
			return false;
		s->text = more;
		s->size = size;
	}
	errno = 0;
	while ((n = recv(s->fd, s->text + s->used, s->size - s->used - 1, 0)) < 0 && goes_on())
		;
	if (n <= 0)
		return false;
	s->used += n;
	s->text[s->used] = '\0';
	return true;
}

/* Behind what, or NULL: it does not come. */
static char *receive_until(struct stream *s, size_t from, const char *what)
{
	const size_t len = strlen(what);
	char *at;

	while (s->used < from + len || !(at = memmem(s->text + from, s->used - from, what, len)))
		if (!receive_more(s))
			return NULL;
	return at + len;
}

static int write_all(int out, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(out, bytes, len);

		if (n < 0 && goes_on())
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= n;
	}
	return 0;
}

/*
 * 0; 1: they are not those that were said to come; -1: out does not take them.  What
 * the first piece holds comes before what is still to be received.
 */
static int pass_on(struct stream *s, size_t from, int out, const json_t *facts)
{
	uint64_t left = number_of(facts, "bytes");
	crypto_generichash_state state;
	uint8_t hash[HASH_BYTES];
	char hex[2 * HASH_BYTES + 1];

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	for (;;) {
		const size_t n = MIN(left, s->used - from);

		crypto_generichash_update(&state, (uint8_t *)s->text + from, n);
		if (write_all(out, s->text + from, n))
			return -1;
		left -= n;
		if (!left)
			break;
		s->used = from = 0;
		if (!receive_more(s))
			return 1;
	}
	crypto_generichash_final(&state, hash, sizeof(hash));
	hex_encode(hex, hash, sizeof(hash));
	return strcmp(hex, text_of(facts, "blake2b")) != 0;
}

static json_t *take_content(struct cli *cli, struct stream *s, size_t body, int out, int *ret_code)
{
	char *end = receive_until(s, body, "\n"), message[256];
	json_t *facts = end ? json_loadb(s->text + body, end - s->text - body, 0, NULL) : NULL;
	int r = json_is_integer(member(facts, "bytes")) ? pass_on(s, end - s->text, out, facts) : 1;

	if (!r)
		return cli->json ? facts : make_printable(facts);
	snprintf(message, sizeof(message), "the output could not be written: %s", strerror(errno));
	*ret_code = r < 0 ? tell_error(cli, EXIT_NO, "bad_file", message, "is there room where it goes to?") :
		    tell_error(cli, EXIT_DAEMON, "bad_answer", "not all bytes came, or others than the"
			       " daemon said: they are not to be relied upon",
			       "ask again; systemctl status wardend tells if it ended");
	json_decref(facts);
	return NULL;
}

static json_t *content(struct cli *cli, int out, int *ret_code, const char *path)
{
	autofd int fd = open_socket(cli->socket);
	struct stream s = { .fd = fd };
	json_t *answer = NULL;
	int status = -1;
	char *body;

	if (fd >= 0 && !send_request(fd, "GET", path, NULL)) {
		body = receive_until(&s, 0, "\r\n\r\n");
		if (s.used || !errno)
			status = 0;
		if (body && sscanf(s.text, "HTTP/1.%*d %d", &status) == 1 && status == 200) {
			answer = take_content(cli, &s, body - s.text, out, ret_code);
			free(s.text);
			return answer;
		}
		while (receive_more(&s))
			;
		answer = s.used ? parse_answer(s.text, &status) : NULL;
	}
	*ret_code = tell_answer(cli, status, cli->json ? answer : make_printable(answer));
	free(s.text);
	return NULL;
}

json_t *api_content(struct cli *cli, int out, int *ret_code, const char *format, ...)
{
	char path[API_PATH];
	const char *wrong;
	va_list args;

	va_start(args, format);
	wrong = make_path(path, format, args);
	va_end(args);
	if (!wrong)
		return content(cli, out, ret_code, path);
	*ret_code = tell_usage(cli, wrong);
	return NULL;
}

void show(struct cli *cli, json_t *answer, void (*print)(const json_t *answer))
{
	if (cli->json)
		print_json(answer);
	else
		print(answer);
	json_decref(answer);
}

int show_get(struct cli *cli, void (*print)(const json_t *answer), const char *format, ...)
{
	int code = EXIT_YES;
	json_t *answer;
	va_list args;

	va_start(args, format);
	answer = call(cli, &code, "GET", NULL, format, args);
	va_end(args);
	if (answer)
		show(cli, answer, print);
	return code;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client for one GET over the daemon's socket.  HTTP/1.0: the answer is not
 * chunked and ends where the connection does.
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "lib/util.h"

#define ANSWER_MAX (256u << 20)
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

static int unreachable(struct cli *cli)
{
	char message[512];

	snprintf(message, sizeof(message), "%s: %s", cli->socket, strerror(errno));
	return tell_error(cli, EXIT_DAEMON, "unreachable", message,
			  errno == EACCES ? "only root and members of the group named by control_group"
			  " in wardend.conf may ask" : "is wardend running? systemctl status wardend");
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
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return util_steal_fd(&fd);
}

static int send_request(int fd, const char *path)
{
	char request[1024];
	int n = snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: wardend\r\n\r\n", path);

	if (n >= (int)sizeof(request)) {
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
		if (n < 0 && errno == EINTR)
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

static json_t *ask(struct cli *cli, const char *path, int *ret_status, int *ret_code)
{
	autofd int fd = open_socket(cli->socket);
	autofree char *text = fd < 0 || send_request(fd, path) ? NULL : receive(fd);
	json_t *answer;

	if (!text) {
		*ret_code = unreachable(cli);
		return NULL;
	}
	answer = parse_answer(text, ret_status);
	if (!answer)
		*ret_code = tell_error(cli, EXIT_DAEMON, "bad_answer",
				       "the daemon's answer is not understood",
				       "is wardenctl of the same version as wardend?");
	return answer;
}

json_t *api_get(struct cli *cli, const char *path, int *ret_code)
{
	int status = 0;
	json_t *answer = ask(cli, path, &status, ret_code);
	const json_t *error;

	if (!answer || status == 200)
		return answer;
	error = member(answer, "error");
	*ret_code = tell_error(cli, status == 404 ? EXIT_NO : EXIT_DAEMON, text_of(error, "code"),
			       text_of(error, "message"), text_of(error, "what_to_do"));
	json_decref(answer);
	return NULL;
}

bool url_escape(char *out, size_t size, const char *arg)
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

// SPDX-License-Identifier: GPL-2.0-or-later
/* The control API's server, and the requests that wait. */
#include "engine/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "engine/ask.h"
#include "engine/contents.h"
#include "lib/log.h"
#include "lib/util.h"

#define CONNECTIONS 32			/* so many may wait, too */
#define CONNECTION_MEMORY (16u << 10)	/* a request's head that is longer is refused */
#define CONNECTION_SECONDS 30
#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"	/* Prometheus's exposition format */
#define LOOK_NS (60 * NS_PER_S)
#define LOOKERS 64

struct control {
	struct engine *e;
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	TAILQ_HEAD(, ask) waiting;
	struct looker {
		char guest[ASK_ARG_MAX];
		uint32_t uid;
		uint64_t noted;		/* 0: none */
	} lookers[LOOKERS];
	unsigned next_looker;
};

/* ---- answers ---- */

void ask_fail_as(struct ask *a, unsigned code, const char *name, const char *message,
		 const char *what_to_do)
{
	a->code = code;
	a->answer = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", name,
			      "message", message, "what_to_do", what_to_do);
}

void ask_fail(struct ask *a, unsigned code, const char *message, const char *what_to_do)
{
	static const struct {
		unsigned code;
		const char *name;
	} names[] = {
		{ 400, "bad_request" }, { 403, "forbidden" }, { 404, "not_found" },
		{ 405, "method_not_allowed" }, { 409, "conflict" }, { 413, "too_large" },
		{ 503, "unavailable" }, { 504, "timeout" },
	};
	const char *name = "internal";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			name = names[i].name;
	ask_fail_as(a, code, name, message, what_to_do);
}

void ask_answer(struct ask *a, unsigned code, json_t *answer)
{
	if (!answer) {
		ask_fail(a, 500, "the journal cannot be read", "see the daemon's log");
		return;
	}
	a->code = code;
	a->answer = answer;
}

void ask_text(struct ask *a, char *text)
{
	if (!text) {
		ask_fail(a, 500, "no memory", "ask again in a moment");
		return;
	}
	a->code = 200;
	a->text_answer = text;
}

const char *ask_query(struct ask *a, const char *name)
{
	return MHD_lookup_connection_value(a->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* ---- waiting ---- */

void ask_wait(struct ask *a, uint64_t ticket, uint64_t ns)
{
	a->waits = a->waited = true;
	a->ticket = ticket;
	a->deadline = now_mono() + ns;
	TAILQ_INSERT_TAIL(&a->control->waiting, a, entry);
	MHD_suspend_connection(a->connection);
}

struct ask *ask_find(struct control *c, uint64_t ticket)
{
	struct ask *a;

	TAILQ_FOREACH(a, &c->waiting, entry)
		if (a->ticket == ticket)
			return a;
	return NULL;
}

void ask_go_on(struct ask *a)
{
	TAILQ_REMOVE(&a->control->waiting, a, entry);
	a->waits = false;
	MHD_resume_connection(a->connection);
}

static void is_late(struct ask *a)
{
	if (a->late)
		a->late(a);
	else
		ask_fail(a, 504, "no answer in time",
			 "it may still be done: look at the guest, the order or wardenctl status");
	ask_go_on(a);
}

uint64_t control_pump(struct control *c, uint64_t now)
{
	struct ask *a, *next;
	uint64_t due = NEVER;
	MHD_UNSIGNED_LONG_LONG ms;

	for (a = TAILQ_FIRST(&c->waiting); a; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->step)
			a->step(a);
		else if (now >= a->deadline)
			is_late(a);
	}
	MHD_run(c->daemon);
	TAILQ_FOREACH(a, &c->waiting, entry)
		due = MIN(due, a->step ? now : a->deadline);
	if (MHD_get_timeout(c->daemon, &ms) == MHD_YES)
		due = MIN(due, now + ms * NS_PER_MS);
	return due;
}

/* ---- one request ---- */

static enum MHD_Result respond(struct ask *a)
{
	const char *type = a->text_answer ? TEXT_TYPE : "application/json";
	char *text = a->text_answer ?: json_dumps(a->answer, JSON_COMPACT);
	struct MHD_Response *response;
	enum MHD_Result ret;

	a->text_answer = NULL;
	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", type);
	ret = MHD_queue_response(a->connection, a->code, response);
	MHD_destroy_response(response);
	return ret;
}

static void know_peer(struct ask *a)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(a->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer = { .uid = UINT32_MAX };
	socklen_t size = sizeof(peer);

	if (info)
		getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	a->uid = peer.uid;
	a->pid = peer.pid;
}

static struct ask *new_ask(struct control *c, struct MHD_Connection *connection,
			   const char *method, const char *url)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->control = c;
	a->e = c->e;
	a->connection = connection;
	a->route = route_find(a, method, url);
	know_peer(a);
	return a;
}

static void take_body(struct ask *a, const char *body, size_t size)
{
	if (size > BODY_MAX - a->len) {
		a->too_large = true;
		return;
	}
	memcpy(a->text + a->len, body, size);
	a->len += size;
}

/* Who asked for what.  Not in the journal: not done. */
static bool note_operator(struct ask *a, const char *url)
{
	char path[256], query[1200];
	json_t *detail;

	text_escape(path, sizeof(path), url, strlen(url));
	detail = json_pack("{s:s,s:s,s:I,s:I}", "method", a->route->method, "path", path,
			   "user", (json_int_t)a->uid, "process", (json_int_t)a->pid);
	if (a->body.given & BODY_REASON)
		json_object_set_new(detail, "reason", json_string(a->body.reason));
	if (a->body.given & BODY_PID)
		json_object_set_new(detail, "pid", json_integer(a->body.pid));
	if (a->body.given & BODY_LEVEL)
		json_object_set_new(detail, "level", json_string(a->body.level));
	if (a->body.given & BODY_NAME)
		json_object_set_new(detail, "name", json_string(a->body.name));
	if (contents_asks(a)) {
		contents_query(a, query, sizeof(query));
		json_object_set_new(detail, "query", json_string(query));
	}
	a->noted = record_event(&a->e->journal, "operator", 0, 0, 0, detail);
	engine_flush_soon(a->e);
	if (a->noted > 0)
		return true;
	ask_fail(a, 503, "the journal cannot be written, and nothing is done that is not in it",
		 "make room on the disk under the journal; see wardenctl status");
	return false;
}

/*
 * Who looks into a guest is in the journal.  A list that is shown anew every
 * second by the same user is there once a minute.
 */
static bool is_noted(struct ask *a)
{
	struct control *c = a->control;
	uint64_t now = now_mono();
	struct looker *l = c->lookers;

	if (a->route->run != get_tasks)
		return false;
	while (l < c->lookers + LOOKERS && (l->uid != a->uid || strcmp(l->guest, a->arg[0])))
		l++;
	if (l == c->lookers + LOOKERS)
		l = &c->lookers[c->next_looker++ % LOOKERS];
	else if (l->noted && now - l->noted < LOOK_NS)
		return true;
	l->uid = a->uid;
	l->noted = now;
	strcpy(l->guest, a->arg[0]);
	return false;
}

static bool note_look(struct ask *a, const char *url)
{
	bool looks = a->route->run == get_tasks || asks_rows(a) || contents_asks(a);

	return !looks || is_noted(a) || note_operator(a, url);
}

static bool may_run(struct ask *a, const char *url)
{
	if (a->waited)
		return true;
	if (!strcmp(a->route->method, "GET"))
		return note_look(a, url);
	return body_parse(a) && note_operator(a, url);
}

static void run(struct ask *a, const char *url)
{
	if (a->too_large)
		ask_fail(a, 413, "the body is longer than 4096 bytes", "send less");
	else if (may_run(a, url))
		a->route->run(a);
}

/* Called for a request's head, for its body, then (and after each wait) to answer it. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *body, size_t *body_size, void **state)
{
	struct ask *a = *state;

	if (!a) {
		*state = new_ask(user, connection, method, url);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*body_size) {
		take_body(a, body, *body_size);
		*body_size = 0;
		return MHD_YES;
	}
	if (!a->answer)
		run(a, url);
	if (a->waits)
		return MHD_YES;
	if (contents_ready(a))
		return contents_respond(a);
	return a->answer || a->text_answer ? respond(a) : MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct control *c = user;
	struct ask *a = *state;

	if (!a)
		return;
	if (a->waits)
		TAILQ_REMOVE(&c->waiting, a, entry);
	journal_verify_end(&a->verify);
	contents_end(a);
	json_decref(a->answer);
	free(a->text_answer);
	free(a);
	*state = NULL;
}

/* ---- the server ---- */

/* The pump runs after every event, and does the work. */
static int on_http(sd_event_source *source, int fd, uint32_t events, void *user)
{
	return 0;
}

static struct MHD_Daemon *start_server(struct control *c, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, c,
		MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, c,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_SECONDS,
		MHD_OPTION_END);
}

struct control *control_open(struct engine *e)
{
	struct control *c = calloc(1, sizeof(*c));
	const union MHD_DaemonInfo *info;
	int fd = control_socket(e->config.run_dir, e->config.control_group);

	if (!c)
		fatal("no memory for the control API");
	c->e = e;
	TAILQ_INIT(&c->waiting);
	c->daemon = start_server(c, fd);
	if (!c->daemon)
		fatal("the control API's server does not start");
	info = MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (!info || sd_event_add_io(e->event, &c->io, info->epoll_fd, EPOLLIN, on_http, c) < 0)
		fatal("the control API's server cannot be watched");
	/* Operators look when there is time; a guest's events come first. */
	sd_event_source_set_priority(c->io, 10);
	return c;
}

void control_close(struct control *c)
{
	struct ask *a;

	while ((a = TAILQ_FIRST(&c->waiting))) {
		if (!a->answer)
			ask_fail(a, 503, "the daemon ends", "ask again when it is up");
		ask_go_on(a);
	}
	sd_event_source_disable_unref(c->io);
	MHD_stop_daemon(c->daemon);
	free(c);
}

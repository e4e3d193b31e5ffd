// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/control.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/log.h"
#include "lib/util.h"

#define CONNECTIONS 32
#define CONNECTION_MEMORY (16u << 10)	/* a request that is longer is refused */
#define CONNECTION_SECONDS 30
#define TASKS_FRESH_NS (5 * NS_PER_S)
#define SWEEP_PATIENCE_NS (10 * NS_PER_S)
#define VERIFY_ROWS 2000		/* in one turn of the engine's loop */

/* A request in the work; suspended while it waits for a sweep or verifies. */
struct request_ctx {
	TAILQ_ENTRY(request_ctx) entry;
	struct MHD_Connection *connection;
	enum { NOT_WAITING, WAIT_SWEEP, WAIT_VERIFY } waits;
	bool waited;
	uint64_t guest, deadline, asked;
	struct journal_verify verify;
	unsigned code;
	json_t *answer;
};

struct control {
	struct engine *e;
	struct MHD_Daemon *daemon;
	sd_event_source *io;
	TAILQ_HEAD(, request_ctx) waiting;
};

static void fail(struct request_ctx *r, unsigned code, const char *message, const char *what)
{
	static const struct {
		unsigned code;
		const char *name;
	} names[] = {
		{ 400, "bad_request" }, { 404, "not_found" }, { 405, "method_not_allowed" },
		{ 409, "ambiguous" }, { 500, "internal" }, { 503, "unavailable" },
	};
	const char *name = "error";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			name = names[i].name;
	r->code = code;
	r->answer = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", name,
			      "message", message, "what_to_do", what);
}

static void succeed(struct request_ctx *r, json_t *answer)
{
	if (!answer) {
		fail(r, 500, "the journal cannot be read", "see the daemon's log");
		return;
	}
	r->code = 200;
	r->answer = answer;
}

static void wait_for(struct control *c, struct request_ctx *r, int what)
{
	r->waits = what;
	r->waited = true;
	TAILQ_INSERT_TAIL(&c->waiting, r, entry);
	MHD_suspend_connection(r->connection);
}

static void go_on(struct control *c, struct request_ctx *r)
{
	TAILQ_REMOVE(&c->waiting, r, entry);
	r->waits = NOT_WAITING;
	MHD_resume_connection(r->connection);
}

/* ---- routes: set an answer, or wait ---- */

static void get_status(struct control *c, struct request_ctx *r, const char *arg)
{
	succeed(r, view_status(c->e));
}

static void get_guests(struct control *c, struct request_ctx *r, const char *arg)
{
	succeed(r, view_guests(c->e));
}

static struct guest *wanted_guest(struct control *c, struct request_ctx *r, const char *text)
{
	bool many;
	struct guest *g = view_find_guest(c->e, text, &many);

	if (!g && many)
		fail(r, 409, "several guests have that name", "name it by its id");
	else if (!g)
		fail(r, 404, "no such guest", "GET /v1/guests lists those that are known");
	return g;
}

static void get_guest(struct control *c, struct request_ctx *r, const char *arg)
{
	struct guest *g = wanted_guest(c, r, arg);

	if (g)
		succeed(r, view_guest(c->e, g));
}

static bool is_fresh(const struct guest *g, uint64_t now)
{
	return g->sweep_ended && now - g->sweep_began < TASKS_FRESH_NS;
}

static void get_tasks(struct control *c, struct request_ctx *r, const char *arg)
{
	struct guest *g = wanted_guest(c, r, arg);
	uint64_t now = now_mono();

	if (!g)
		return;
	if (g->kernel.state != KERNEL_READY && !g->inventory.ntasks) {
		fail(r, 503, g->kernel.state == KERNEL_UNOBSERVABLE ? g->kernel.why :
		     "the guest's kernel is not found yet", "see GET /v1/guests");
		return;
	}
	if (r->waited || is_fresh(g, now) || g->introspector.fd < 0) {
		succeed(r, view_tasks(c->e, g));
		return;
	}
	guest_sweep_soon(g, now);
	r->guest = g->id;
	r->asked = now;
	r->deadline = now + SWEEP_PATIENCE_NS;
	wait_for(c, r, WAIT_SWEEP);
}

static void get_findings(struct control *c, struct request_ctx *r, const char *arg)
{
	const char *guest = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "guest");
	const char *limit = MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, "limit");
	uint64_t n = 200;
	bool many;
	json_t *answer;

	if (limit && (!parse_u64(limit, 5000, &n) || !n)) {
		fail(r, 400, "limit must be a number from 1 to 5000", "correct it");
		return;
	}
	answer = view_findings(c->e, guest, n);
	if (answer && guest && !json_array_size(json_object_get(answer, "findings")) &&
	    !view_find_guest(c->e, guest, &many) && !many) {
		json_decref(answer);
		fail(r, 404, "no such guest", "GET /v1/guests lists those that are known");
		return;
	}
	succeed(r, answer);
}

static void get_finding(struct control *c, struct request_ctx *r, const char *arg)
{
	uint64_t id;
	json_t *answer;

	if (!parse_u64(arg, INT64_MAX, &id)) {
		fail(r, 400, "a finding's id is a number", "GET /v1/findings lists them");
		return;
	}
	answer = view_finding(c->e, id);
	if (answer && json_is_null(answer)) {
		json_decref(answer);
		fail(r, 404, "no such finding", "GET /v1/findings lists them");
		return;
	}
	succeed(r, answer);
}

static void get_verify(struct control *c, struct request_ctx *r, const char *arg)
{
	if (journal_verify_begin(&r->verify, &c->e->journal)) {
		journal_verify_end(&r->verify);
		succeed(r, NULL);
		return;
	}
	wait_for(c, r, WAIT_VERIFY);
}

/* "*" stands for one segment of the path, which the function gets. */
static const struct route {
	const char *head, *tail;
	bool has_arg;
	void (*get)(struct control *c, struct request_ctx *r, const char *arg);
} routes[] = {
	{ "/v1/status", "", false, get_status },
	{ "/v1/guests", "", false, get_guests },
	{ "/v1/guests/", "/tasks", true, get_tasks },
	{ "/v1/guests/", "", true, get_guest },
	{ "/v1/findings", "", false, get_findings },
	{ "/v1/findings/", "", true, get_finding },
	{ "/v1/journal/verify", "", false, get_verify },
};

static bool route_matches(const struct route *route, const char *url, char *arg, size_t size)
{
	size_t head = strlen(route->head), tail = strlen(route->tail), len = strlen(url);

	if (!route->has_arg)
		return !strcmp(url, route->head);
	if (len <= head + tail || len - head - tail >= size || strncmp(url, route->head, head) ||
	    strcmp(url + len - tail, route->tail))
		return false;
	memcpy(arg, url + head, len - head - tail);
	arg[len - head - tail] = '\0';
	return true;
}

static void dispatch(struct control *c, struct request_ctx *r, const char *url)
{
	char arg[TEXT_NAME + 16];

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!route_matches(&routes[i], url, arg, sizeof(arg)))
			continue;
		routes[i].get(c, r, arg);
		return;
	}
	fail(r, 404, "no such resource", "the resources are named in wardenctl(1)");
}

/* ---- the server ---- */

static enum MHD_Result respond(struct request_ctx *r)
{
	char *text = json_dumps(r->answer, JSON_COMPACT);
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, "Content-Type", "application/json");
	ret = MHD_queue_response(r->connection, r->code, response);
	MHD_destroy_response(response);
	return ret;
}

/* Called for a request's head, then (and after each wait) to answer it. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection,
				  const char *url, const char *method, const char *version,
				  const char *body, size_t *body_size, void **state)
{
	struct control *c = user;
	struct request_ctx *r = *state;

	if (!r) {
		r = calloc(1, sizeof(*r));
		if (!r)
			return MHD_NO;
		r->connection = connection;
		*state = r;
		if (!strcmp(method, "GET"))
			return MHD_YES;
		fail(r, 405, "only GET is served", "this API changes nothing");
		return respond(r);
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	if (!r->answer)
		dispatch(c, r, url);
	if (r->waits)
		return MHD_YES;
	return r->answer ? respond(r) : MHD_NO;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct control *c = user;
	struct request_ctx *r = *state;

	if (!r)
		return;
	if (r->waits)
		TAILQ_REMOVE(&c->waiting, r, entry);
	journal_verify_end(&r->verify);
	json_decref(r->answer);
	free(r);
	*state = NULL;
}

static bool sweep_is_over(struct control *c, const struct request_ctx *r, uint64_t now)
{
	struct guest *g = guest_find(c->e, r->guest);

	return !g || now >= r->deadline || g->introspector.fd < 0 ||
	       (g->sweep_began >= r->asked && g->sweep_ended >= g->sweep_began);
}

static void verify_on(struct control *c, struct request_ctx *r)
{
	enum verify_state state = journal_verify_step(&r->verify, VERIFY_ROWS);

	if (state == VERIFY_MORE)
		return;
	succeed(r, view_verified(c->e, &r->verify, state));
	go_on(c, r);
}

uint64_t control_pump(struct control *c, uint64_t now)
{
	struct request_ctx *r, *next;
	uint64_t due = NEVER;
	MHD_UNSIGNED_LONG_LONG ms;

	for (r = TAILQ_FIRST(&c->waiting); r; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->waits == WAIT_VERIFY)
			verify_on(c, r);
		else if (sweep_is_over(c, r, now))
			go_on(c, r);
	}
	MHD_run(c->daemon);
	TAILQ_FOREACH(r, &c->waiting, entry)
		due = MIN(due, r->waits == WAIT_VERIFY ? now : r->deadline);
	if (MHD_get_timeout(c->daemon, &ms) == MHD_YES)
		due = MIN(due, now + ms * NS_PER_MS);
	return due;
}

/* The pump runs after every event, and does the work. */
static int on_http(sd_event_source *source, int fd, uint32_t events, void *user)
{
	return 0;
}

static int set_group(const char *path, const char *name)
{
	struct group *group = getgrnam(name);

	if (!group) {
		log_warn("group %s does not exist: %s is for root alone", name, path);
		return 0;
	}
	return chown(path, 0, group->gr_gid);
}

static int bind_socket(const char *run_dir, const char *group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if (mkdir(run_dir, 0755) && errno != EEXIST)
		return -1;
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock",
			     run_dir) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	unlink(address.sun_path);
	mask = umask(0777);	/* nobody connects before it has its group */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (fd < 0 || r || set_group(address.sun_path, group) ||
	    chmod(address.sun_path, 0660) || listen(fd, CONNECTIONS))
		return -1;
	return util_steal_fd(&fd);
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
	int fd = bind_socket(e->config.run_dir, e->config.control_group);

	if (!c || fd < 0)
		fatal("%s/control.sock: %s", e->config.run_dir, strerror(errno));
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
	struct request_ctx *r;

	while ((r = TAILQ_FIRST(&c->waiting)))
		go_on(c, r);
	sd_event_source_disable_unref(c->io);
	MHD_stop_daemon(c->daemon);
	free(c);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "introspect/beacon.h"
#include "introspect/check.h"
#include "introspect/content.h"
#include "introspect/contents.h"
#include "introspect/kerneltell.h"
#include "introspect/mappings.h"
#include "introspect/post.h"
#include "introspect/process.h"
#include "lib/log.h"
#include "lib/util.h"

#define RETRY_MS 500
/*
 * Reads of the guest are timed.  For a guest that has found other work for us:
 * past this between two messages SIGALRM ends the role; the parent starts it again.
 */
#define WATCHDOG_SECONDS 150

/* How long the engine takes is no guest's doing. */
static void send_to_engine(const struct msg_schema *schema, uint64_t id, const void *value, int fd)
{
	int r;

	alarm(0);
	r = engine_post(ROLE_FD, schema, id, value, fd);
	if (r)
		fatal("the engine does not listen: %s", strerror(-r));
	alarm(WATCHDOG_SECONDS);
}

static void post(const struct role *role, const struct msg_schema *schema, const void *value, int fd)
{
	send_to_engine(schema, role->id, value, fd);
}

static int post_task(void *ctx, const struct m_task *task)
{
	post(ctx, &msg_task, task, -1);
	return 0;
}

static int post_object(void *ctx, const struct m_object *object, int fd)
{
	post(ctx, &msg_object, object, fd);
	return 0;
}

static int post_uses(void *ctx, const struct m_uses *uses)
{
	post(ctx, &msg_uses, uses, -1);
	return 0;
}

static int post_vma(void *ctx, const struct m_vma *vma)
{
	post(ctx, &msg_vma, vma, -1);
	return 0;
}

static int post_fact(void *ctx, const struct m_fact *fact)
{
	post(ctx, &msg_fact, fact, -1);
	return 0;
}

static int post_kernel_facts(void *ctx, const struct m_kernel_facts *facts)
{
	post(ctx, &msg_kernel_facts, facts, -1);
	return 0;
}

static int post_module(void *ctx, const struct m_module *module)
{
	post(ctx, &msg_module, module, -1);
	return 0;
}

static int post_sign(void *ctx, const struct m_sign *sign)
{
	post(ctx, &msg_sign, sign, -1);
	return 0;
}

static int post_checked(void *ctx, const struct m_checked *checked)
{
	post(ctx, &msg_checked, checked, -1);
	return 0;
}

static int post_inode(void *ctx, const struct m_inode *inode)
{
	post(ctx, &msg_inode, inode, -1);
	return 0;
}

static void post_missing(void *ctx, const struct m_missing *missing)
{
	post(ctx, &msg_missing, missing, -1);
}

/* Tells the engine about the kernel whenever that is news. */
static bool ready(struct role *role)
{
	bool changed, usable = introspector_ready(&role->in, &changed);

	if (changed)
		send_to_engine(&msg_kernel, 0, &role->in.state, -1);
	if (usable)
		watches_set(&role->watches, &role->in.kernel);
	else
		watches_end(&role->watches);
	return usable;
}

/* ---- requests that end in DONE: each false if it is malformed ---- */

static bool run_look(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_look look;

	if (!msg_decode(m, &msg_look, &look))
		return false;
	if (ready(role))
		look_at_cr3(&role->in, look.cr3, &role->sink, ret_done);
	return true;
}

static bool run_sweep(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_sweep sweep;

	if (!msg_decode(m, &msg_sweep, &sweep))
		return false;
	if (ready(role))
		look_at_all(&role->in, sweep.resend, &role->sink, ret_done);
	return true;
}

static bool run_list(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_list list;

	if (!msg_decode(m, &msg_list, &list) || list.flags)
		return false;
	if (ready(role))
		look_list(&role->in, &role->sink, ret_done);
	return true;
}

static bool run_look_pid(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_look_pid look;

	if (!msg_decode(m, &msg_look_pid, &look))
		return false;
	if (ready(role))
		look_at_pid(&role->in, look.pid, look.start_ns, look.resend, &role->sink, ret_done);
	return true;
}

static bool run_maps(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_maps maps;

	if (!msg_decode(m, &msg_maps, &maps))
		return false;
	if (ready(role))
		mappings_list(&role->in, maps.pid, maps.start_ns, post_vma, role, ret_done);
	return true;
}

static bool run_process(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_process process;

	if (!msg_decode(m, &msg_process, &process))
		return false;
	if (ready(role))
		process_tell(&role->in, &process, post_fact, role, ret_done);
	return true;
}

static bool run_tell_kernel(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	const struct kernel_sink sink = { post_kernel_facts, post_module, role };
	struct m_tell_kernel tell;

	if (!msg_decode(m, &msg_tell_kernel, &tell) || tell.flags)
		return false;
	if (ready(role))
		kernel_tell(&role->in, &sink, ret_done);
	return true;
}

static bool run_files(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	struct m_files files;

	if (!msg_decode(m, &msg_files, &files))
		return false;
	if (ready(role))
		files_tell(&role->in, files.all, post_inode, role, ret_done);
	return true;
}

/* An output of our own that fails is no guest's doing, and no answer. */
static void extract(struct role *role, const struct m_extract *ask, struct m_done *ret_done)
{
	static struct m_content content;
	autofd int fd = content_create(0);
	const struct content_sink sink = { fd, post_missing, role };
	int r = fd < 0 ? fd : content_tell(&role->in, ask, &sink, &content, ret_done);

	if (!r && ret_done->status <= DONE_INCOMPLETE) {
		r = content_seal(fd);
		if (!r)
			post(role, &msg_content, &content, fd);
	}
	if (!r)
		return;
	*ret_done = (struct m_done){ .status = DONE_NOT_FOUND };
	snprintf(ret_done->why, sizeof(ret_done->why), "there is no room for it: %s", strerror(-r));
}

static bool run_extract(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	static struct m_extract ask;

	if (!msg_decode(m, &msg_extract, &ask) || !ask.what || ask.what > EXTRACT_INODE ||
	    (ask.what == EXTRACT_MEMORY && (!ask.length || ask.length > CONTENT_READ_MAX ||
					    ask.address + ask.length - 1 < ask.address)))
		return false;
	if (ready(role))
		extract(role, &ask, ret_done);
	return true;
}

static bool run_check(struct role *role, const struct msg *m, struct m_done *ret_done)
{
	const struct check_sink sink = { post_sign, role };
	struct m_check check;

	if (!msg_decode(m, &msg_check, &check))
		return false;
	/* What is written to the kernel is content, as the kernel's own check is. */
	role->watches.wanted = role->watch_tables && (check.checks & CHECK_KERNEL);
	if (!ready(role))
		return true;
	check_all(&role->in, check.checks, &sink, post_checked);
	ret_done->status = DONE_COMPLETE;
	return true;
}

/* ---- requests with an answer of their own ---- */

static bool serve_probe(struct role *role, const struct msg *m)
{
	struct m_probed probed;
	struct m_probe probe;

	if (!msg_decode(m, &msg_probe, &probe))
		return false;
	if (ready(role)) {
		probe_task(&role->in, probe.pid, probe.start_ns, &probed);
	} else {
		probed = (struct m_probed){
			.pid = probe.pid, .start_ns = probe.start_ns, .state = PROBE_UNKNOWN,
		};
		snprintf(probed.why, sizeof(probed.why), "%s", role->in.state.why);
	}
	post(role, &msg_probed, &probed, -1);
	return true;
}

static bool serve_beacon(struct role *role, const struct msg *m)
{
	struct m_beacon_seen seen = { .state = BEACON_UNKNOWN };
	struct m_beacon beacon;

	if (!msg_decode(m, &msg_beacon, &beacon))
		return false;
	if (ready(role))
		beacon_look(&role->in, &beacon, &seen);
	else
		snprintf(seen.why, sizeof(seen.why), "%s", role->in.state.why);
	post(role, &msg_beacon_seen, &seen, -1);
	return true;
}

static int post_rest_file(void *ctx, const struct m_rest_file *file, int fd)
{
	post(ctx, &msg_rest_file, file, fd);
	return 0;
}

/* A look, an answer, a write to its tables: none of them waits for files that do nothing. */
static bool is_awaited(void *ctx)
{
	struct pollfd fds[] = {
		{ .fd = ROLE_FD, .events = POLLIN },
		{ .fd = ROLE_GUEST_FD, .events = POLLIN },
	};

	return poll(fds, ARRAY_SIZE(fds), 0) > 0;
}

static bool serve_rest(struct role *role, const struct msg *m)
{
	const struct rest_sink sink = { post_rest_file, is_awaited, role };
	struct m_rested rested = { .status = REST_UNAVAILABLE };
	struct m_rest rest;

	if (!msg_decode(m, &msg_rest, &rest))
		return false;
	if (ready(role))
		rest_look(&role->in, &role->rest, &rest, &sink, &rested);
	else
		snprintf(rested.why, sizeof(rested.why), "%s", role->in.state.why);
	post(role, &msg_rested, &rested, -1);
	return true;
}

/* ---- the loop ---- */

static const struct {
	uint32_t type;
	bool (*run)(struct role *role, const struct msg *m, struct m_done *ret_done);
	bool (*serve)(struct role *role, const struct msg *m);
} requests[] = {
	{ M_LOOK, .run = run_look },
	{ M_SWEEP, .run = run_sweep },
	{ M_LIST, .run = run_list },
	{ M_LOOK_PID, .run = run_look_pid },
	{ M_MAPS, .run = run_maps },
	{ M_CHECK, .run = run_check },
	{ M_PROCESS, .run = run_process },
	{ M_TELL_KERNEL, .run = run_tell_kernel },
	{ M_FILES, .run = run_files },
	{ M_EXTRACT, .run = run_extract },
	{ M_PROBE, .serve = serve_probe },
	{ M_BEACON, .serve = serve_beacon },
	{ M_REST, .serve = serve_rest },
};

static bool serve(struct role *role, const struct msg *m)
{
	struct m_done done = { .status = DONE_UNOBSERVABLE };
	size_t i = 0;

	while (i < ARRAY_SIZE(requests) && requests[i].type != m->type)
		i++;
	if (i == ARRAY_SIZE(requests))
		return false;
	role->id = m->id;
	if (requests[i].serve)
		return requests[i].serve(role, m);
	if (!requests[i].run(role, m, &done))
		return false;
	if (done.status == DONE_UNOBSERVABLE)
		snprintf(done.why, sizeof(done.why), "%s", role->in.state.why);
	post(role, &msg_done, &done, -1);
	return true;
}

/* Writes to its tables: nobody asked, so they belong to no request.  False: it is gone. */
static bool tell_writes(struct role *role)
{
	const struct check_sink sink = { post_sign, role };
	int r;

	role->id = 0;
	alarm(WATCHDOG_SECONDS);
	/* A guest that boots anew writes where its tables were: those are none any more. */
	ready(role);
	r = watches_read(&role->watches, &role->in.kernel, &sink);
	alarm(0);
	return !r && !role->in.gone;
}

/*
 * True if something was done, or *ret_request; false once the guest has ended.
 * Until a kernel is found, looks for it meanwhile: the engine waits for that
 * news before it asks for anything.
 */
static bool wait_request(struct role *role, bool *ret_request)
{
	struct pollfd fds[] = {
		{ .fd = ROLE_FD, .events = POLLIN },
		{ .fd = ROLE_GUEST_FD, .events = POLLIN },
	};
	bool found = role->in.state.state == KERNEL_READY;
	int n;

	alarm(0);
	while ((n = poll(fds, ARRAY_SIZE(fds), found ? -1 : RETRY_MS)) <= 0) {
		if (n < 0 && errno != EINTR)
			fatal("poll: %s", strerror(errno));
		if (n == 0) {
			alarm(WATCHDOG_SECONDS);
			found = ready(role);
			alarm(0);
		}
	}
	*ret_request = fds[0].revents;
	if (fds[1].revents && ((fds[1].revents & ~POLLIN) || !tell_writes(role))) {
		log_info("the guest is gone");
		return false;
	}
	return true;
}

void serve_engine(struct role *role)
{
	static struct msg m;
	bool request;

	role->sink = (struct look_sink){ post_task, post_object, post_uses, role };
	role->in.on_sign = post_sign;
	role->in.sign_ctx = role;
	alarm(WATCHDOG_SECONDS);
	ready(role);
	while (!role->in.gone && wait_request(role, &request)) {
		int r;

		if (!request)
			continue;
		r = msg_recv(ROLE_FD, &m, 0);
		if (r == 0)
			return;
		if (r < 0)
			fatal("the engine's socket: %s", strerror(-r));
		msg_release(&m);
		alarm(WATCHDOG_SECONDS);
		if (!serve(role, &m))
			fatal("the engine sent what is no request: type %u", m.type);
	}
}

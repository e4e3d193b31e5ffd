// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-introspect: looks into one guest.  The engine is on descriptor 3, the
 * guest on 4; there is nothing else it could reach.  It serves one request
 * after the other and ends with its engine or its guest.
 */
#include <errno.h>
#include <linux/kvm_warden.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "introspect/look.h"
#include "introspect/post.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_MEMORY (1ull << 30)
#define RETRY_MS 500
/*
 * Reads of the guest are timed.  For a guest that has found other work for us:
 * past this between two messages SIGALRM ends the role; the parent starts it again.
 */
#define WATCHDOG_SECONDS 150

struct role {
	struct introspector in;
	struct guest_memory mem;
	uint64_t id;			/* of the request being answered */
};

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

/* Tells the engine about the kernel whenever that is news. */
static bool ready(struct role *role)
{
	bool changed, usable = introspector_ready(&role->in, &changed);

	if (changed)
		send_to_engine(&msg_kernel, 0, &role->in.state, -1);
	return usable;
}

static void post_not_ready(struct role *role)
{
	struct m_done done = { .status = DONE_UNOBSERVABLE };

	snprintf(done.why, sizeof(done.why), "%s", role->in.state.why);
	post(role, &msg_done, &done, -1);
}

static bool serve_look(struct role *role, const struct msg *m)
{
	const struct look_sink sink = { post_task, post_object, post_uses, role };
	struct m_look look;
	struct m_done done;

	if (!msg_decode(m, &msg_look, &look))
		return false;
	if (!ready(role)) {
		post_not_ready(role);
		return true;
	}
	look_at_cr3(&role->in, look.cr3, &sink, &done);
	post(role, &msg_done, &done, -1);
	return true;
}

static bool serve_sweep(struct role *role, const struct msg *m)
{
	const struct look_sink sink = { post_task, post_object, post_uses, role };
	struct m_sweep sweep;
	struct m_done done;

	if (!msg_decode(m, &msg_sweep, &sweep))
		return false;
	if (!ready(role)) {
		post_not_ready(role);
		return true;
	}
	look_at_all(&role->in, sweep.resend, &sink, &done);
	post(role, &msg_done, &done, -1);
	return true;
}

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

static const struct {
	uint32_t type;
	bool (*serve)(struct role *role, const struct msg *m);
} requests[] = {
	{ M_LOOK, serve_look },
	{ M_SWEEP, serve_sweep },
	{ M_PROBE, serve_probe },
};

static bool serve(struct role *role, const struct msg *m)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].type == m->type) {
			role->id = m->id;
			return requests[i].serve(role, m);
		}
	return false;
}

/*
 * True if there is a request; false once the engine or the guest has ended.
 * Until a kernel is found, looks for it meanwhile: the engine waits for that
 * news before it asks for anything.
 */
static bool wait_request(struct role *role)
{
	struct pollfd fds[] = {
		{ .fd = ROLE_FD, .events = POLLIN },
		{ .fd = ROLE_GUEST_FD },
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
	if (fds[1].revents) {
		log_info("the guest is gone");
		return false;
	}
	return true;
}

static void serve_all(struct role *role)
{
	static struct msg m;

	while (!role->in.gone && wait_request(role)) {
		int r = msg_recv(ROLE_FD, &m, 0);

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

/* Whatever was inherited: the watchdog must bite. */
static void free_watchdog(void)
{
	sigset_t alarm_only;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
}

static void enter_sandbox(void)
{
	static const int calls[] = {
		SYS_memfd_create, SYS_ftruncate, SYS_pwrite64, SYS_alarm,
	};
	static const unsigned ioctls[] = {
		KVM_WARDEN_READ, KVM_WARDEN_REGS, KVM_WARDEN_MEMSLOTS,
	};
	const struct sandbox box = {
		.syscalls = calls,
		.nsyscalls = ARRAY_SIZE(calls),
		.ioctls = ioctls,
		.nioctls = ARRAY_SIZE(ioctls),
		.max_memory = MAX_MEMORY,
		.max_file = (uint64_t)MAX_FILE_PAGES * FRAME_SIZE,
		.max_files = 16,
		.die_with_parent = true,
	};

	if (sandbox_apply(&box))
		fatal("no sandbox, no service");
}

int main(void)
{
	static struct role role;
	int r;

	log_open("warden-introspect", false);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	r = memory_open_guest(&role.mem, ROLE_GUEST_FD);
	if (r)
		fatal("the guest's descriptor: %s", strerror(-r));
	r = introspector_init(&role.in, &role.mem);
	if (r)
		fatal("start: %s", strerror(-r));
	free_watchdog();
	enter_sandbox();
	alarm(WATCHDOG_SECONDS);
	ready(&role);
	serve_all(&role);
	return 0;
}

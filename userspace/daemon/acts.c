// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/acts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/device.h"
#include "daemon/hung.h"
#include "daemon/monitor.h"
#include "daemon/spawn.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define MAX_ACTS 1024		/* waiting and under way, of those that monitors are asked for */
#define MAX_RUNNING 32		/* processes at a time */
#define CHILD_US 9000000ull	/* above what warden-qmp gives itself */
/* With CHILD_US it is less than the engine waits, which must not give up what is done then. */
#define WAIT_US 50000000ull

/* How a VMM is ended: each step when the one before came to nothing. */
static const struct ending {
	const char *name;
	int signal;
	uint64_t wait_us;
} endings[] = {
	{ "quit", 0, 5000000 },
	{ "SIGTERM", SIGTERM, 5000000 },
	{ "SIGKILL", SIGKILL, 10000000 },
};

struct act {
	struct act *next;
	struct acts *acts;
	uint64_t id, started;		/* us */
	struct m_act what;
	struct vmm vmm;			/* pidfd of our own */
	bool running;
	bool forgotten;			/* by an engine that is no more */
	pid_t child;
	int sock;			/* the child's answer */
	size_t ending;			/* HOST_POWER_OFF */
	sd_event_source *on_child, *on_time, *on_exit;
};

struct acts {
	sd_event *loop;
	int device;
	const struct config *config;
	const char *config_path;
	struct acts_hooks hooks;
	struct act *list;		/* in the order they came */
	unsigned n, running;
};

static void pump(struct acts *acts);

/* ---- answers ---- */

static void stop_waiting(struct act *a)
{
	a->on_child = sd_event_source_disable_unref(a->on_child);
	a->on_time = sd_event_source_disable_unref(a->on_time);
	a->on_exit = sd_event_source_disable_unref(a->on_exit);
}

/* Where nobody waits for its end any more. */
static void leave_child(struct act *a)
{
	stop_waiting(a);
	if (a->child > 0)
		hung_add(a->child, a->vmm.pid);
	a->child = 0;
}

static void act_free(struct act *a)
{
	struct act **at = &a->acts->list;

	while (*at != a)
		at = &(*at)->next;
	*at = a->next;
	a->acts->n--;
	a->acts->running -= a->running;
	stop_waiting(a);
	if (a->sock >= 0)
		close(a->sock);
	if (a->vmm.pidfd >= 0)
		close(a->vmm.pidfd);
	free(a);
}

static void end(struct act *a, struct m_acted *acted)
{
	acted->elapsed_us = now_us() - a->started;
	log_info("guest %llu: %s: %s%s%s", (unsigned long long)a->what.guest,
		 host_verb_name(a->what.verb), acted->status == ACT_DONE ? "done" : "not done",
		 acted->detail[0] ? ": " : "", acted->detail);
	if (!a->forgotten)
		a->acts->hooks.answer(a->acts->hooks.arg, a->id, acted);
	act_free(a);
}

static void __attribute__((format(printf, 3, 4)))
finish(struct act *a, enum act_status status, const char *format, ...)
{
	struct m_acted acted = { .status = status };
	va_list args;

	va_start(args, format);
	vsnprintf(acted.detail, sizeof(acted.detail), format, args);
	va_end(args);
	end(a, &acted);
}

/* ---- by the module ---- */

static void contain(struct act *a)
{
	int r = device_contain(a->acts->device, a->what.guest, a->what.expiry_ms);

	if (!r)
		finish(a, ACT_DONE, "every vCPU is stopped");
	else if (r == -ENOENT)
		finish(a, ACT_NO_GUEST, "the guest is gone");
	else
		finish(a, ACT_FAILED, "the module refuses: %s%s", strerror(-r), r == -ESHUTDOWN ?
		       " (its hooks are off: echo 1 >/sys/kernel/kvm_warden/enabled)" : "");
}

static void release(struct act *a)
{
	int r = device_release(a->acts->device, a->what.guest);

	/* The guest is there, as was seen just now. */
	if (!r || r == -ENOENT)
		finish(a, ACT_DONE, r ? "was not contained" : "runs again");
	else
		finish(a, ACT_FAILED, "the module refuses: %s", strerror(-r));
}

static void set_level(struct act *a)
{
	int r = device_set_level(a->what.guest, a->what.verb - HOST_LEVEL_OFF);

	if (!r)
		finish(a, ACT_DONE, "the module has it");
	else if (r == -ENOENT)
		finish(a, ACT_NO_GUEST, "the module shows no such guest in sysfs, or not yet");
	else
		finish(a, ACT_FAILED, "/sys/kernel/kvm_warden/guests/%llu/level: %s",
		       (unsigned long long)a->what.guest, strerror(-r));
}

/* ---- the end of a VMM ---- */

static int on_ending_over(sd_event_source *source, uint64_t when, void *arg);

static int on_vmm_exit(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct act *a = arg;
	struct acts *acts = a->acts;

	finish(a, ACT_DONE, "VMM %d has ended (%s)", a->vmm.pid, endings[a->ending].name);
	pump(acts);
	return 0;
}

static bool wait_for_end(struct act *a)
{
	stop_waiting(a);
	return sd_event_add_io(a->acts->loop, &a->on_exit, a->vmm.pidfd, POLLIN,
			       on_vmm_exit, a) >= 0 &&
	       sd_event_add_time_relative(a->acts->loop, &a->on_time, CLOCK_MONOTONIC,
					  endings[a->ending].wait_us, 0, on_ending_over, a) >= 0;
}

/* The pidfd is of that process for ever; that it is still this guest's is asked again. */
static void signal_vmm(struct act *a)
{
	const struct ending *e = &endings[a->ending];
	struct vmm now;

	if (!a->acts->hooks.find(a->acts->hooks.arg, a->what.guest, &now) || now.pid != a->vmm.pid)
		finish(a, ACT_DONE, "the guest is gone");
	else if (now.pidfd < 0)
		finish(a, ACT_FAILED, "VMM %d has ended; a guest that runs on can be contained", a->vmm.pid);
	else if (syscall(SYS_pidfd_send_signal, a->vmm.pidfd, e->signal, NULL, 0) &&
		 errno != ESRCH)
		finish(a, ACT_FAILED, "%s to VMM %d: %s", e->name, a->vmm.pid, strerror(errno));
	else if (!wait_for_end(a))
		finish(a, ACT_FAILED, "the end of VMM %d cannot be waited for", a->vmm.pid);
}

static int on_ending_over(sd_event_source *source, uint64_t when, void *arg)
{
	struct act *a = arg;
	struct acts *acts = a->acts;

	if (++a->ending < ARRAY_SIZE(endings))
		signal_vmm(a);
	else
		finish(a, ACT_FAILED, "VMM %d does not end, even by SIGKILL", a->vmm.pid);
	pump(acts);
	return 0;
}

/* How the monitor took it decides whether there is anything to wait for. */
static void end_vmm(struct act *a, const struct m_acted *quit)
{
	if (quit->status != ACT_DONE) {
		log_info("guest %llu: no quit by the monitor: %s",
			 (unsigned long long)a->what.guest, quit->detail);
		a->ending = 1;
		signal_vmm(a);
	} else if (!wait_for_end(a)) {
		finish(a, ACT_FAILED, "the end of VMM %d cannot be waited for", a->vmm.pid);
	}
}

/* ---- by the monitor ---- */

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * In the child, with the parent's rights, until it becomes warden-qmp.  A VMM
 * that names paths on a file system of its own holds up this child alone.
 */
static noreturn void run_child(const struct act *a, int sock)
{
	struct m_acted acted = { .status = ACT_UNAVAILABLE };
	int fds[1 + VMM_MONITORS] = { sock };
	unsigned n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_keep_only("qmp", (int[]){ sock, a->vmm.pidfd }, 2);
	n = monitor_connect(a->vmm.pid, a->acts->config->qmp, fds + 1, acted.detail);
	/* While it lives its process id is no other's: the sockets are its own. */
	if (n && has_ended(a->vmm.pidfd)) {
		snprintf(acted.detail, sizeof(acted.detail), "VMM %d has ended", a->vmm.pid);
		n = 0;
	}
	if (!n)
		_exit(msg_post(sock, &msg_acted, 0, &acted, -1) ? 1 : 0);
	spawn_exec(a->acts->config->libexec_dir, "qmp", a->acts->config_path,
		   host_verb_name(a->what.verb), fds, 1 + n);
}

static void read_answer(int sock, struct m_acted *ret_acted)
{
	struct msg m;

	*ret_acted = (struct m_acted){ .status = ACT_PARTLY };
	if (msg_recv(sock, &m, MSG_DONTWAIT) != 1) {
		snprintf(ret_acted->detail, sizeof(ret_acted->detail),
			 "warden-qmp ended without an answer, or was ended for taking too long");
		return;
	}
	msg_release(&m);
	if (!msg_decode(&m, &msg_acted, ret_acted) ||
	    ret_acted->status < ACT_DONE || ret_acted->status > ACT_PARTLY) {
		*ret_acted = (struct m_acted){ .status = ACT_PARTLY };
		snprintf(ret_acted->detail, sizeof(ret_acted->detail),
			 "warden-qmp's answer is malformed");
	}
}

static void take_answer(struct act *a, struct m_acted *acted)
{
	if (a->what.verb == HOST_POWER_OFF)
		end_vmm(a, acted);
	else
		end(a, acted);
}

static int on_child_end(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct act *a = arg;
	struct acts *acts = a->acts;
	struct m_acted acted;

	a->child = 0;
	stop_waiting(a);
	read_answer(a->sock, &acted);
	take_answer(a, &acted);
	pump(acts);
	return 0;
}

/* It may not end by SIGKILL, if it waits for a file system of the VMM's: the act does. */
static int on_child_late(sd_event_source *source, uint64_t when, void *arg)
{
	struct act *a = arg;
	struct acts *acts = a->acts;
	struct m_acted acted;

	leave_child(a);
	read_answer(a->sock, &acted);
	take_answer(a, &acted);
	pump(acts);
	return 0;
}

/* For want of means of our own: a VMM that is to end is signalled. */
static void not_asked(struct act *a, const char *why, int error)
{
	struct m_acted acted = { .status = ACT_FAILED };

	snprintf(acted.detail, sizeof(acted.detail), "%s: %s", why, strerror(error));
	take_answer(a, &acted);
}

static unsigned asking(const struct acts *acts, pid_t vmm)
{
	unsigned n = 0;

	for (const struct act *a = acts->list; a; a = a->next)
		n += a->child > 0 && a->vmm.pid == vmm;
	return n;
}

/* A VMM that has let one hang, and has another to let hang, gets no third. */
static bool has_place(const struct act *a)
{
	const unsigned n = asking(a->acts, a->vmm.pid);

	return a->acts->running <= MAX_RUNNING && (!n || n + hung_of(a->vmm.pid) < HUNG_OF_ONE);
}

static void ask_monitor(struct act *a)
{
	sd_event *loop = a->acts->loop;
	int pair[2], error;

	if (a->vmm.pidfd < 0) {
		finish(a, ACT_UNAVAILABLE, "process %d is not certain to be its VMM", a->vmm.pid);
		return;
	}
	if (hung_too_many(a->vmm.pid) || !has_place(a)) {
		not_asked(a, "too many processes ask this VMM, or others, or hang so", EAGAIN);
		return;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		not_asked(a, "no socket", errno);
		return;
	}
	a->sock = pair[0];
	a->child = fork();
	if (a->child == 0)
		run_child(a, pair[1]);
	close(pair[1]);
	if (a->child > 0 &&
	    sd_event_add_child(loop, &a->on_child, a->child, WEXITED, on_child_end, a) >= 0 &&
	    sd_event_add_time_relative(loop, &a->on_time, CLOCK_MONOTONIC, CHILD_US, 0,
				       on_child_late, a) >= 0)
		return;
	error = errno;
	leave_child(a);
	not_asked(a, "no process for it", error);
}

/* ---- the queue ---- */

static void (*const ways[])(struct act *a) = {
	[HOST_CONTAIN] = contain,
	[HOST_RELEASE] = release,
	[HOST_PAUSE] = ask_monitor,
	[HOST_RESUME] = ask_monitor,
	[HOST_LINK_DOWN] = ask_monitor,
	[HOST_LINK_UP] = ask_monitor,
	[HOST_POWER_OFF] = ask_monitor,
	[HOST_LEVEL_OFF] = set_level,
	[HOST_LEVEL_METADATA] = set_level,
	[HOST_LEVEL_CONTENT] = set_level,
};

static void start(struct act *a)
{
	struct vmm vmm;

	a->running = true;
	a->acts->running++;
	if (!a->acts->hooks.find(a->acts->hooks.arg, a->what.guest, &vmm)) {
		finish(a, ACT_NO_GUEST, "the guest is gone");
		return;
	}
	if (a->what.verb != HOST_POWER_OFF && now_us() - a->started > WAIT_US) {
		finish(a, ACT_FAILED, "it waited too long behind others");
		return;
	}
	a->vmm.pid = vmm.pid;
	a->vmm.pidfd = vmm.pidfd >= 0 ? fcntl(vmm.pidfd, F_DUPFD_CLOEXEC, 0) : -1;
	ways[a->what.verb](a);
}

static bool is_monitors(const struct act *a)
{
	return ways[a->what.verb] == ask_monitor;
}

/* Of those that its monitor is asked for: the module's wait for none of them. */
static struct act *first_of(struct acts *acts, uint64_t guest)
{
	struct act *a = acts->list;

	while (a->what.guest != guest || !is_monitors(a))
		a = a->next;
	return a;
}

/* A VMM's end waits for no place: it is brought about without its monitor then. */
static bool may_ask(struct acts *acts, const struct act *a)
{
	return first_of(acts, a->what.guest) == a &&
	       (a->what.verb == HOST_POWER_OFF || (acts->running < MAX_RUNNING && has_place(a)));
}

static bool may_start(struct acts *acts, const struct act *a)
{
	return !a->running && (!is_monitors(a) || may_ask(acts, a));
}

/*
 * Starts what may start; those that end at once make room for others.  The
 * module's acts wait for no VMM, however many of these take their time.
 */
static void pump(struct acts *acts)
{
	struct act *a = acts->list;

	while (a) {
		if (!may_start(acts, a)) {
			a = a->next;
			continue;
		}
		start(a);
		a = acts->list;
	}
}

static void refuse(struct acts *acts, uint64_t id, const char *why)
{
	struct m_acted acted = { .status = ACT_FAILED };

	snprintf(acted.detail, sizeof(acted.detail), "%s", why);
	acts->hooks.answer(acts->hooks.arg, id, &acted);
}

bool acts_take(struct acts *acts, const struct msg *m)
{
	struct act *a, **last = &acts->list;
	struct m_act what;
	struct vmm vmm;

	if (!msg_decode(m, &msg_act, &what) || what.verb >= ARRAY_SIZE(ways) || !ways[what.verb])
		return false;
	a = acts->n < MAX_ACTS || ways[what.verb] != ask_monitor ? calloc(1, sizeof(*a)) : NULL;
	if (!a) {
		refuse(acts, m->id, "too many acts wait already");
		return true;
	}
	*a = (struct act){
		.acts = acts, .id = m->id, .what = what, .started = now_us(),
		.vmm.pidfd = -1, .sock = -1,
	};
	if (acts->hooks.find(acts->hooks.arg, what.guest, &vmm))
		a->vmm.pid = vmm.pid;
	while (*last)
		last = &(*last)->next;
	*last = a;
	acts->n++;
	pump(acts);
	return true;
}

void acts_forget(struct acts *acts)
{
	struct act *a = acts->list, *next;

	for (; a; a = next) {
		next = a->next;
		if (a->running)
			a->forgotten = true;
		else
			act_free(a);
	}
}

/* ---- all ---- */

struct acts *acts_new(sd_event *loop, int device, const struct config *config,
		      const char *config_path, const struct acts_hooks *hooks)
{
	struct acts *acts = calloc(1, sizeof(*acts));

	if (!acts)
		fatal("out of memory");
	*acts = (struct acts){
		.loop = loop, .device = device, .config = config,
		.config_path = config_path, .hooks = *hooks,
	};
	return acts;
}

void acts_free(struct acts *acts)
{
	while (acts->list) {
		struct act *a = acts->list;

		leave_child(a);
		act_free(a);
	}
	free(acts);
}

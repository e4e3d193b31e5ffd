// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/roles.h"

#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/spawn.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define PAUSE_MIN_US 100000ull
#define PAUSE_MAX_US 10000000ull
#define ENGINE_PATIENCE_S 5
#define ENGINE_SILENCE_US 20000000ull
#define ENGINE_STARTS 4u		/* that came to nothing: each doubles that, for the next */
#define STABLE_US 30000000ull	/* ran so long: the next pause is short again */

struct role {
	struct roles *roles;
	struct role *next;
	char name[TEXT_NAME];		/* "engine": executable warden-engine */
	uint64_t guest;			/* introspect: its guest */
	int guest_fd;			/* introspect: passed on; not ours */
	pid_t pid;			/* 0: not running */
	uint64_t started, pause;	/* us */
	bool removed;			/* freed once it has ended */
	sd_event_source *child, *timer;
};

struct roles {
	sd_event *loop;
	const char *libexec_dir, *config_path;
	struct roles_hooks hooks;
	struct role *list;		/* the engine first */
	int engine_sock;		/* -1: the engine is down */
	sd_event_source *engine_source;
	int unread;			/* by the engine, when last seen */
	uint64_t read_at;		/* us: it has read since */
	bool has_read;			/* this engine has */
	unsigned silent_starts;		/* engines in a row that never did */
	bool tried;			/* an engine has run, and ended */
	bool refused;			/* and the last one what it was given */
	bool ending;
};

static void start(struct role *role);
static void start_missing(struct roles *roles);

static bool is_engine(const struct role *role)
{
	return role == role->roles->list;
}

/* ---- telling the engine ---- */

static void end_engine(struct roles *roles, const char *why)
{
	log_err("warden-engine %s: ending it", why);
	if (roles->list->pid > 0)
		kill(roles->list->pid, SIGKILL);
}

void roles_tell_engine(struct roles *roles, const struct msg_schema *schema, uint64_t id,
		       const void *message, int fd)
{
	int r = roles->engine_sock < 0 ? 0 :
		msg_post(roles->engine_sock, schema, id, message, fd);

	if (r == -EAGAIN)
		end_engine(roles, "takes no messages");
	else if (r)
		log_warn("warden-engine takes no %s: %s", schema->name, strerror(-r));
}

static void tell_state(struct role *role, uint32_t state, const char *why, int sock)
{
	struct m_role_state message = { .state = state, .guest = role->guest };

	snprintf(message.role, sizeof(message.role), "%s", role->name);
	text_escape(message.why, sizeof(message.why), why, strlen(why));
	roles_tell_engine(role->roles, &msg_role_state, 0, &message, sock);
}

/* Its end, or that of its socket, is told by its exit. */
static int on_engine_message(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct roles *roles = arg;
	struct msg m;
	int r = msg_recv(fd, &m, MSG_DONTWAIT);

	if (r == -EAGAIN)
		return 0;
	if (r > 0) {
		msg_release(&m);
		if (roles->hooks.engine_asks(roles->hooks.arg, &m))
			return 0;
	}
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (r > 0 || r == -EBADMSG)
		end_engine(roles, "sent what is no request");
	return 0;
}

static void describe_end(const siginfo_t *info, char *out, size_t size)
{
	if (info->si_code == CLD_EXITED)
		snprintf(out, size, "ended with status %d", info->si_status);
	else
		snprintf(out, size, "killed by signal %d (%s)", info->si_status,
			 sigabbrev_np(info->si_status) ?: "?");
}

/* ---- does the engine read? ---- */

/* One that starts may have a journal to mend, on a slow disk. */
static uint64_t patience(const struct roles *roles)
{
	return ENGINE_SILENCE_US << (roles->has_read ? 0 : MIN(roles->silent_starts, ENGINE_STARTS));
}

/*
 * An engine that is only slow always has something unread; one that hangs never
 * has less than it had before.
 */
void roles_watch_engine(struct roles *roles)
{
	struct role *engine = roles->list;
	int unread;

	if (roles->engine_sock < 0 || ioctl(roles->engine_sock, SIOCOUTQ, &unread))
		return;
	if (unread < roles->unread) {
		roles->has_read = true;
		roles->refused = false;
		roles->silent_starts = 0;
	}
	if (!unread || unread < roles->unread)
		roles->read_at = now_us();
	roles->unread = unread;
	if (now_us() - MAX(roles->read_at, engine->started) > patience(roles))
		end_engine(roles, "reads no messages");
}

enum engine_state roles_engine_state(const struct roles *roles)
{
	if (roles->refused)
		return ENGINE_REFUSES;
	if (now_us() - roles->read_at <= ENGINE_SILENCE_US)
		return ENGINE_LIVES;
	return !roles->has_read && roles->silent_starts <= ENGINE_STARTS ? ENGINE_STARTING : ENGINE_SILENT;
}

/* ---- starting ---- */

static noreturn void run(const struct role *role, int sock)
{
	const struct roles *roles = role->roles;
	const int fds[] = { sock, role->guest_fd };

	spawn_exec(roles->libexec_dir, role->name, roles->config_path, NULL,
		   fds, role->guest_fd >= 0 ? 2 : 1);
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *arg);
static int on_pause_over(sd_event_source *source, uint64_t when, void *arg);

static void start_later(struct role *role)
{
	if (now_us() - role->started > STABLE_US)
		role->pause = 0;
	role->pause = role->pause ? MIN(role->pause * 2, PAUSE_MAX_US) : PAUSE_MIN_US;
	role->timer = sd_event_source_disable_unref(role->timer);
	if (sd_event_add_time_relative(role->roles->loop, &role->timer, CLOCK_MONOTONIC,
				       role->pause, 0, on_pause_over, role) < 0)
		fatal("no timer for warden-%s", role->name);
}

/* ours is the end that goes to the engine (or, for the engine, stays here). */
static void announce(struct role *role, int ours)
{
	struct roles *roles = role->roles;

	if (is_engine(role)) {
		roles->engine_sock = ours;
		roles->unread = 0;
		roles->has_read = false;
		if (sd_event_add_io(roles->loop, &roles->engine_source, ours, EPOLLIN,
				    on_engine_message, roles) < 0)
			fatal("cannot wait for the engine");
		roles->hooks.engine_up(roles->hooks.arg, ours);
		start_missing(roles);
	} else if (role->guest) {
		roles->hooks.introspector_up(roles->hooks.arg, role->guest, ours);
	} else {
		tell_state(role, ROLE_UP, "", ours);
		close(ours);
	}
}

static void start(struct role *role)
{
	int pair[2];

	if (!is_engine(role) && role->roles->engine_sock < 0)
		return;	/* the engine's start starts it */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		log_err("warden-%s: no socket: %s", role->name, strerror(errno));
		start_later(role);
		return;
	}
	if (is_engine(role)) {
		const struct timeval patience = { .tv_sec = ENGINE_PATIENCE_S };

		setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	}
	role->started = now_us();
	role->pid = fork();
	if (role->pid == 0)
		run(role, pair[1]);
	close(pair[1]);
	if (role->pid < 0 ||
	    sd_event_add_child(role->roles->loop, &role->child, role->pid, WEXITED, on_end, role) < 0) {
		log_err("warden-%s: cannot start: %s", role->name, strerror(errno));
		role->pid = 0;
		close(pair[0]);
		start_later(role);
		return;
	}
	announce(role, pair[0]);
}

static int on_pause_over(sd_event_source *source, uint64_t when, void *arg)
{
	struct role *role = arg;

	role->timer = sd_event_source_disable_unref(role->timer);
	start(role);
	return 0;
}

static void start_missing(struct roles *roles)
{
	for (struct role *role = roles->list->next; role; role = role->next)
		if (!role->pid && !role->timer && !role->removed)
			start(role);
}

static void engine_ended(struct roles *roles)
{
	roles->engine_source = sd_event_source_disable_unref(roles->engine_source);
	close(roles->engine_sock);
	roles->engine_sock = -1;
	roles->silent_starts += !roles->has_read;
	/* Their sockets are dead.  Most end by themselves; one that hangs would not. */
	for (struct role *role = roles->list->next; role; role = role->next)
		if (role->pid > 0)
			kill(role->pid, SIGKILL);
	roles->hooks.engine_down(roles->hooks.arg);
}

static void unlink_role(struct roles *roles, struct role *role)
{
	struct role **at = &roles->list;

	while (*at && *at != role)
		at = &(*at)->next;
	if (*at)
		*at = role->next;
}

/*
 * The first engine refuses what it was given: its policy, its socket's place.
 * Starting it again would change nothing.  Once one has run, guests are watched,
 * and no mistake in a file shall end that.
 */
static bool refuses(struct role *role, const siginfo_t *info)
{
	struct roles *roles = role->roles;
	bool first = !roles->tried;

	if (!is_engine(role))
		return false;
	roles->tried = true;
	roles->refused = info->si_code == CLD_EXITED && info->si_status == EX_CONFIG;
	return first && roles->refused;
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct role *role = arg;
	char why[TEXT_WHY];

	role->child = sd_event_source_disable_unref(role->child);
	role->pid = 0;
	if (role->removed) {
		unlink_role(role->roles, role);
		free(role);
		return 0;
	}
	if (role->roles->ending)
		return 0;
	describe_end(info, why, sizeof(why));
	if (refuses(role, info)) {
		log_err("warden-engine %s at its first start: mend what it named, then start again",
			why);
		engine_ended(role->roles);
		sd_event_exit(role->roles->loop, EX_CONFIG);
		return 0;
	}
	log_warn("warden-%s %s: starting it again", role->name, why);
	if (is_engine(role))
		engine_ended(role->roles);
	else
		tell_state(role, ROLE_DOWN, why, -1);
	start_later(role);
	return 0;
}

/* ---- the set ---- */

static struct role *add(struct roles *roles, const char *name, uint64_t guest, int guest_fd)
{
	struct role *role = calloc(1, sizeof(*role)), **end = &roles->list;

	if (!role)
		fatal("out of memory");
	role->roles = roles;
	snprintf(role->name, sizeof(role->name), "%s", name);
	role->guest = guest;
	role->guest_fd = guest_fd;
	while (*end)
		end = &(*end)->next;
	*end = role;
	return role;
}

struct roles *roles_new(sd_event *loop, const char *libexec_dir, const char *config_path,
			const struct roles_hooks *hooks)
{
	struct roles *roles = calloc(1, sizeof(*roles));

	if (!roles)
		fatal("out of memory");
	*roles = (struct roles){
		.loop = loop, .libexec_dir = libexec_dir, .config_path = config_path,
		.hooks = *hooks, .engine_sock = -1,
	};
	add(roles, "engine", 0, -1);
	add(roles, "scan", 0, -1);
	add(roles, "channel", 0, -1);
	return roles;
}

int roles_start(struct roles *roles)
{
	start(roles->list);
	return roles->engine_sock < 0 ? -1 : 0;
}

struct role *roles_add_introspector(struct roles *roles, uint64_t guest, int guest_fd)
{
	struct role *role = add(roles, "introspect", guest, guest_fd);

	start(role);
	return role;
}

/* Its peer has gone, so it ends by itself; if not, it is made to. */
static void end(struct role *role, unsigned int patience_ms)
{
	pid_t left = role->pid > 0 ? role->pid : 0;

	sd_event_source_disable_unref(role->timer);
	sd_event_source_disable_unref(role->child);
	for (unsigned int ms = 0; left && ms < patience_ms; ms += 10) {
		if (waitpid(left, NULL, WNOHANG) != 0)
			left = 0;
		else
			usleep(10000);
	}
	if (left) {
		kill(left, SIGKILL);
		waitpid(left, NULL, 0);
	}
	free(role);
}

/*
 * The wait for an introspector may be long: if it held the last file of its
 * guest, the kernel ends the VM on its way out.
 */
void roles_remove(struct roles *roles, struct role *role)
{
	if (!role->pid) {
		unlink_role(roles, role);
		end(role, 0);
		return;
	}
	role->removed = true;
	kill(role->pid, SIGKILL);
}

/* The engine first: it flushes while the others still answer. */
void roles_free(struct roles *roles)
{
	roles->ending = true;
	sd_event_source_disable_unref(roles->engine_source);
	if (roles->engine_sock >= 0)
		close(roles->engine_sock);
	while (roles->list) {
		struct role *first = roles->list;

		unlink_role(roles, first);
		end(first, 3000);
	}
	free(roles);
}

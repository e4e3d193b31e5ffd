// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/integrity_child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/roles.h"
#include "daemon/spawn.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/util.h"

#define PATIENCE_US 120000000ull
#define AT_A_TIME 64			/* messages, before the loop has its turn */
#define MESSAGES_MAX 4096		/* of a check; warden-integrity sends far fewer */

struct integrity_child {
	LIST_ENTRY(integrity_child) entry;
	struct integrity_checks *checks;
	struct integrity_target target;
	integrity_child_done_fn *done;
	void *arg;
	pid_t pid;
	int sock;
	unsigned messages;
	bool answered, malformed, given_up;
	sd_event_source *on_end, *on_sock, *on_late;
};

/* ---- what the engine is told ---- */

static void tell(struct integrity_checks *checks, const struct integrity_target *target,
		 struct m_integrity_done *done)
{
	done->guest = target->guest;
	done->vmm_pid = target->vmm_pid;
	done->round = checks->round;
	memcpy(done->cause, target->cause, sizeof(done->cause));
	roles_tell_engine(checks->roles, &msg_integrity_done, 0, done, -1);
}

void integrity_tell_unanswered(struct integrity_checks *checks,
			       const struct integrity_target *target, const char *why)
{
	struct m_integrity_done done = { .status = INTEGRITY_UNAVAILABLE };

	snprintf(done.what, sizeof(done.what), "%s", target->guest ? "VMM" : INTEGRITY_ALL_MODULES);
	snprintf(done.why, sizeof(done.why), "%s", why);
	tell(checks, target, &done);
}

static bool vmm_has_ended(const struct integrity_child *c)
{
	return c->target.guest && proc_has_ended(c->target.pidfd);
}

static void tell_unanswered(struct integrity_child *c, const char *why)
{
	if (!vmm_has_ended(c))
		integrity_tell_unanswered(c->checks, &c->target, why);
}

/* Of all modules at once the parent alone speaks: the child of each. */
static bool is_answer(const struct m_integrity_done *done)
{
	return done->status && done->status <= INTEGRITY_UNAVAILABLE &&
	       strcmp(done->what, INTEGRITY_ALL_MODULES);
}

/* Whose it is the parent says, never the child. */
static bool relay(struct integrity_child *c, const struct msg *m)
{
	struct m_integrity_difference difference;
	struct m_integrity_done done;

	if (msg_decode(m, &msg_integrity_difference, &difference)) {
		difference.guest = c->target.guest;
		difference.vmm_pid = c->target.vmm_pid;
		roles_tell_engine(c->checks->roles, &msg_integrity_difference, 0, &difference, -1);
		return true;
	}
	if (!msg_decode(m, &msg_integrity_done, &done) || !is_answer(&done))
		return false;
	c->answered = true;
	log_debug("integrity of %s (guest %llu): %s%s%s", done.what,
		  (unsigned long long)c->target.guest, integrity_status_name(done.status),
		  done.why[0] ? ": " : "", done.why);
	tell(c->checks, &c->target, &done);
	return true;
}

/*
 * Some of what it sent; true: that was all.  Of a VMM that has ended, its number may be
 * another's by now: nothing is said.
 */
static bool drain(struct integrity_child *c, unsigned most)
{
	struct msg m;
	unsigned n = 0;

	while (n < most && !c->malformed && msg_recv(c->sock, &m, MSG_DONTWAIT) == 1) {
		msg_release(&m);
		n++;
		if (!vmm_has_ended(c))
			c->malformed = ++c->messages > MESSAGES_MAX || !relay(c, &m);
	}
	if (c->malformed && c->pid > 0)
		kill(c->pid, SIGKILL);
	return n < most;
}

/* ---- its life ---- */

/* All but the process itself. */
static void let_go(struct integrity_child *c)
{
	c->on_sock = sd_event_source_disable_unref(c->on_sock);
	c->on_late = sd_event_source_disable_unref(c->on_late);
	if (c->sock >= 0)
		close(c->sock);
	if (c->target.pidfd >= 0)
		close(c->target.pidfd);
	c->sock = c->target.pidfd = -1;
}

static void free_child(struct integrity_child *c)
{
	sd_event_source_disable_unref(c->on_end);
	let_go(c);
	if (c->pid > 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, WNOHANG);
	}
	LIST_REMOVE(c, entry);
	free(c);
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct integrity_child *c = arg;

	/* Its end is told by the process's. */
	if (drain(c, AT_A_TIME) && revents & (EPOLLHUP | EPOLLERR))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct integrity_child *c = arg;
	integrity_child_done_fn *done = c->given_up ? NULL : c->done;
	void *done_arg = c->arg;

	c->pid = 0;
	if (!c->given_up) {
		drain(c, MESSAGES_MAX);
		if (c->malformed)
			tell_unanswered(c, "warden-integrity's answer is malformed");
		else if (info->si_code != CLD_EXITED || info->si_status || !c->answered)
			tell_unanswered(c, "warden-integrity ended before it was done");
	}
	free_child(c);
	if (done)
		done(done_arg);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t when, void *arg)
{
	struct integrity_child *c = arg;

	kill(c->pid, SIGKILL);
	tell_unanswered(c, "warden-integrity took too long");
	c->given_up = true;
	let_go(c);
	c->done(c->arg);
	return 0;
}

static noreturn void run(const struct integrity_child *c, int sock)
{
	const struct config *config = c->checks->config;
	const int fds[] = { sock, c->target.kernel };
	char argument[16] = "modules";

	if (c->target.guest)
		snprintf(argument, sizeof(argument), "%u", c->target.vmm_pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_exec(config->libexec_dir, "integrity", c->checks->config_path, argument, fds,
		   fds[1] >= 0 ? 2 : 1);
}

static bool start(struct integrity_child *c)
{
	sd_event *loop = c->checks->loop;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	c->sock = pair[0];
	c->pid = fork();
	if (c->pid == 0)
		run(c, pair[1]);
	close(pair[1]);
	return c->pid > 0 &&
	       sd_event_add_child(loop, &c->on_end, c->pid, WEXITED, on_end, c) >= 0 &&
	       sd_event_add_io(loop, &c->on_sock, c->sock, EPOLLIN, on_answer, c) >= 0 &&
	       sd_event_add_time_relative(loop, &c->on_late, CLOCK_MONOTONIC, PATIENCE_US, 0,
					  on_late, c) >= 0;
}

bool integrity_child_start(struct integrity_checks *checks, const struct integrity_target *target,
			   integrity_child_done_fn *done, void *arg)
{
	struct integrity_child *c = calloc(1, sizeof(*c));

	if (!c)
		fatal("out of memory");
	*c = (struct integrity_child){ .checks = checks, .target = *target, .done = done,
				       .arg = arg, .sock = -1 };
	LIST_INSERT_HEAD(&checks->children, c, entry);
	if (start(c))
		return true;
	tell_unanswered(c, "no process for warden-integrity");
	free_child(c);
	return false;
}

bool integrity_child_hangs(const struct integrity_checks *checks, uint32_t vmm_pid)
{
	const struct integrity_child *c;

	LIST_FOREACH(c, &checks->children, entry)
		if (c->given_up && c->target.vmm_pid == vmm_pid)
			return true;
	return false;
}

unsigned integrity_children_hang(const struct integrity_checks *checks)
{
	const struct integrity_child *c;
	unsigned n = 0;

	LIST_FOREACH(c, &checks->children, entry)
		n += c->given_up;
	return n;
}

void integrity_children_free(struct integrity_checks *checks)
{
	struct integrity_child *c;

	while ((c = LIST_FIRST(&checks->children)))
		free_child(c);
}

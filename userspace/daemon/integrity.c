// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/integrity.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/device.h"
#include "daemon/roles.h"
#include "daemon/spawn.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/proc.h"
#include "lib/util.h"

#define GAP_US 30000000ull		/* from one round's start to the next one's, at least */
#define HURRIED_MAX 20			/* the gap is wider than any interval by then */
#define SOON_US 1000000ull
#define EXITS_US 5000000ull		/* between two looks at the reasons of exits */
#define PATIENCE_US 120000000ull	/* with one child */
#define REASONS_MAX 512
#define EXITS "/sys/kernel/debug/kvm_warden/exits"

/* Why a round is, or will be. */
struct cause {
	char text[TEXT_NAME];
	bool by_guest;			/* it did what brings a round forward */
};

struct integrity {
	sd_event *loop;
	int device, kcore;
	const struct config *config;
	const char *config_path;
	struct roles *roles;
	sd_event_source *due, *exits;
	uint64_t began, next;		/* us: the round's start; the next one's */
	struct cause cause, next_cause, late_cause;
	unsigned hurried;		/* rounds in a row that guests brought forward */
	/* The round under way. */
	bool running;
	bool late;			/* the next one came due meanwhile */
	uint64_t guest;			/* 0: the modules */
	uint32_t vmm_pid;
	int pidfd, memory, sock;	/* memory: the VMM's */
	pid_t child;
	bool answered, malformed;
	sd_event_source *on_child, *on_sock, *on_late;
	/* Reasons of exits that some guest has had. */
	uint32_t reasons[REASONS_MAX];
	unsigned nreasons;
	bool seeded;
};

static void next_vmm(struct integrity *in);

int integrity_open_kernel(const struct config *config)
{
	int fd = config->integrity_seconds ? open("/proc/kcore", O_RDONLY | O_CLOEXEC) : -1;

	if (config->integrity_seconds && fd < 0)
		log_warn("/proc/kcore: %s: modules' code is not checked", strerror(errno));
	return fd;
}

/* ---- when ---- */

static void schedule(struct integrity *in, uint64_t when, const struct cause *cause)
{
	if (in->next && in->next <= when)
		return;
	in->next = when;
	in->next_cause = *cause;
	sd_event_source_set_time(in->due, when);
	sd_event_source_set_enabled(in->due, SD_EVENT_ONESHOT);
}

static void schedule_soon(struct integrity *in, uint64_t gap, const char *text, bool by_guest)
{
	struct cause cause = { .by_guest = by_guest };

	snprintf(cause.text, sizeof(cause.text), "%s", text);
	schedule(in, MAX(now_us() + SOON_US, in->began ? in->began + gap : 0), &cause);
}

void integrity_soon(struct integrity *in, const char *cause)
{
	if (in)
		schedule_soon(in, GAP_US, cause, false);
}

/* Each round that guests bring forward doubles the wait for the next such one. */
void integrity_after_guest(struct integrity *in, const char *cause)
{
	if (in)
		schedule_soon(in, GAP_US << in->hurried, cause, true);
}

static bool is_new_reason(struct integrity *in, uint32_t reason)
{
	for (unsigned i = 0; i < in->nreasons; i++)
		if (in->reasons[i] == reason)
			return false;
	if (in->nreasons == REASONS_MAX)
		return false;
	in->reasons[in->nreasons++] = reason;
	return true;
}

/* An exit of a kind that no guest has had so far: who looks for holes makes such. */
static int on_exits(sd_event_source *source, uint64_t when, void *arg)
{
	struct integrity *in = arg;
	autofile FILE *f = fopen(EXITS, "re");
	char line[128], cause[TEXT_NAME];
	unsigned reason;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u 0x%x", &reason) != 1 || !is_new_reason(in, reason))
			continue;
		snprintf(cause, sizeof(cause), "first exit of reason 0x%x", reason);
		if (in->seeded)
			integrity_after_guest(in, cause);
	}
	in->seeded |= f != NULL;
	sd_event_source_set_time_relative(source, EXITS_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

/* ---- a child's answers ---- */

/* Whose it is the parent says, never the child. */
static bool relay(struct integrity *in, const struct msg *m)
{
	struct m_integrity_difference difference;
	struct m_integrity_done done;

	if (msg_decode(m, &msg_integrity_difference, &difference)) {
		difference.guest = in->guest;
		difference.vmm_pid = in->vmm_pid;
		roles_tell_engine(in->roles, &msg_integrity_difference, 0, &difference, -1);
		return true;
	}
	if (!msg_decode(m, &msg_integrity_done, &done) || !done.status ||
	    done.status > INTEGRITY_UNAVAILABLE)
		return false;
	done.guest = in->guest;
	done.vmm_pid = in->vmm_pid;
	memcpy(done.cause, in->cause.text, sizeof(done.cause));
	in->answered = true;
	log_debug("integrity of %s (guest %llu): %s%s%s", done.what, (unsigned long long)done.guest,
		  integrity_status_name(done.status), done.why[0] ? ": " : "", done.why);
	roles_tell_engine(in->roles, &msg_integrity_done, 0, &done, -1);
	return true;
}

static bool vmm_has_ended(const struct integrity *in)
{
	struct pollfd p = { .fd = in->pidfd, .events = POLLIN };

	return in->guest && poll(&p, 1, 0) != 0;
}

/* Of a VMM that has ended, its number may be another's by now: nothing is said. */
static void drain(struct integrity *in)
{
	struct msg m;

	while (!in->malformed && msg_recv(in->sock, &m, MSG_DONTWAIT) == 1) {
		msg_release(&m);
		if (!vmm_has_ended(in))
			in->malformed = !relay(in, &m);
	}
	if (in->malformed && in->child > 0)
		kill(in->child, SIGKILL);
}

static void tell_unanswered(struct integrity *in, const char *why)
{
	struct m_integrity_done done = { .guest = in->guest, .vmm_pid = in->vmm_pid,
					 .status = INTEGRITY_UNAVAILABLE };

	if (vmm_has_ended(in))
		return;
	snprintf(done.what, sizeof(done.what), "%s", in->guest ? "VMM" : "modules");
	snprintf(done.why, sizeof(done.why), "%s", why);
	memcpy(done.cause, in->cause.text, sizeof(done.cause));
	roles_tell_engine(in->roles, &msg_integrity_done, 0, &done, -1);
}

/* ---- a child ---- */

static void let_go(struct integrity *in)
{
	if (in->pidfd >= 0)
		close(in->pidfd);
	if (in->memory >= 0)
		close(in->memory);
	in->pidfd = in->memory = -1;
}

static void stop(struct integrity *in)
{
	in->on_child = sd_event_source_disable_unref(in->on_child);
	in->on_sock = sd_event_source_disable_unref(in->on_sock);
	in->on_late = sd_event_source_disable_unref(in->on_late);
	if (in->child > 0) {
		kill(in->child, SIGKILL);
		waitpid(in->child, NULL, 0);
	}
	in->child = 0;
	if (in->sock >= 0)
		close(in->sock);
	in->sock = -1;
	let_go(in);
}

static int on_answer(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct integrity *in = arg;

	drain(in);
	/* Its end is told by the child's. */
	if (revents & (EPOLLHUP | EPOLLERR))
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_end(sd_event_source *source, const siginfo_t *info, void *arg)
{
	struct integrity *in = arg;

	in->child = 0;
	drain(in);
	if (in->malformed)
		tell_unanswered(in, "warden-integrity's answer is malformed");
	else if (info->si_code != CLD_EXITED || info->si_status || !in->answered)
		tell_unanswered(in, "warden-integrity ended before it was done, or took too long");
	stop(in);
	next_vmm(in);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t when, void *arg)
{
	struct integrity *in = arg;

	/* Its end is told in the same way as any other. */
	kill(in->child, SIGKILL);
	return 0;
}

static noreturn void run(const struct integrity *in, int sock)
{
	const int fds[] = { sock, in->guest ? in->memory : in->kcore };
	char argument[16] = "modules";

	if (in->guest)
		snprintf(argument, sizeof(argument), "%u", in->vmm_pid);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	spawn_exec(in->config->libexec_dir, "integrity", in->config_path, argument, fds,
		   fds[1] >= 0 ? 2 : 1);
}

static bool start(struct integrity *in)
{
	int pair[2];

	in->answered = in->malformed = false;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	in->sock = pair[0];
	in->child = fork();
	if (in->child == 0)
		run(in, pair[1]);
	close(pair[1]);
	return in->child > 0 &&
	       sd_event_add_child(in->loop, &in->on_child, in->child, WEXITED, on_end, in) >= 0 &&
	       sd_event_add_io(in->loop, &in->on_sock, in->sock, EPOLLIN, on_answer, in) >= 0 &&
	       sd_event_add_time_relative(in->loop, &in->on_late, CLOCK_MONOTONIC, PATIENCE_US, 0,
					  on_late, in) >= 0;
}

static bool start_or_tell(struct integrity *in)
{
	if (start(in))
		return true;
	stop(in);
	tell_unanswered(in, "no process for warden-integrity");
	return false;
}

/* ---- a round ---- */

/* By us: the guard over VMMs takes anyone else for an intruder. */
static int open_memory(uint32_t pid)
{
	pid_t thread = proc_living_thread(pid);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%d/mem", pid, thread);
	return thread < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
}

/* As in guests.c: the process is the VMM's only while the module still says so. */
static bool hold_vmm(struct integrity *in, const struct kvm_warden_guest_info *info)
{
	struct kvm_warden_guest_info now = { .guest = info->guest - 1 };

	in->pidfd = syscall(SYS_pidfd_open, info->vmm_pid, 0);
	if (in->pidfd < 0)
		return false;
	in->memory = open_memory(info->vmm_pid);
	if (device_next_guest(in->device, &now) && now.guest == info->guest &&
	    now.vmm_pid == info->vmm_pid)
		return true;
	let_go(in);
	return false;
}

static void next_vmm(struct integrity *in)
{
	struct kvm_warden_guest_info info = { .guest = in->guest };

	while (device_next_guest(in->device, &info)) {
		in->guest = info.guest;
		in->vmm_pid = info.vmm_pid;
		/* What is not looked at does not stay "clean"; of a guest that is gone nobody asks. */
		if (!hold_vmm(in, &info))
			tell_unanswered(in, "its VMM has ended");
		else if (start_or_tell(in))
			return;
	}
	in->running = false;
	if (in->late)
		schedule(in, now_us() + SOON_US, &in->late_cause);
	in->late = false;
}

static int on_due(sd_event_source *source, uint64_t when, void *arg)
{
	static const struct cause interval = { .text = "interval" };
	struct integrity *in = arg;

	in->next = 0;
	if (in->running) {
		in->late = true;
		in->late_cause = in->next_cause;
		return 0;
	}
	in->running = true;
	in->began = now_us();
	in->cause = in->next_cause;
	in->hurried = in->cause.by_guest ? MIN(in->hurried + 1, HURRIED_MAX) : 0;
	in->guest = in->vmm_pid = 0;
	schedule(in, in->began + in->config->integrity_seconds * 1000000ull, &interval);
	if (!start_or_tell(in))
		next_vmm(in);
	return 0;
}

/* ---- all ---- */

struct integrity *integrity_new(sd_event *loop, int device, int kcore, const struct config *config,
				const char *config_path, struct roles *roles)
{
	struct integrity *in;

	if (!config->integrity_seconds)
		return NULL;
	in = calloc(1, sizeof(*in));
	if (!in)
		fatal("out of memory");
	*in = (struct integrity){ .loop = loop, .device = device, .kcore = kcore, .config = config,
				  .config_path = config_path, .roles = roles, .pidfd = -1,
				  .memory = -1, .sock = -1 };
	if (sd_event_add_time(loop, &in->due, CLOCK_MONOTONIC, UINT64_MAX, 0, on_due, in) < 0 ||
	    sd_event_add_time_relative(loop, &in->exits, CLOCK_MONOTONIC, EXITS_US, 0, on_exits, in) < 0)
		fatal("no timer for checks of integrity");
	integrity_soon(in, "start");
	return in;
}

void integrity_free(struct integrity *in)
{
	if (!in)
		return;
	stop(in);
	sd_event_source_disable_unref(in->due);
	sd_event_source_disable_unref(in->exits);
	if (in->kcore >= 0)
		close(in->kcore);
	free(in);
}

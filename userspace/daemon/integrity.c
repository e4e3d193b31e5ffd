// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/integrity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/device.h"
#include "daemon/integrity_child.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "warden/event.h"

#define GAP_US 30000000ull		/* from one round's start to the next one's, at least */
#define HURRIED_MAX 20			/* the gap is wider than any interval by then */
#define SOON_US 1000000ull
#define EXITS_US 5000000ull		/* between two looks at the reasons of exits */
#define HANGING_MAX 32			/* checks that hang, before VMMs are left alone */
#define REASONS_MAX 512
#define EXITS "/sys/kernel/debug/kvm_warden/exits"

/* Why a round is, or will be. */
struct cause {
	char text[TEXT_NAME];
	bool by_guest;			/* it did what brings a round forward */
};

struct integrity {
	struct integrity_checks checks;
	int device, kcore;
	const struct config *config;
	sd_event_source *due, *exits;
	uint64_t began, next;		/* us: the round's start; the next one's */
	struct cause cause, next_cause;
	unsigned hurried;		/* rounds in a row that guests brought forward */
	bool modules, modules_late;	/* their check is under way; and is due again */
	/* The VMMs', which may last longer than a round. */
	bool running, late;
	struct cause vmms_cause;
	uint64_t guest;			/* whose VMM is looked at */
	uint32_t vmms[WARDEN_MAX_GUESTS];	/* that were */
	unsigned nvmms;
	/* Reasons of exits that some guest has had. */
	uint32_t reasons[REASONS_MAX];
	unsigned nreasons;
	bool seeded;
};

static void next_vmm(struct integrity *in);
static void start_vmms(struct integrity *in);

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
	autofile FILE *f = fopen_at_once(EXITS);
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

/* ---- the modules ---- */

static void start_modules(struct integrity *in);

static void modules_done(void *arg)
{
	struct integrity *in = arg;

	in->modules = false;
	start_vmms(in);
	if (in->modules_late)
		start_modules(in);
}

/* On time, whatever the VMMs' checks are at: no VMM puts off those of the kernel. */
static void start_modules(struct integrity *in)
{
	struct integrity_target target = { .pidfd = -1, .kernel = in->kcore };

	in->modules_late = false;
	in->checks.round++;
	memcpy(target.cause, in->cause.text, sizeof(target.cause));
	if (integrity_child_hangs(&in->checks, 0))
		integrity_tell_unanswered(&in->checks, &target,
					  "an earlier check hangs in the kernel: /proc/kcore or a module's file does not answer");
	else
		in->modules = integrity_child_start(&in->checks, &target, modules_done, in);
	if (!in->modules)
		start_vmms(in);
}

/* ---- the VMMs ---- */

/* As in guests.c: the process is the VMM's only while the module still says so. */
static bool is_still(struct integrity *in, const struct integrity_target *target)
{
	struct kvm_warden_guest_info now = { .guest = target->guest - 1 };

	return device_next_guest(in->device, &now) && now.guest == target->guest &&
	       now.vmm_pid == target->vmm_pid;
}

/* A process may have made many guests: it is looked at once. */
static bool was_looked_at(struct integrity *in, uint32_t vmm_pid)
{
	for (unsigned i = 0; i < in->nvmms; i++)
		if (in->vmms[i] == vmm_pid)
			return true;
	if (in->nvmms < WARDEN_MAX_GUESTS)
		in->vmms[in->nvmms++] = vmm_pid;
	return false;
}

static const char *why_not(struct integrity *in, uint32_t vmm_pid)
{
	if (!vmm_pid)
		return "its VMM has ended, or the guest is in the hands of another process";
	if (was_looked_at(in, vmm_pid))
		return "its VMM has another guest, with which it is checked";
	if (integrity_child_hangs(&in->checks, vmm_pid))
		return "an earlier check of this VMM hangs in the kernel: a file that it maps does not answer";
	if (integrity_children_hang(&in->checks) >= HANGING_MAX)
		return "too many checks hang in the kernel: files that VMMs map do not answer";
	return NULL;
}

static void vmm_done(void *arg)
{
	next_vmm(arg);
}

/* False: it is not looked at, which is told.  Of a guest that is gone nobody asks. */
static bool start_vmm(struct integrity *in, const struct kvm_warden_guest_info *info)
{
	struct integrity_target target = { .guest = info->guest, .vmm_pid = info->vmm_pid,
					   .pidfd = -1, .kernel = -1 };
	const char *why = why_not(in, info->vmm_pid);
	bool started = false;

	memcpy(target.cause, in->vmms_cause.text, sizeof(target.cause));
	if (!why) {
		target.pidfd = syscall(SYS_pidfd_open, info->vmm_pid, 0);
		if (target.pidfd < 0 || !is_still(in, &target))
			why = "its VMM has ended";
	}
	if (!why)
		started = integrity_child_start(&in->checks, &target, vmm_done, in);
	else
		integrity_tell_unanswered(&in->checks, &target, why);
	if (why && target.pidfd >= 0)
		close(target.pidfd);
	return started;
}

static void next_vmm(struct integrity *in)
{
	struct kvm_warden_guest_info info = { .guest = in->guest };

	while (device_next_guest(in->device, &info)) {
		in->guest = info.guest;
		if (start_vmm(in, &info))
			return;
	}
	in->running = false;
	if (in->late)
		start_vmms(in);
}

static void start_vmms(struct integrity *in)
{
	in->late = in->running;
	if (in->running)
		return;
	in->running = true;
	in->vmms_cause = in->cause;
	in->guest = in->nvmms = 0;
	next_vmm(in);
}

/* ---- a round ---- */

static int on_due(sd_event_source *source, uint64_t when, void *arg)
{
	static const struct cause interval = { .text = "interval" };
	struct integrity *in = arg;

	in->next = 0;
	in->began = now_us();
	in->cause = in->next_cause;
	in->hurried = in->cause.by_guest ? MIN(in->hurried + 1, HURRIED_MAX) : 0;
	schedule(in, in->began + in->config->integrity_seconds * 1000000ull, &interval);
	if (in->modules)
		in->modules_late = true;
	else
		start_modules(in);
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
	*in = (struct integrity){ .checks = { .loop = loop, .config = config,
					      .config_path = config_path, .roles = roles },
				  .device = device, .kcore = kcore, .config = config };
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
	integrity_children_free(&in->checks);
	sd_event_source_disable_unref(in->due);
	sd_event_source_disable_unref(in->exits);
	if (in->kcore >= 0)
		close(in->kcore);
	free(in);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/acts.h"
#include "daemon/bpf.h"
#include "daemon/clock.h"
#include "daemon/device.h"
#include "daemon/guard.h"
#include "daemon/roles.h"
#include "daemon/vmm.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

/* A VMM may rewrite its command line, but not so often at our cost. */
#define CID_TRIES 8

struct guest {
	struct guest *next;
	uint64_t id;
	uint32_t vmm_pid, cid;
	int fd;
	int vmm_pidfd;		/* -1: that process is not certain to be the VMM */
	struct role *introspector;
	uint64_t delivered;
	uint64_t lag_us;	/* of the delivered, summed */
	unsigned int cid_tries;	/* at its VMM's command line */
	bool announced;		/* to the engine that runs */
	bool seen;		/* by the refresh under way */
};

struct guests {
	int device;
	int engine;		/* -1: down */
	struct bpf *bpf;	/* NULL: sweeps alone */
	struct guard *guard;
	struct roles *roles;
	struct guest *list;
	struct m_events batch;
	size_t nbatch;
	bool stale;		/* an event told of a guest that may be new */
};

struct guests *guests_new(int device)
{
	struct guests *guests = calloc(1, sizeof(*guests));

	if (!guests)
		fatal("out of memory");
	guests->device = device;
	guests->engine = -1;
	return guests;
}

void guests_set_bpf(struct guests *guests, struct bpf *bpf)
{
	guests->bpf = bpf;
}

void guests_set_guard(struct guests *guests, struct guard *guard)
{
	guests->guard = guard;
}

void guests_set_roles(struct guests *guests, struct roles *roles)
{
	guests->roles = roles;
}

static struct guest *find(struct guests *guests, uint64_t id)
{
	struct guest *g = guests->list;

	while (g && g->id != id)
		g = g->next;
	return g;
}

static void tell(struct guests *guests, const struct msg_schema *schema,
		 const void *message, int fd)
{
	roles_tell_engine(guests->roles, schema, 0, message, fd);
}

/* ---- coming ---- */

static void tell_up(struct guests *guests, const struct guest *g, int sock)
{
	struct m_guest_up message = { .guest = g->id, .vmm_pid = g->vmm_pid };

	vmm_guest_name(g->vmm_pid, message.name, sizeof(message.name));
	tell(guests, &msg_guest_up, &message, sock);
}

static void tell_cid(struct guests *guests, struct guest *g, uint32_t cid, const char *source)
{
	struct m_guest_cid message = { .guest = g->id, .cid = cid };

	strcpy(message.source, source);
	tell(guests, &msg_guest_cid, &message, -1);
	if (g->cid != cid)
		log_info("guest %llu has vsock CID %u (from %s)",
			 (unsigned long long)g->id, cid, source);
	g->cid = cid;
}

/* BPF knows processes: one with several guests has several CIDs. */
static bool is_alone(struct guests *guests, const struct guest *g)
{
	for (struct guest *other = guests->list; other; other = other->next)
		if (other != g && other->vmm_pid == g->vmm_pid)
			return false;
	return true;
}

/* What the VMM did outranks what its command line says. */
static void refresh_cid(struct guests *guests, struct guest *g, bool again)
{
	const char *source = "bpf";
	uint32_t cid = guests->bpf ? bpf_cid(guests->bpf, g->vmm_pid) : 0;

	if (!is_alone(guests, g))
		return;
	if (!cid) {
		if (!again && (g->cid || g->cid_tries++ >= CID_TRIES))
			return;
		source = "command line";
		cid = vmm_guest_cid(g->vmm_pid);
	}
	if (cid && (again || cid != g->cid))
		tell_cid(guests, g, cid, source);
}

/*
 * Taken as early as can be, and only while the module still names that process:
 * what a host does to a VMM later must not hit one that got its number since.
 * A VMM that closed every file of its guest may have handed it on and ended.
 */
static int hold_vmm(int guest_fd, uint32_t pid)
{
	struct kvm_warden_guest_info now = { 0 };
	autofd int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0 || device_guest_info(guest_fd, &now) || now.vmm_pid != pid ||
	    now.flags & KVM_WARDEN_GUEST_HIDDEN)
		return -1;
	return util_steal_fd(&pidfd);
}

static void add(struct guests *guests, const struct kvm_warden_guest_info *info)
{
	int fd = device_open_guest(guests->device, info->guest);
	struct guest *g;

	if (fd < 0) {
		if (fd != -ENOENT)	/* gone again */
			log_err("guest %llu is not observed: %s",
				(unsigned long long)info->guest, strerror(-fd));
		return;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		fatal("out of memory");
	*g = (struct guest){
		.next = guests->list, .id = info->guest, .vmm_pid = info->vmm_pid,
		.fd = fd, .vmm_pidfd = hold_vmm(fd, info->vmm_pid), .seen = true,
	};
	guests->list = g;
	guard_watch(guests->guard, g->id, g->vmm_pid);
	log_info("guest %llu is up: VMM %u, flags %#x", (unsigned long long)g->id,
		 g->vmm_pid, info->flags);
}

/* Its guest fd may have hung up: then the introspector ends, and drop() follows. */
static void look_into(struct guests *guests, struct guest *g)
{
	if (!g->introspector)
		g->introspector = roles_add_introspector(guests->roles, g->id, g->fd);
}

void guests_introspector_up(void *arg, uint64_t guest, int sock)
{
	struct guests *guests = arg;
	struct guest *g = find(guests, guest);
	struct m_role_state message = { .state = ROLE_UP, .guest = guest, .role = "introspect" };

	if (g && g->announced) {
		tell(guests, &msg_role_state, &message, sock);
	} else if (g) {
		tell_up(guests, g, sock);
		refresh_cid(guests, g, true);
		g->announced = true;
	}
	close(sock);
}

/* ---- going ---- */

static void drop(struct guests *guests, struct guest *g)
{
	struct m_guest_down message = { .guest = g->id };

	log_info("guest %llu is gone", (unsigned long long)g->id);
	if (g->announced)
		tell(guests, &msg_guest_down, &message, -1);
	if (g->introspector)
		roles_remove(guests->roles, g->introspector);
	guard_forget(guests->guard, g->id);
	if (guests->bpf)
		bpf_forget(guests->bpf, g->id, g->vmm_pid);
	close(g->fd);
	if (g->vmm_pidfd >= 0)
		close(g->vmm_pidfd);
	free(g);
}

static void drop_unseen(struct guests *guests)
{
	struct guest **at = &guests->list;

	while (*at) {
		struct guest *g = *at;

		if (g->seen) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		drop(guests, g);
	}
}

void guests_refresh(struct guests *guests)
{
	struct kvm_warden_guest_info info = { 0 };

	if (guests->engine < 0)
		return;
	guests->stale = false;
	for (struct guest *g = guests->list; g; g = g->next)
		g->seen = false;
	while (device_next_guest(guests->device, &info)) {
		struct guest *g = find(guests, info.guest);

		if (g)
			g->seen = true;
		else
			add(guests, &info);
	}
	drop_unseen(guests);
	for (struct guest *g = guests->list; g; g = g->next) {
		look_into(guests, g);
		refresh_cid(guests, g, false);
	}
}

bool guests_find_vmm(void *arg, uint64_t guest, struct vmm *ret_vmm)
{
	struct guests *guests = arg;
	struct kvm_warden_guest_info info = { 0 };
	struct guest *g = find(guests, guest);

	if (!g || device_guest_info(g->fd, &info) || info.vmm_pid != g->vmm_pid)
		return false;
	*ret_vmm = (struct vmm){ .pid = g->vmm_pid, .pidfd = g->vmm_pidfd };
	return true;
}

/* ---- numbers ---- */

/* Decision 4 of the design: emitted = delivered + dropped + suppressed + missed. */
static void report(struct guests *guests, const struct guest *g)
{
	struct warden_guest_counts counts = { 0 };
	struct kvm_warden_guest_info info;
	struct m_counters message;
	uint64_t known;

	/* BPF first: what it has counted, the module has emitted. */
	if (guests->bpf)
		bpf_counts(guests->bpf, g->id, &counts);
	if (device_guest_info(g->fd, &info))
		return;
	known = counts.submitted + counts.dropped + counts.over_budget;
	message = (struct m_counters){
		.guest = g->id, .exits = info.exits, .emitted = info.emitted,
		.delivered = g->delivered, .dropped = counts.dropped,
		.suppressed = counts.over_budget, .lag_us = g->lag_us,
		.missed = info.emitted > known ? info.emitted - known : 0,
		.vcpus = info.vcpus, .flags = info.flags,
	};
	tell(guests, &msg_counters, &message, -1);
}

void guests_report(struct guests *guests)
{
	for (struct guest *g = guests->list; g; g = g->next)
		report(guests, g);
}

unsigned guests_count(const struct guests *guests)
{
	unsigned n = 0;

	for (const struct guest *g = guests->list; g; g = g->next)
		n++;
	return n;
}

/* ---- the engine ---- */

void guests_engine_up(void *arg, int sock)
{
	struct guests *guests = arg;

	guests->engine = sock;
}

/*
 * Its introspectors lost their peer too.  The next engine is told of every
 * guest anew; what was counted stays, and events that wait are for it.
 */
void guests_engine_down(void *arg)
{
	struct guests *guests = arg;

	guests->engine = -1;
	for (struct guest *g = guests->list; g; g = g->next) {
		if (g->introspector)
			roles_remove(guests->roles, g->introspector);
		g->introspector = NULL;
		g->announced = false;
	}
}

void guests_free(struct guests *guests)
{
	free(guests);
}

/* ---- events ---- */

static void count_delivered(struct guests *guests)
{
	const struct kvm_warden_event *e = (const void *)guests->batch.events.data;
	uint64_t now = now_ns();

	for (size_t i = 0; i < guests->nbatch; i++) {
		struct guest *g = find(guests, e[i].guest);

		if (!g)
			continue;
		g->delivered++;
		g->lag_us += now > e[i].time_ns ? (now - e[i].time_ns) / 1000 : 0;
	}
}

bool guests_flush(struct guests *guests)
{
	struct msg m;

	if (guests->stale)
		guests_refresh(guests);
	if (!guests->nbatch)
		return true;
	if (guests->engine < 0)
		return false;
	guests->batch.events.len = guests->nbatch * sizeof(struct kvm_warden_event);
	if (msg_encode(&m, &msg_events, 0, &guests->batch, -1) ||
	    msg_send(guests->engine, &m, MSG_DONTWAIT))
		return false;
	count_delivered(guests);
	guests->nbatch = 0;
	return true;
}

int guests_event(void *arg, const struct kvm_warden_event *event)
{
	struct guests *guests = arg;

	_Static_assert(sizeof(*event) == 80, "EVENTS_MAX counts in these");
	/* Never past the end, whatever the caller does with the answer. */
	if (guests->nbatch == EVENTS_MAX)
		return -EAGAIN;
	memcpy(guests->batch.events.data + guests->nbatch * sizeof(*event), event, sizeof(*event));
	guests->nbatch++;
	/* An event may be ahead of our look at the list. */
	if (event->type == KVM_WARDEN_EVENT_GUEST_UP)
		guests->stale = true;
	return guests->nbatch == EVENTS_MAX && !guests_flush(guests) ? -EAGAIN : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guests.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/account.h"
#include "daemon/acts.h"
#include "daemon/bpf.h"
#include "daemon/clock.h"
#include "daemon/device.h"
#include "daemon/guard.h"
#include "daemon/names.h"
#include "daemon/roles.h"
#include "daemon/vmm.h"
#include "daemon/vmm_args.h"
#include "daemon/window.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/proc.h"
#include "lib/util.h"

/*
 * So long new guests are taken in at a time, and so long introspectors started for
 * them: who makes many keeps us from nothing else.
 */
#define ADD_US 100000ull
/* So long a guest waits for its turn to be named, where others hold that up. */
#define UNNAMED_US 30000000ull
/* So long is waited for the last events of a guest that is gone. */
#define SETTLE_NS 5000000000ull
#define KEEP_EVERY 20	/* refreshes */

struct guest {
	struct guest *next;
	uint64_t id;
	uint32_t vmm_pid, cid;
	char name[TEXT_NAME];	/* as its VMM had it when it came */
	int fd;
	int vmm_pidfd;		/* -1: that process is not certain to be the VMM */
	struct role *introspector;
	uint32_t level;		/* KVM_WARDEN_LEVEL_* */
	bool lower;		/* the module is still to be told level: it counts as off */
	bool refused;		/* and does not take it */
	struct account account;
	struct m_counters last;	/* reported */
	struct vmm_args *asked;	/* for its name */
	uint64_t came;		/* us */
	uint32_t args_cid;	/* by its VMM's command line; 0: none */
	bool cid_seen;		/* by BPF: cid is what its VMM set */
	bool named;		/* it has a name, or none will be known */
	bool silent;		/* its VMM did not say */
	uint64_t marked;	/* guard_watch() */
	uint64_t gone;		/* since, ns */
	bool announced;		/* to the engine that runs */
	bool seen;		/* by the refresh under way */
};

struct guests {
	int device;
	const struct config *config;
	int engine;		/* -1: down */
	struct bpf *bpf;	/* NULL: sweeps alone */
	struct guard *guard;
	struct roles *roles;
	struct guest *list;
	struct guest *gone;	/* their last events are under way */
	struct window window;
	bool stale;		/* an event told of a guest that may be new, or the engine is */
	bool asking;		/* VMMs, for names */
	uint64_t newest;	/* of the ids that were looked at */
	unsigned int refreshes;
};

struct guests *guests_new(int device, const struct config *config)
{
	struct guests *guests = calloc(1, sizeof(*guests));

	if (!guests)
		fatal("out of memory");
	guests->device = device;
	guests->config = config;
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

static struct guest *find_in(struct guest *g, uint64_t id)
{
	while (g && g->id != id)
		g = g->next;
	return g;
}

static struct guest *find(struct guests *guests, uint64_t id)
{
	return find_in(guests->list, id);
}

static void tell(struct guests *guests, const struct msg_schema *schema,
		 const void *message, int fd)
{
	roles_tell_engine(guests->roles, schema, 0, message, fd);
}

/* ---- coming ---- */

/* Nothing of it is looked at before it is known what may be. */
static uint32_t level_now(const struct guest *g)
{
	return !g->named || g->lower ? KVM_WARDEN_LEVEL_OFF : g->level;
}

static void tell_up(struct guests *guests, const struct guest *g)
{
	struct m_guest_up message = {
		.guest = g->id, .vmm_pid = g->vmm_pid, .level = level_now(g), .unnamed = !g->named,
		.marked = g->marked,
	};

	memcpy(message.name, g->name, sizeof(message.name));
	tell(guests, &msg_guest_up, &message, -1);
}

static void tell_name(struct guests *guests, const struct guest *g)
{
	struct m_guest_named message = { .guest = g->id, .level = level_now(g) };

	memcpy(message.name, g->name, sizeof(message.name));
	tell(guests, &msg_guest_named, &message, -1);
}

/* 0: it has none. */
static void tell_cid(struct guests *guests, struct guest *g, uint32_t cid, bool seen)
{
	struct m_guest_cid message = { .guest = g->id, .cid = cid };

	strcpy(message.source, seen ? "bpf" : cid ? "command line" : "");
	tell(guests, &msg_guest_cid, &message, -1);
	if (!cid)
		log_info("guest %llu has vsock CID %u no longer", (unsigned long long)g->id, g->cid);
	else if (g->cid != cid)
		log_info("guest %llu has vsock CID %u (from %s)",
			 (unsigned long long)g->id, cid, message.source);
	g->cid = cid;
	g->cid_seen = seen;
}

/* Its number is its own still. */
static bool vmm_lives(const struct guest *g)
{
	return g->vmm_pidfd >= 0 && !proc_has_ended(g->vmm_pidfd);
}

/* BPF knows processes: one with several guests has several CIDs. */
static bool is_alone(struct guests *guests, const struct guest *g)
{
	for (struct guest *other = guests->list; other; other = other->next)
		if (other != g && other->vmm_pid == g->vmm_pid && vmm_lives(other))
			return false;
	return true;
}

/* What the VMM did outranks what its command line says. */
static void refresh_cid(struct guests *guests, struct guest *g)
{
	uint32_t cid = guests->bpf ? bpf_cid(guests->bpf, g->vmm_pid) : 0;
	bool seen = cid;

	if (!vmm_lives(g) || !is_alone(guests, g))
		return;
	if (!seen)
		cid = g->args_cid;
	if (cid != g->cid || seen != g->cid_seen)
		tell_cid(guests, g, cid, seen);
}

/* Before another's claim is told: it may be to the same one. */
static void drop_cids(struct guests *guests)
{
	for (struct guest *g = guests->list; g; g = g->next)
		if (g->cid && (!vmm_lives(g) ||
			       (g->cid_seen && !bpf_has_cid(guests->bpf, g->vmm_pid, g->cid))))
			tell_cid(guests, g, 0, false);
}

/* By the module's word of this moment. */
static bool is_vmm(int guest_fd, uint32_t pid)
{
	struct kvm_warden_guest_info now = { 0 };

	return !device_guest_info(guest_fd, &now) && now.vmm_pid == pid;
}

/*
 * Taken as early as can be, and only while the module, which knows the VMM's end, still
 * names that process: what a host does to a VMM later must not hit one that got its
 * number since.
 */
static int hold_vmm(int guest_fd, uint32_t pid)
{
	autofd int pidfd = syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0 || !is_vmm(guest_fd, pid))
		return -1;
	return util_steal_fd(&pidfd);
}

/*
 * The file lowers a guest's level and never raises it: what an operator lowered
 * since stays so over a restart.
 */
static void choose_level(struct guests *guests, struct guest *g)
{
	/* Whose it is that nobody could learn, it may be the one that is to be looked at least. */
	uint32_t most = g->silent && !g->name[0] ? config_least_level(guests->config) :
						   config_level(guests->config, g->name);

	g->lower = most < g->level;
	g->level = MIN(g->level, most);
}

static void tell_level(struct guests *guests, const struct guest *g)
{
	struct m_guest_level message = { .guest = g->id, .level = g->level };

	log_info("guest %llu: level %s", (unsigned long long)g->id, guest_level_name(g->level));
	if (g->announced)
		tell(guests, &msg_guest_level, &message, -1);
}

/* Its folder in sysfs comes a moment after it. */
static void lower_level(struct guests *guests, struct guest *g)
{
	int r = device_set_level(g->id, g->level);

	g->lower = r != 0;
	if (!r)
		tell_level(guests, g);
	else if (r != -ENOENT && !g->refused)
		log_err("guest %llu: the module does not take level %s: %s: the guest is not looked at",
			(unsigned long long)g->id, guest_level_name(g->level), strerror(-r));
	g->refused = r && r != -ENOENT;
}

static void stop_asking(struct guest *g)
{
	if (g->asked)
		vmm_args_end(g->asked);
	g->asked = NULL;
}

static void add(struct guests *guests, const struct kvm_warden_guest_info *info)
{
	int fd = device_open_guest(guests->device, info->guest);
	struct guest **last = &guests->list;
	struct guest *g;

	guests->newest = MAX(guests->newest, info->guest);
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
		.id = info->guest, .vmm_pid = info->vmm_pid,
		.fd = fd, .vmm_pidfd = hold_vmm(fd, info->vmm_pid), .seen = true,
		.level = info->level, .came = now_us(),
	};
	/* Behind those that were here before: it takes nothing from them. */
	while (*last)
		last = &(*last)->next;
	*last = g;
	g->marked = guard_watch(guests->guard, g->id, g->vmm_pid, g->vmm_pidfd);
	log_info("guest %llu is up: VMM %u, flags %#x", (unsigned long long)g->id,
		 g->vmm_pid, info->flags);
}

/* ---- its name ---- */

/* Another guest of the same process, which is asked once. */
static const struct guest *sibling(const struct guests *guests, const struct guest *g)
{
	for (const struct guest *other = guests->list; other; other = other->next)
		if (other != g && other->vmm_pid == g->vmm_pid && (other->asked || other->named) &&
		    vmm_lives(other))
			return other;
	return NULL;
}

/* By what its VMM said, which is kept; or by what is kept. */
static void give_name(struct guests *guests, struct guest *g, const char *said)
{
	g->silent = !said;
	if (said) {
		strcpy(g->name, said);
		names_keep(guests->config->run_dir, g->id, g->name);
	} else {
		names_find(guests->config->run_dir, g->id, g->name);
	}
	g->named = true;
	choose_level(guests, g);
	if (g->announced)
		tell_name(guests, g);
}

static void take_answer(struct guests *guests, struct guest *g, const char *args, size_t len)
{
	char said[TEXT_NAME];

	vmm_parse_name(args, len, said, sizeof(said));
	g->args_cid = vmm_parse_cid(args, len);
	give_name(guests, g, said);
}

static void ask_for_name(struct guests *guests, struct guest *g)
{
	const struct guest *other = sibling(guests, g);
	enum vmm_answer answer = VMM_SILENT;
	const char *args;
	size_t len;

	if (other) {
		stop_asking(g);
		g->args_cid = other->args_cid;
		if (other->named)
			give_name(guests, g, other->silent ? NULL : other->name);
		return;
	}
	if (!g->asked)
		g->asked = vmm_args_ask(g->vmm_pid);
	guests->asking |= g->asked != NULL;
	if (!g->asked && now_us() - g->came < UNNAMED_US)
		return;
	if (g->asked)
		answer = vmm_args_look(g->asked, &args, &len);
	if (answer == VMM_ASKED)
		return;
	/* What was read is of no other process, nor of another program. */
	if (answer == VMM_ANSWERED && len && g->vmm_pidfd >= 0 && is_vmm(g->fd, g->vmm_pid))
		take_answer(guests, g, args, len);
	else
		give_name(guests, g, NULL);
	stop_asking(g);
}

/* Before its events. */
static void announce(struct guests *guests, struct guest *g)
{
	tell_up(guests, g);
	g->announced = true;
}

/*
 * Its guest fd may have hung up: then the introspector ends, and drop() follows.
 * Nobody is there to look into one whose level is off.
 */
static void look_into(struct guests *guests, struct guest *g)
{
	if (g->lower)
		lower_level(guests, g);
	if (level_now(g) != KVM_WARDEN_LEVEL_OFF && !g->introspector)
		g->introspector = roles_add_introspector(guests->roles, g->id, g->fd);
}

static void tend(struct guests *guests)
{
	struct guest *g;
	uint64_t end;

	if (guests->bpf)
		bpf_look_at_cids(guests->bpf);
	drop_cids(guests);
	for (g = guests->list; g; g = g->next) {
		if (!g->announced)
			announce(guests, g);
		if (!g->named)
			ask_for_name(guests, g);
		/* By its CID an agent is bound to its name, so that comes after it. */
		if (g->named)
			refresh_cid(guests, g);
	}
	end = now_us() + ADD_US;
	for (g = guests->list; g && now_us() < end; g = g->next)
		if (g->named)
			look_into(guests, g);
}

void guests_name(struct guests *guests)
{
	const uint64_t end = now_us() + ADD_US;

	guests->asking = false;
	for (struct guest *g = guests->list; g && guests->engine >= 0; g = g->next) {
		if (g->named || !g->announced)
			continue;
		ask_for_name(guests, g);
		if (g->named && now_us() < end)
			look_into(guests, g);
	}
}

bool guests_asking(const struct guests *guests)
{
	return guests->asking;
}

/* What the introspector of the old level knew goes with it. */
static void take_level(struct guests *guests, struct guest *g, uint32_t level)
{
	if (g->lower || g->level == level)
		return;
	g->level = level;
	if (!g->named)
		return;
	tell_level(guests, g);
	if (g->introspector)
		roles_remove(guests->roles, g->introspector);
	g->introspector = NULL;
}

void guests_introspector_up(void *arg, uint64_t guest, int sock)
{
	struct guests *guests = arg;
	struct guest *g = find(guests, guest);
	struct m_role_state message = { .state = ROLE_UP, .guest = guest, .role = "introspect" };

	if (g)
		tell(guests, &msg_role_state, &message, sock);
	close(sock);
}

/* ---- going ---- */

/* What it emitted last is still on its way: its numbers follow. */
static void drop(struct guests *guests, struct guest *g)
{
	struct m_guest_down message = { .guest = g->id };

	log_info("guest %llu is gone", (unsigned long long)g->id);
	if (g->announced)
		tell(guests, &msg_guest_down, &message, -1);
	if (g->introspector)
		roles_remove(guests->roles, g->introspector);
	stop_asking(g);
	guard_forget(guests->guard, g->id);
	names_forget(guests->config->run_dir, g->id);
	close(g->fd);
	if (g->vmm_pidfd >= 0)
		close(g->vmm_pidfd);
	g->gone = now_ns();
	g->next = guests->gone;
	guests->gone = g;
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

static bool is_known(void *arg, uint64_t id)
{
	struct guests *guests = arg;
	struct kvm_warden_guest_info info = { .guest = id - 1 };

	return find(guests, id) || find_in(guests->gone, id) ||
	       (device_next_guest(guests->device, &info) && info.guest == id);
}

static void settle_gone(struct guests *guests);

void guests_meet(struct guests *guests)
{
	struct kvm_warden_guest_info info = { .guest = guests->newest };

	if (guests->stale || device_next_guest(guests->device, &info))
		guests_refresh(guests);
}

/* So that those which are there have their share of the ring, and no others. */
static void tend_bpf(struct guests *guests)
{
	bool keep = guests->refreshes++ % KEEP_EVERY == 0;

	if (keep && guests->guard)
		guard_keep(guests->guard, is_known, guests);
	if (!guests->bpf)
		return;
	bpf_share(guests->bpf, guests_count(guests));
	if (keep)
		bpf_keep(guests->bpf, is_known, guests);
}

void guests_refresh(struct guests *guests)
{
	struct kvm_warden_guest_info info = { 0 };
	const uint64_t end = now_us() + ADD_US;

	if (guests->engine < 0)
		return;
	guests->stale = false;
	for (struct guest *g = guests->list; g; g = g->next)
		g->seen = false;
	while (device_next_guest(guests->device, &info)) {
		struct guest *g = find(guests, info.guest);

		if (g) {
			g->seen = true;
			take_level(guests, g, info.level);
		} else if (now_us() < end) {
			add(guests, &info);
		}
	}
	drop_unseen(guests);
	settle_gone(guests);
	tend_bpf(guests);
	tend(guests);
}

bool guests_find_vmm(void *arg, uint64_t guest, struct vmm *ret_vmm)
{
	struct guests *guests = arg;
	struct kvm_warden_guest_info info = { 0 };
	struct guest *g = find(guests, guest);

	if (!g || device_guest_info(g->fd, &info))
		return false;
	/* A guest may live on without it: it can be contained, and nobody be asked. */
	*ret_vmm = (struct vmm){
		.pid = g->vmm_pid, .pidfd = info.vmm_pid == g->vmm_pid ? g->vmm_pidfd : -1,
	};
	return true;
}

/* ---- numbers ---- */

static void look_up(struct guests *guests, const struct guest *g, struct look *look)
{
	if (guests->bpf)
		bpf_counts(guests->bpf, g->id, &look->counts, &look->delivered);
}

static void report(struct guests *guests, struct guest *g)
{
	struct kvm_warden_guest_info info = { 0 };
	struct look look = { 0 };

	if (device_guest_info(g->fd, &info))
		return;
	look.emitted = info.emitted;
	look_up(guests, g, &look);
	if (device_guest_info(g->fd, &info))
		return;
	look.emitted_after = info.emitted;
	g->last = (struct m_counters){
		.guest = g->id, .exits = info.exits, .seen_again = info.seen_again,
		.address_spaces = info.address_spaces, .vcpus = info.vcpus, .flags = info.flags,
	};
	account_add_up(&g->account, &look, &g->last);
	device_tell(guests->device, &g->last);
	tell(guests, &msg_counters, &g->last, -1);
}

void guests_report(struct guests *guests)
{
	for (struct guest *g = guests->list; g; g = g->next)
		report(guests, g);
}

/* False: its last events are still to come. */
static bool settle(struct guests *guests, struct guest *g)
{
	struct look look = { 0 };

	look_up(guests, g, &look);
	if (guests->bpf && now_ns() - g->gone < SETTLE_NS &&
	    (!look.counts.last || look.delivered < look.counts.submitted))
		return false;
	g->last.guest = g->id;
	g->last.last = 1;
	account_close(&g->account, &look, &g->last);
	tell(guests, &msg_counters, &g->last, -1);
	if (guests->bpf)
		bpf_forget(guests->bpf, g->id);
	return true;
}

static void settle_gone(struct guests *guests)
{
	struct guest **at = &guests->gone;

	while (*at) {
		struct guest *g = *at;

		if (!settle(guests, g)) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		free(g);
	}
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
	guests->stale = true;
}

/*
 * Its introspectors lost their peer too.  The next engine is told of every
 * guest anew; what was counted stays, and events it had not taken are for it.
 */
void guests_engine_down(void *arg)
{
	struct guests *guests = arg;

	guests->engine = -1;
	window_resend(&guests->window);
	for (struct guest *g = guests->list; g; g = g->next) {
		if (g->introspector)
			roles_remove(guests->roles, g->introspector);
		g->introspector = NULL;
		g->announced = false;
		g->cid = 0;
		g->cid_seen = false;
	}
}

void guests_free(struct guests *guests)
{
	free(guests);
}

/* ---- events ---- */

bool guests_flush(struct guests *guests)
{
	if (guests->stale)
		guests_refresh(guests);
	if (guests->engine >= 0)
		window_send(&guests->window, guests->engine);
	return !window_is_full(&guests->window);
}

int guests_event(void *arg, const struct kvm_warden_event *event)
{
	struct guests *guests = arg;

	/* Never past the end, whatever the caller does with the answer. */
	if (!window_add(&guests->window, event))
		return -EAGAIN;
	/* An event may be ahead of our look at the list. */
	if (event->type == KVM_WARDEN_EVENT_GUEST_UP)
		guests->stale = true;
	return window_is_full(&guests->window) ? -EAGAIN : 0;
}

static void note_lag(struct guests *guests, const struct kvm_warden_event *e, uint64_t now)
{
	struct guest *g = find(guests, e->guest);

	if (!g)
		return;
	g->account.lagged++;
	g->account.lag_us += now > e->time_ns ? (now - e->time_ns) / 1000 : 0;
}

/* Of a guest that nobody knows, too: what it holds of the ring is free again. */
static void count_delivered(struct guests *guests, const struct m_events *batch, unsigned n)
{
	uint64_t now = now_ns();
	struct kvm_warden_event e, next;
	unsigned int run = 0;

	for (unsigned int i = 0; i < n; i++) {
		memcpy(&e, batch->events.data + i * sizeof(e), sizeof(e));
		memcpy(&next, batch->events.data + (i + 1 < n ? i + 1 : i) * sizeof(e), sizeof(e));
		note_lag(guests, &e, now);
		run++;
		if (i + 1 < n && next.guest == e.guest)
			continue;
		if (guests->bpf)
			bpf_delivered(guests->bpf, e.guest, run);
		run = 0;
	}
}

bool guests_taken(struct guests *guests, const struct msg *m)
{
	const struct m_events *batch;
	struct m_taken taken;

	if (!msg_decode(m, &msg_taken, &taken))
		return false;
	batch = window_taken(&guests->window, taken.events);
	if (batch)
		count_delivered(guests, batch, taken.events);
	return batch != NULL;
}

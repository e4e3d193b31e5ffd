// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guard.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/guard_children.h"
#include "daemon/guard_queue.h"
#include "daemon/profile.h"
#include "daemon/roles.h"
#include "guard.skel.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/proc.h"
#include "lib/util.h"

#define LSM_LIST "/sys/kernel/security/lsm"
#define LINKS_MAX 64

struct watched {
	struct watched *next;
	uint64_t guest, delivered;
	uint32_t vmm;
	bool down;			/* kept while a process of its VMM lives */
};

struct guard {
	struct profile profile;
	struct guard_bpf *bpf;		/* NULL: off */
	struct bpf_link *link[LINKS_MAX];
	unsigned nlinks, hooks;
	bool lsm;			/* hooks that can deny; else those that see */
	struct ring_buffer *ring;
	struct watched *list;
	struct guard_queue queue;
	char why[TEXT_WHY];		/* off, or without LSM programs: why */
	char missing[TEXT_WHY];		/* hooks this kernel has not, and what else is needed */
};

/* ---- loading ---- */

static void note_missing(struct guard *g, const char *hook)
{
	size_t used = strlen(g->missing);

	snprintf(g->missing + used, sizeof(g->missing) - used, "%s%s", used ? " " : "", hook);
}

/* The function that the hook is attached to; false: none is needed. */
static bool hook_function(const struct bpf_program *program, char out[128])
{
	const char *section = bpf_program__section_name(program);

	if (!strncmp(section, "lsm/", 4))
		snprintf(out, 128, "bpf_lsm_%s", section + 4);
	else if (!strncmp(section, "fentry/", 7))
		snprintf(out, 128, "%s", section + 7);
	else if (!strncmp(section, "fexit/", 6))
		snprintf(out, 128, "%s", section + 6);
	else
		return false;
	return true;
}

static bool is_lsm(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_LSM;
}

/* Functions that call hooks are for where those do not run; others are for both. */
static bool is_of_other_set(const struct guard *g, const struct bpf_program *program,
			    const char *function)
{
	if (is_lsm(program))
		return !g->lsm;
	return g->lsm && !strncmp(function, "security_", 9);
}

/* One of the two sets, without what this kernel has no function for. */
static void choose_programs(struct guard *g, const struct btf *btf)
{
	struct bpf_program *program;
	char function[128];

	bpf_object__for_each_program(program, g->bpf->obj) {
		if (!hook_function(program, function))
			continue;
		if (is_of_other_set(g, program, function)) {
			bpf_program__set_autoload(program, false);
		} else if (btf__find_by_name_kind(btf, function, BTF_KIND_FUNC) < 0) {
			bpf_program__set_autoload(program, false);
			note_missing(g, function);
		}
	}
}

static int attach_programs(struct guard *g)
{
	struct bpf_program *program;
	char function[128];

	bpf_object__for_each_program(program, g->bpf->obj) {
		struct bpf_link *link;

		if (!bpf_program__autoload(program) ||
		    bpf_program__type(program) == BPF_PROG_TYPE_SYSCALL)
			continue;
		link = bpf_program__attach(program);
		if (!link && !hook_function(program, function)) {
			snprintf(g->why, sizeof(g->why), "cannot attach %s: %s",
				 bpf_program__section_name(program), strerror(errno));
			return -1;
		}
		if (!link) {
			note_missing(g, function);
			continue;
		}
		g->link[g->nlinks++] = link;
		g->hooks += hook_function(program, function);
	}
	/* No hook, but what a VMM's children of before are found by. */
	if (!guard_children_can())
		note_missing(g, "/proc/PID/task/TID/children");
	return 0;
}

static void put_settings(struct guard *g)
{
	struct warden_guard_settings settings = {
		.families = g->profile.families,
		.startup_ns = g->profile.startup_s * 1000000000ull,
		.deny = g->profile.mode == GUARD_MODE_DENY, .warden = getpid(),
	};
	uint32_t zero = 0;

	bpf_map_update_elem(bpf_map__fd(g->bpf->maps.settings), &zero, &settings, BPF_ANY);
}

static int put_profile(struct guard *g)
{
	int fd = bpf_map__fd(g->bpf->maps.profile);

	put_settings(g);
	for (unsigned i = 0; i < g->profile.n; i++) {
		const struct profile_rule *r = &g->profile.rule[i];
		struct warden_guard_key key = { .bits = r->len * 8 };

		memcpy(key.path, r->path, r->len);
		if (!bpf_map_update_elem(fd, &key, &r->rights, BPF_ANY))
			continue;
		snprintf(g->why, sizeof(g->why), "the kernel does not take the profile: %s",
			 strerror(errno));
		return -1;
	}
	return 0;
}

static void unload(struct guard *g)
{
	while (g->nlinks)
		bpf_link__destroy(g->link[--g->nlinks]);
	guard_bpf__destroy(g->bpf);
	g->bpf = NULL;
	g->hooks = 0;
	g->missing[0] = '\0';
}

static int load(struct guard *g, const struct btf *btf, bool lsm)
{
	g->lsm = lsm;
	g->bpf = guard_bpf__open();
	if (!g->bpf) {
		snprintf(g->why, sizeof(g->why), "%s", strerror(errno));
		return -1;
	}
	choose_programs(g, btf);
	if (guard_bpf__load(g->bpf)) {
		snprintf(g->why, sizeof(g->why), "the kernel does not take its programs: %s",
			 strerror(errno));
		return -1;
	}
	return put_profile(g) || attach_programs(g) ? -1 : 0;
}

/*
 * Programs can be attached to LSM hooks that no one calls.  So a file is opened,
 * and it is looked whether they saw it.
 */
static bool lsm_programs_run(struct guard *g)
{
	g->bpf->bss->probe_tgid = getpid();
	autofd int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	g->bpf->bss->probe_tgid = 0;
	return *(volatile uint32_t *)&g->bpf->bss->probe_seen;
}

/* The kernel's own list, if it is shown. */
static void say_no_lsm(struct guard *g)
{
	char list[128] = "";
	autofile FILE *f = fopen(LSM_LIST, "re");

	if (f && fgets(list, sizeof(list), f))
		list[strcspn(list, "\n")] = '\0';
	snprintf(g->why, sizeof(g->why), "the kernel calls no BPF LSM programs: bpf is not in its"
		 " list of security modules (boot parameter lsm=; now %s)", list[0] ? list : "not shown");
}

static int load_best(struct guard *g)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool works;

	if (!btf) {
		snprintf(g->why, sizeof(g->why), "the kernel does not describe its types (BTF)");
		return -1;
	}
	works = !load(g, btf, true);
	if (works && !lsm_programs_run(g)) {
		say_no_lsm(g);
		works = false;
	}
	if (!works) {
		char why[TEXT_WHY];

		strcpy(why, g->why);
		unload(g);
		works = !load(g, btf, false);
		if (works)
			strcpy(g->why, why);
	}
	btf__free(btf);
	return works ? 0 : -1;
}

/* ---- watching ---- */

static struct watched *find(struct guard *g, uint64_t guest)
{
	struct watched *w = g->list;

	while (w && w->guest != guest)
		w = w->next;
	return w;
}

static struct watched *find_or_add(struct guard *g, uint64_t guest)
{
	struct watched *w = find(g, guest);

	if (w)
		return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		fatal("out of memory");
	w->guest = guest;
	w->down = true;			/* until its VMM is watched */
	w->next = g->list;
	g->list = w;
	return w;
}

static bool has_other_guest(const struct guard *g, const struct watched *of)
{
	const struct watched *w = g->list;

	while (w && (w == of || w->down || w->vmm != of->vmm))
		w = w->next;
	return w;
}

/* The first guest of its VMM that was watched: that one's name is on what its processes do. */
static uint64_t marked_as(struct guard *g, uint32_t vmm)
{
	struct warden_guard_mark mark;

	return bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.watched), &vmm, &mark) ? 0 : mark.guest;
}

/* What a VMM forked before it was watched. */
static void watch_children(struct guard *g, uint64_t guest, uint32_t vmm)
{
	const struct guard_children_fds fds = {
		.watch = bpf_program__fd(g->bpf->progs.watch_known_child),
		.forget = bpf_program__fd(g->bpf->progs.forget_known_child),
		.profile = bpf_map__fd(g->bpf->maps.profile),
	};

	guard_children_watch(&fds, guest, vmm);
}

uint64_t guard_watch(struct guard *g, uint64_t guest, uint32_t vmm, int pidfd)
{
	/* What began while we watched has its start from its first exit's event. */
	struct warden_guard_mark mark = { .guest = guest, .vmm = vmm, .since = 0 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &mark, .ctx_size_in = sizeof(mark));
	struct watched *w;

	if (!g->bpf)
		return 0;
	w = find_or_add(g, guest);
	w->down = false;
	w->vmm = vmm;
	/* Its number may be another's by now: nobody is watched who is no VMM. */
	if (pidfd < 0) {
		log_info("guest %llu: its VMM has ended: not watched", (unsigned long long)guest);
		return 0;
	}
	if (bpf_prog_test_run_opts(bpf_program__fd(g->bpf->progs.watch_vmm), &run))
		log_err("VMM %u of guest %llu is not watched: %s", vmm,
			(unsigned long long)guest, strerror(errno));
	else if (!run.retval)
		log_err("VMM %u of guest %llu is not watched, or not counted: no room for another"
			" process or guest", vmm, (unsigned long long)guest);
	/* It may have ended before it was watched, when nothing looked out for its end. */
	if (proc_has_ended(pidfd)) {
		bpf_prog_test_run_opts(bpf_program__fd(g->bpf->progs.forget_vmm), &run);
		return 0;
	}
	/* However many guests it has, once: what it forked since is watched. */
	if (!has_other_guest(g, w))
		watch_children(g, guest, vmm);
	return marked_as(g, vmm);
}

void guard_forget(struct guard *g, uint64_t guest)
{
	struct watched *w = find(g, guest);

	if (w)
		w->down = true;
}

static bool read_counts(struct guard *g, uint64_t guest, struct warden_guard_counts *ret)
{
	return !bpf_map_lookup_elem(bpf_map__fd(g->bpf->maps.guard_counts), &guest, ret);
}

static void report(const struct watched *w, const struct warden_guard_counts *c,
		   struct roles *roles)
{
	struct m_guard_counts m = {
		.guest = w->guest, .processes = c->processes, .unwatched = c->unwatched,
		.violations = c->violations, .denied = c->denied, .delivered = w->delivered,
		.dropped = c->dropped, .suppressed = c->over_budget,
	};

	roles_tell_engine(roles, &msg_guard_counts, 0, &m, -1);
}

static bool is_accounted(const struct watched *w, const struct warden_guard_counts *c)
{
	return w->delivered + c->dropped + c->over_budget >= c->violations;
}

/* Once its guest is gone, and every process of its VMM, nothing more is counted. */
void guard_report(struct guard *g, struct roles *roles)
{
	struct watched **at = &g->list;

	while (*at) {
		struct watched *w = *at;
		struct warden_guard_counts counts = { 0 };

		read_counts(g, w->guest, &counts);
		if (!w->down) {
			report(w, &counts, roles);
		} else if (!counts.processes && is_accounted(w, &counts)) {
			bpf_map_delete_elem(bpf_map__fd(g->bpf->maps.guard_counts), &w->guest);
			*at = w->next;
			free(w);
			continue;
		}
		at = &w->next;
	}
}

/* Those of the list go in guard_report(). */
void guard_keep(struct guard *g, bool (*is_known)(void *arg, uint64_t guest), void *arg)
{
	uint64_t gone[WARDEN_GUARD_GUESTS], guest, *at = NULL;
	struct warden_guard_counts counts;
	unsigned n = 0;
	int fd;

	if (!g->bpf)
		return;
	fd = bpf_map__fd(g->bpf->maps.guard_counts);
	while (n < ARRAY_SIZE(gone) && !bpf_map_get_next_key(fd, at, &guest)) {
		at = &guest;
		if (!find(g, guest) && read_counts(g, guest, &counts) && !counts.processes &&
		    !is_known(arg, guest))
			gone[n++] = guest;
	}
	while (n)
		bpf_map_delete_elem(fd, &gone[--n]);
}

/* ---- what was found ---- */

static int on_incident(void *ctx, void *data, size_t size)
{
	struct guard *g = ctx;

	if (size != sizeof(struct warden_guard_event))
		return 0;
	guard_queue_add(&g->queue, data);
	/* This one is taken all the same. */
	return guard_queue_has_room(&g->queue) ? 0 : -EAGAIN;
}

void guard_collect(struct guard *g)
{
	guard_queue_refill(&g->queue);
	if (g->ring && guard_queue_has_room(&g->queue))
		ring_buffer__consume(g->ring);
}

bool guard_send(struct guard *g, int engine)
{
	return guard_queue_send(&g->queue, engine);
}

static void on_delivered(void *arg, uint64_t guest)
{
	find_or_add(arg, guest)->delivered++;
}

bool guard_taken(struct guard *g, const struct msg *m)
{
	struct m_guard_taken taken;

	return msg_decode(m, &msg_guard_taken, &taken) &&
	       guard_queue_taken(&g->queue, &taken, on_delivered, g);
}

bool guard_judged(struct guard *g, const struct msg *m)
{
	struct m_guard_judged judged;

	return msg_decode(m, &msg_guard_judged, &judged) &&
	       guard_queue_judged(&g->queue, judged.guest, on_delivered, g);
}

void guard_engine_down(struct guard *g)
{
	guard_queue_engine_down(&g->queue);
}

/* ---- life ---- */

static int start(struct guard *g, const struct config *config)
{
	if (g->profile.missing) {
		snprintf(g->why, sizeof(g->why), "%.200s is not there", config->guard);
		return -1;
	}
	if (g->profile.mode == GUARD_MODE_OFF || !config->bpf) {
		strcpy(g->why, config->bpf ? "switched off in its profile" :
		       "BPF is switched off in the configuration");
		return -1;
	}
	if (load_best(g))
		return -1;
	g->ring = ring_buffer__new(bpf_map__fd(g->bpf->maps.incidents), on_incident, g, NULL);
	if (!g->ring)
		snprintf(g->why, sizeof(g->why), "no ring buffer: %s", strerror(errno));
	return g->ring ? 0 : -1;
}

struct guard *guard_start(const struct config *config)
{
	struct guard *g = calloc(1, sizeof(*g));

	if (!g)
		fatal("out of memory");
	if (profile_load(config->guard, &g->profile)) {
		free(g);
		return NULL;
	}
	if (start(g, config)) {
		unload(g);
		log_warn("VMMs are not guarded: %s", g->why);
	} else if (!g->lsm) {
		log_warn("VMMs are guarded with less, and nothing is denied: %s", g->why);
	} else {
		log_info("VMMs are guarded: %u hooks, %s", g->hooks,
			 g->profile.mode == GUARD_MODE_DENY ? "what is found is denied" : "finding alone");
	}
	return g;
}

void guard_stop(struct guard *g)
{
	ring_buffer__free(g->ring);
	guard_queue_free(&g->queue);
	unload(g);
	while (g->list) {
		struct watched *next = g->list->next;

		free(g->list);
		g->list = next;
	}
	free(g);
}

int guard_fd(const struct guard *g)
{
	return g->ring ? ring_buffer__epoll_fd(g->ring) : -1;
}

void guard_state(const struct guard *g, struct m_guard_state *ret)
{
	*ret = (struct m_guard_state){
		.mode = g->profile.mode, .hooks = g->hooks, .rules = g->profile.n,
		.state = !g->bpf ? GUARD_IS_OFF : g->lsm ? GUARD_IS_WHOLE : GUARD_IS_DEGRADED,
	};
	text_escape(ret->why, sizeof(ret->why), g->why, strlen(g->why));
	text_escape(ret->missing, sizeof(ret->missing), g->missing, strlen(g->missing));
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/kvm_warden.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cid.skel.h"
#include "daemon/clock.h"
#include "daemon/ledger.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "warden.skel.h"

struct bpf {
	struct warden_bpf *events;
	struct cid_bpf *cids;		/* NULL: not to be had */
	char cids_why[TEXT_WHY];
	uint64_t cids_again;		/* ns; not before */
	struct warden_cid held[WARDEN_MAX_GUESTS];
	uint32_t nheld;
	struct ring_buffer *ring;
	bpf_event_fn *fn;
	void *arg;
	unsigned int left;		/* of this draining */
};

/* One draining: a guest that fills as fast as we drain must not hold us here. */
#define DRAIN_MAX 4096

static int on_sample(void *ctx, void *data, size_t size)
{
	struct bpf *bpf = ctx;
	int r;

	if (size != sizeof(struct kvm_warden_event))
		return 0;
	r = bpf->fn(bpf->arg, data);
	return r ? r : --bpf->left ? 0 : -EAGAIN;
}

/* What cannot be attached now may be later, but each try costs a look at the kernel's types. */
#define CIDS_AGAIN_NS (30 * 1000000000ull)
#define VSOCK "/sys/module/vhost_vsock"

/* libbpf's own lines go to the log where they say what failed. */
static int on_print(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (level == LIBBPF_WARN)
		log_warn("%s", line);
	else
		log_debug("%s", line);
	return 0;
}

static void start_cids(struct bpf *bpf)
{
	bpf->cids = cid_bpf__open_and_load();
	if (bpf->cids && !cid_bpf__attach(bpf->cids)) {
		bpf->cids_why[0] = '\0';
		return;
	}
	if (access(VSOCK, F_OK)) {
		strcpy(bpf->cids_why, "vhost_vsock is not loaded");
	} else {
		snprintf(bpf->cids_why, sizeof(bpf->cids_why), "cannot attach to vhost_vsock: %s",
			 strerror(errno));
		bpf->cids_again = now_ns() + CIDS_AGAIN_NS;
	}
	cid_bpf__destroy(bpf->cids);
	bpf->cids = NULL;
}

bool bpf_look_for_cids(struct bpf *bpf)
{
	char before[TEXT_WHY];

	if (bpf->cids || now_ns() < bpf->cids_again || access(VSOCK, F_OK))
		return false;
	strcpy(before, bpf->cids_why);
	start_cids(bpf);
	if (!strcmp(before, bpf->cids_why))
		return false;
	if (bpf->cids)
		log_info("vsock CIDs are seen as VMMs set them");
	else
		log_warn("vsock CIDs are read from command lines: %s", bpf->cids_why);
	return true;
}

const char *bpf_cids_why(const struct bpf *bpf)
{
	return bpf->cids_why;
}

/* A module of before it has no such event; all else works with it. */
static void attach_msr_first(struct warden_bpf *events)
{
	events->links.on_msr_first = bpf_program__attach(events->progs.on_msr_first);
	if (!events->links.on_msr_first)
		log_warn("new kinds of MSR writes bring no check of integrity forward: %s"
			 " (an older kvm_warden module?)", strerror(errno));
}

/* The counts that go on are there before the first event is counted. */
static int load_and_attach(struct warden_bpf *events, const struct config *config)
{
	events->rodata->spaces_per_second = config->spaces_per_second;
	events->rodata->entries_per_second = config->entries_per_second;
	events->rodata->others_per_second = config->others_per_second;
	bpf_program__set_autoattach(events->progs.on_msr_first, false);
	if (warden_bpf__load(events))
		return -1;
	ledger_take_over(bpf_map__fd(events->maps.counts), bpf_map__fd(events->maps.delivered),
			 config->uid_base);
	if (warden_bpf__attach(events))
		return -1;
	if (config->integrity_seconds)
		attach_msr_first(events);
	return 0;
}

struct bpf *bpf_start(const struct config *config, bpf_event_fn *fn, void *arg,
		      char *why, size_t why_size)
{
	struct bpf *bpf = calloc(1, sizeof(*bpf));

	if (!bpf)
		return NULL;
	libbpf_set_print(on_print);
	bpf->fn = fn;
	bpf->arg = arg;
	bpf->events = warden_bpf__open();
	if (!bpf->events || load_and_attach(bpf->events, config)) {
		snprintf(why, why_size, "cannot attach to the trace events of kvm_warden: %s",
			 strerror(errno));
		goto fail;
	}
	bpf->ring = ring_buffer__new(bpf_map__fd(bpf->events->maps.events), on_sample, bpf, NULL);
	if (!bpf->ring) {
		snprintf(why, why_size, "no ring buffer: %s", strerror(errno));
		goto fail;
	}
	/* A kernel that has it built in has no folder of that name. */
	start_cids(bpf);
	if (!bpf->cids)
		log_info("vsock CIDs are read from command lines: %s", bpf->cids_why);
	return bpf;

fail:
	bpf_stop(bpf);
	return NULL;
}

void bpf_stop(struct bpf *bpf)
{
	if (!bpf)
		return;
	ring_buffer__free(bpf->ring);
	warden_bpf__destroy(bpf->events);
	cid_bpf__destroy(bpf->cids);
	free(bpf);
}

int bpf_fd(const struct bpf *bpf)
{
	return ring_buffer__epoll_fd(bpf->ring);
}

void bpf_drain(struct bpf *bpf)
{
	bpf->left = DRAIN_MAX;
	ring_buffer__consume(bpf->ring);
}

void bpf_share(struct bpf *bpf, unsigned guests)
{
	bpf->events->data->share = WARDEN_SHARE(guests);
}

static uint64_t delivered_of(struct bpf *bpf, uint64_t guest)
{
	uint64_t n;

	return bpf_map_lookup_elem(bpf_map__fd(bpf->events->maps.delivered), &guest, &n) ? 0 : n;
}

void bpf_delivered(struct bpf *bpf, uint64_t guest, unsigned events)
{
	uint64_t n = delivered_of(bpf, guest) + events;
	struct warden_guest_counts counts;

	/* Forgotten by now: nobody would forget it a second time. */
	if (bpf_map_lookup_elem(bpf_map__fd(bpf->events->maps.counts), &guest, &counts))
		return;
	bpf_map_update_elem(bpf_map__fd(bpf->events->maps.delivered), &guest, &n, BPF_ANY);
}

/* The delivered first: they are never more than the submitted. */
void bpf_counts(struct bpf *bpf, uint64_t guest, struct warden_guest_counts *ret_counts,
		uint64_t *ret_delivered)
{
	*ret_delivered = delivered_of(bpf, guest);
	if (bpf_map_lookup_elem(bpf_map__fd(bpf->events->maps.counts), &guest, ret_counts))
		memset(ret_counts, 0, sizeof(*ret_counts));
}

void bpf_forget(struct bpf *bpf, uint64_t guest)
{
	bpf_map_delete_elem(bpf_map__fd(bpf->events->maps.counts), &guest);
	bpf_map_delete_elem(bpf_map__fd(bpf->events->maps.delivered), &guest);
}

void bpf_keep(struct bpf *bpf, bool (*is_known)(void *arg, uint64_t guest), void *arg)
{
	int fd = bpf_map__fd(bpf->events->maps.counts);
	uint64_t gone[WARDEN_MAX_GUESTS], guest, *at = NULL;
	unsigned n = 0;

	while (n < ARRAY_SIZE(gone) && !bpf_map_get_next_key(fd, at, &guest)) {
		at = &guest;
		if (!is_known(arg, guest))
			gone[n++] = guest;
	}
	while (n)
		bpf_forget(bpf, gone[--n]);
}

static int by_cid(const void *a, const void *b)
{
	const struct warden_cid *x = a, *y = b;

	return x->cid != y->cid ? (x->cid > y->cid) - (x->cid < y->cid) :
	       (x->set_ns > y->set_ns) - (x->set_ns < y->set_ns);
}

void bpf_look_at_cids(struct bpf *bpf)
{
	static uint64_t devices[WARDEN_MAX_GUESTS];
	static struct warden_cid now[WARDEN_MAX_GUESTS];
	uint32_t n = ARRAY_SIZE(now), at;

	/* ENOENT is the end.  Less than a whole look says of none that it is let go. */
	if (!bpf->cids || !bpf_map_lookup_batch(bpf_map__fd(bpf->cids->maps.cids), NULL, &at,
						devices, now, &n, NULL) || errno != ENOENT)
		return;
	/* The kernel gives none away twice: of two that have one, it was let go unseen. */
	qsort(now, n, sizeof(now[0]), by_cid);
	bpf->nheld = 0;
	for (uint32_t i = 0; i < n; i++)
		if (i + 1 == n || now[i + 1].cid != now[i].cid)
			bpf->held[bpf->nheld++] = now[i];
}

uint32_t bpf_cid(const struct bpf *bpf, uint32_t vmm_pid)
{
	const struct warden_cid *last = NULL;

	for (uint32_t i = 0; i < bpf->nheld; i++)
		if (bpf->held[i].pid == vmm_pid && (!last || bpf->held[i].set_ns > last->set_ns))
			last = &bpf->held[i];
	return last ? last->cid : 0;
}

bool bpf_has_cid(const struct bpf *bpf, uint32_t vmm_pid, uint32_t cid)
{
	for (uint32_t i = 0; i < bpf->nheld; i++)
		if (bpf->held[i].pid == vmm_pid && bpf->held[i].cid == cid)
			return true;
	return false;
}

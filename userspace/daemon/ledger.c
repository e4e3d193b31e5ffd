// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/ledger.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"
#include "warden/event.h"

#define FOLDER "/sys/fs/bpf/kvm_warden"
#define COUNTS FOLDER "/counts"
#define DELIVERED FOLDER "/delivered"

/* Guests' ids begin at 1. */
#define MODULE_KEY 0ull

/*
 * Guests are numbered anew when the module is loaded anew; its folder in sysfs
 * then has another inode number, which the kernel does not give twice.
 */
static uint64_t this_module(void)
{
	struct stat st;

	return stat("/sys/kernel/kvm_warden", &st) ? 0 : st.st_ino;
}

/* Made by another release, it may be laid out in another way: -1. */
static int open_map(const char *path, uint32_t value_size)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);
	autofd int fd = bpf_obj_get(path);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) ||
	    info.type != BPF_MAP_TYPE_HASH || info.key_size != sizeof(uint64_t) ||
	    info.value_size != value_size)
		return -1;
	return util_steal_fd(&fd);
}

/* Copied, not used on: a daemon that was killed may still be counting into its own. */
static unsigned copy(int counts, int delivered, int new_counts, int new_delivered)
{
	struct warden_guest_counts c;
	uint64_t guest, *at = NULL, n;
	unsigned guests = 0;

	while (!bpf_map_get_next_key(counts, at, &guest)) {
		at = &guest;
		if (bpf_map_lookup_elem(counts, &guest, &c))
			continue;
		if (bpf_map_lookup_elem(delivered, &guest, &n))
			n = 0;
		c.submitted = n;
		bpf_map_update_elem(new_counts, &guest, &c, BPF_ANY);
		bpf_map_update_elem(new_delivered, &guest, &n, BPF_ANY);
		guests++;
	}
	return guests;
}

static bool is_of(uint32_t owner)
{
	struct stat st;

	return !lstat(FOLDER, &st) && S_ISDIR(st.st_mode) && st.st_uid == owner;
}

static void adopt(int new_counts, int new_delivered, uint64_t module)
{
	autofd int counts = open_map(COUNTS, sizeof(struct warden_guest_counts));
	autofd int delivered = open_map(DELIVERED, sizeof(uint64_t));
	uint64_t key = MODULE_KEY, of = 0;
	unsigned n;

	if (counts < 0 || delivered < 0)
		return;
	if (bpf_map_lookup_elem(delivered, &key, &of) || of != module) {
		log_info("the module was loaded anew: its guests' events are counted from 0");
		return;
	}
	n = copy(counts, delivered, new_counts, new_delivered);
	log_info("the counts of %u guest%s go on", n, n == 1 ? "" : "s");
}

static int leave(int fd, const char *path)
{
	char new[sizeof(DELIVERED) + 8];

	snprintf(new, sizeof(new), "%s_new", path);
	unlink(new);
	return bpf_obj_pin(fd, new) || rename(new, path) ? -errno : 0;
}

/* Given away last: its mode cannot be set any more then. */
static int make_folder(uint32_t owner)
{
	if (is_of(owner))
		return 0;
	if (mkdir(FOLDER, 0700) && errno != EEXIST)
		return -errno;
	return lchown(FOLDER, 0, 0) || chmod(FOLDER, 0700) || lchown(FOLDER, owner, owner) ? -errno : 0;
}

void ledger_take_over(int counts_fd, int delivered_fd, uint32_t owner)
{
	uint64_t key = MODULE_KEY, module = this_module();
	int r;

	if (is_of(owner))
		adopt(counts_fd, delivered_fd, module);
	bpf_map_update_elem(delivered_fd, &key, &module, BPF_ANY);
	r = make_folder(owner);
	if (!r)
		r = leave(counts_fd, COUNTS);
	if (!r)
		r = leave(delivered_fd, DELIVERED);
	if (r)
		log_warn("%s: %s: after a restart, the events before it count as missed",
			 FOLDER, strerror(-r));
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/item.h"
#include "agent/store.h"
#include "agent/target.h"
#include "lib/util.h"

/* Left free for the guest: its users make files that are large and cost them nothing. */
#define SPARE_BYTES (16ull << 20)
#define SPARE_SHARE 20			/* and one part in so many */

static struct meta meta;		/* large: one order a process */
static struct item item;

static bool store_has_room(int store, uint64_t bytes)
{
	struct statvfs fs;

	return fstatvfs(store, &fs) ||
	       (uint64_t)fs.f_bavail * fs.f_frsize >= bytes + bytes / 1024 + SPARE_BYTES +
	       (uint64_t)fs.f_blocks / SPARE_SHARE * fs.f_frsize;
}

/* 0, -ESTALE if the file is shorter or longer by now, other -errno. */
static int copy_content(int from, uint64_t size)
{
	static uint8_t bytes[ITEM_CHUNK];
	uint64_t at = 0;

	for (;;) {
		ssize_t n = pread(from, bytes, sizeof(bytes), at);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return at == size ? 0 : -ESTALE;
		at += n;
		if (at > size)
			return -ESTALE;
		r = item_write(&item, bytes, n);
		if (r)
			return r;
	}
}

static int seal(const struct record_order *order, const struct target *t, int store, int part)
{
	int r = meta_collect(t->fd, order->path, &meta);

	if (!r)
		r = item_write_begin(&item, part, order->item, order->key, &meta);
	if (!r)
		r = copy_content(t->fd, t->st.st_size);
	if (!r)
		r = item_write_end(&item);
	item_wipe(&item);
	return r ? r : store_publish(store, order->item, part);
}

static bool explain(int error, struct record_result *result)
{
	switch (error) {
	case ESTALE:
		return answer(result, WIRE_MISMATCH, "it changed while it was copied: untouched");
	case ENOSPC:
	case EDQUOT:
		return answer(result, WIRE_FAILED, "no space in the quarantine: untouched");
	case EBUSY:
		return answer(result, WIRE_FAILED, "another order is at work on this item");
	case E2BIG:
		return answer(result, WIRE_FAILED,
			      "its extended attributes are more than can be kept: untouched");
	default:
		return answer(result, WIRE_FAILED, "the quarantine: %s: untouched", strerror(error));
	}
}

/* False and an answer; ITEM is sealed and on the disk when true. */
static bool keep(const struct record_order *order, const struct target *t, int store,
		 struct record_result *result)
{
	autofd int part = -1;
	int r;

	if ((uint64_t)t->st.st_size > QUARANTINE_MAX)
		return answer(result, WIRE_FAILED, "larger than %llu GiB: untouched",
			      QUARANTINE_MAX >> 30);
	if (!store_has_room(store, t->st.st_size))
		return explain(ENOSPC, result);
	part = store_begin(store, order->item);
	if (part < 0)
		return explain(-part, result);
	r = seal(order, t, store, part);
	if (!r)
		return true;
	store_drop(store, order->item, STORE_PART);
	return explain(-r, result);
}

static void tell(const struct target *t, struct record_result *result)
{
	char runs[64] = "", links[64] = "", lost[64] = "";
	unsigned n;
	int pid;

	n = target_runners(t, &pid);
	if (n == 1)
		snprintf(runs, sizeof(runs), "; still runs as pid %d", pid);
	else if (n)
		snprintf(runs, sizeof(runs), "; still runs as pid %d and %u others", pid, n - 1);
	if (t->st.st_nlink > 1)
		snprintf(links, sizeof(links), "; %lu other names of it (hard links) remain",
			 (unsigned long)t->st.st_nlink - 1);
	if (meta.lost)
		snprintf(lost, sizeof(lost), "; more user attributes than can be kept are lost");
	answer(result, WIRE_DONE, "%lld bytes moved into quarantine%s%s%s",
	       (long long)t->st.st_size, runs, links, lost);
}

/* Of an earlier delivery: sealed under this key, from this path. */
static bool was_kept(const struct record_order *order, int store)
{
	autofd int fd = store_open_item(store, order->item);
	bool kept = fd >= 0 && !item_read_begin(&item, fd, order->item, order->key, &meta) &&
		!strcmp(meta.path, order->path);

	item_wipe(&item);
	return kept;
}

/*
 * An item that is there while its file is too comes from an agent that ended
 * between the two steps (or the same malware is back): it is sealed anew over
 * the old one.
 */
static void quarantine(const struct record_order *order, int store, struct record_result *result)
{
	struct target t;
	bool found = target_open(order, &t, result);

	if (!found && result->status != WIRE_NOT_ALLOWED && was_kept(order, store))
		answer(result, WIRE_DONE, "was moved into quarantine before");
	else if (found && target_is_removable(&t, result) && keep(order, &t, store, result)) {
		if (target_remove(&t, meta.flags, result))
			tell(&t, result);
		else
			store_drop(store, order->item, STORE_ITEM);
	}
	target_close(&t);
}

void quarantine_verb(const struct record_order *order, const char *store,
		     struct record_result *result)
{
	autofd int fd = store_open(store);

	if (fd < 0)
		answer(result, WIRE_FAILED, fd == -EPERM ?
		       "%s: not a folder of root's alone (mode 0700): untouched" :
		       "%s: %s: untouched", store, strerror(-fd));
	else
		quarantine(order, fd, result);
}

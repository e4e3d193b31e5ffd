// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/item.h"
#include "agent/place.h"
#include "agent/store.h"
#include "lib/util.h"

#define ROOM_PREFIX ".warden-restore-"
#define CONTENT ROOM_PREFIX "content"

static struct meta meta;		/* large: one order a process */
static struct item item;
static uint8_t chunk[ITEM_CHUNK];

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		bytes += done;
		n -= done;
	}
	return 0;
}

static int write_content(int fd)
{
	uint64_t size = 0;
	ssize_t n;
	int r;

	while ((n = item_read(&item, chunk)) > 0) {
		r = write_all(fd, chunk, n);
		if (r)
			return r;
		size += n;
	}
	return n ? n : size == meta.size ? 0 : -EBADMSG;
}

/* True if fd holds what the item does. */
static bool same_content(int fd)
{
	static uint8_t there[ITEM_CHUNK];
	uint64_t at = 0;
	ssize_t n;

	while ((n = item_read(&item, chunk)) > 0) {
		if (pread(fd, there, n, at) != n || memcmp(there, chunk, n))
			return false;
		at += n;
	}
	return !n && at == meta.size;
}

/*
 * An agent that ended after the file was back and before it had noted that:
 * the file at the path is this item's.
 */
static bool is_back(const struct place *place)
{
	autofd int fd = openat(place->dir, place->name,
			       O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
	struct stat st;

	return fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == meta.size && (st.st_mode & 07777) == meta.mode &&
	       st.st_uid == meta.uid && st.st_gid == meta.gid &&
	       st.st_mtim.tv_sec == meta.mtime_s && st.st_mtim.tv_nsec == meta.mtime_ns &&
	       same_content(fd);
}

static bool explain(const char *what, int error, struct record_result *result)
{
	if (error == EBADMSG)
		return answer(result, WIRE_FAILED,
			      "the item is damaged, or was sealed for another guest");
	if (error == EEXIST)
		return answer(result, WIRE_MISMATCH, "something is at its path: untouched");
	if (error == ENOSPC || error == EDQUOT)
		return answer(result, WIRE_FAILED, "no space where it was: it stays in quarantine");
	return answer(result, WIRE_FAILED, "%s: %s: it stays in quarantine", what, strerror(error));
}

/* The whole file, where nobody else can reach it. */
static bool fill(int fd, struct record_result *result)
{
	const char *what = "content";
	int r = write_content(fd);

	if (!r)
		r = meta_apply(fd, &meta, &what);
	if (!r && fsync(fd))
		r = -errno;
	return r ? explain(what, -r, result) : true;
}

/* Nothing that is there already is ever replaced. */
static int appear(const struct place *place, int room)
{
	if (!renameat2(room, CONTENT, place->dir, place->name, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return linkat(room, CONTENT, place->dir, place->name, 0) ? -errno : 0;
}

/*
 * A folder beside the place that only we can enter, for the file until it is
 * whole: its owner could else write to it before its set-group-ID bit and its
 * capabilities are set, and so give them to another program.  -errno: whoever
 * may write to the place has put another folder there, say.
 */
static int make_room(const struct place *place, const char *name)
{
	autofd int fd = -1;
	struct stat st;

	if (mkdirat(place->dir, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(place->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	unlinkat(fd, CONTENT, 0);		/* of an agent that ended */
	return util_steal_fd(&fd);
}

static bool build(const struct place *place, int room, struct record_result *result)
{
	autofd int fd = openat(room, CONTENT, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			       0600);
	int r;

	if (fd < 0)
		return explain("its folder", errno, result);
	if (!fill(fd, result))
		return false;
	r = appear(place, room);
	if (r)
		return explain("its path", -r, result);
	place_sync(place);
	answer(result, WIRE_DONE, "%llu bytes restored%s", (unsigned long long)meta.size,
	       meta.flags && meta_set_flags(fd, meta.flags) ?
	       "; its chattr flags could not be set" : "");
	return true;
}

static bool put_back(const struct record_order *order, const struct place *place,
		     struct record_result *result)
{
	char name[sizeof(ROOM_PREFIX) + 2 * WIRE_ITEM] = ROOM_PREFIX;
	autofd int room = -1;
	bool done;

	hex_encode(name + strlen(name), order->item, WIRE_ITEM);
	room = make_room(place, name);
	if (room < 0)
		return explain("its folder", -room, result);
	done = build(place, room, result);
	unlinkat(room, CONTENT, 0);
	unlinkat(place->dir, name, AT_REMOVEDIR);
	return done;
}

/* True: the item's file is where it was. */
static bool restore(const struct record_order *order, int fd, struct record_result *result)
{
	struct place place = PLACE_NONE;
	struct stat st;
	bool done = false;
	int r = item_read_begin(&item, fd, order->item, order->key, &meta);

	if (r)
		return explain("the item", -r, result);
	r = place_open(meta.path, &place);
	if (r)
		answer(result, WIRE_FAILED, "its folder is gone (%s): it stays in quarantine",
		       strerror(-r));
	else if (fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW))
		done = errno == ENOENT ? put_back(order, &place, result) :
			explain("its path", errno, result);
	else if (is_back(&place))
		done = !answer(result, WIRE_DONE, "was restored before");
	else
		explain("its path", EEXIST, result);
	place_close(&place);
	return done;
}

static void find_and_restore(const struct record_order *order, int store,
			     struct record_result *result)
{
	autofd int fd = store_open_item(store, order->item);

	if (fd == -ENOENT && store_was_restored(store, order->item))
		answer(result, WIRE_DONE, "was restored before");
	else if (fd == -ENOENT)
		answer(result, WIRE_NO_TARGET, "no such item in the quarantine");
	else if (fd == -EBUSY)
		answer(result, WIRE_FAILED, "another order is at work on this item");
	else if (fd < 0)
		explain("the item", -fd, result);
	else if (restore(order, fd, result))
		store_restored(store, order->item);
	item_wipe(&item);
	sodium_memzero(chunk, sizeof(chunk));
}

void restore_verb(const struct record_order *order, const char *store,
		  struct record_result *result)
{
	autofd int fd = store_open(store);

	if (fd < 0)
		answer(result, WIRE_FAILED, "%s: %s", store, strerror(-fd));
	else
		find_and_restore(order, fd, result);
}

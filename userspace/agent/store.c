// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

#define SIGN_SECONDS (7 * 24 * 3600)	/* far longer than any order is repeated */

void store_name(char out[STORE_NAME], const uint8_t item[WIRE_ITEM], enum store_kind kind)
{
	static const char *const suffix[] = {
		[STORE_ITEM] = "", [STORE_PART] = ".part", [STORE_RESTORED] = ".restored",
	};

	hex_encode(out, item, WIRE_ITEM);
	strcat(out, suffix[kind]);
}

/* Each folder of the path that is missing. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];

	for (const char *at = path + 1; ; at++) {
		if (*at && *at != '/')
			continue;
		if (snprintf(part, sizeof(part), "%.*s", (int)(at - path), path) >= (int)sizeof(part))
			return -ENAMETOOLONG;
		if (mkdir(part, 0700) && errno != EEXIST)
			return -errno;
		if (!*at)
			return 0;
	}
}

int store_open(const char *path)
{
	autofd int fd = -1;
	struct stat st;
	int r = make_folders(path);

	if (r)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & 077))
		return -EPERM;
	return util_steal_fd(&fd);
}

/* Whoever is at work on it holds its lock. */
static bool is_abandoned(int store, const char *name)
{
	autofd int fd = openat(store, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB);
}

static bool is_stale(int store, const char *name)
{
	const char *dot = strchr(name, '.');
	struct stat st;

	if (!dot || dot == name || fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	return (!strcmp(dot, ".part") && is_abandoned(store, name)) ||
	       (!strcmp(dot, ".restored") && st.st_mtim.tv_sec + SIGN_SECONDS < time(NULL));
}

void store_tidy(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		util_close_p(&fd);
		return;
	}
	while ((entry = readdir(dir)))
		if (is_stale(fd, entry->d_name))
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
}

static bool is_still(int store, const char *name, int fd)
{
	struct stat here, there;

	return !fstat(fd, &here) && !fstatat(store, name, &there, AT_SYMLINK_NOFOLLOW) &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/* Locked, and not renamed by whoever had the lock before. */
static int lock(int store, const char *name, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return is_still(store, name, fd) ? 0 : -EBUSY;
}

static int open_locked(int store, const char *name, int flags)
{
	autofd int fd = openat(store, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : lock(store, name, fd);

	return r ? r : util_steal_fd(&fd);
}

int store_begin(int store, const uint8_t item[WIRE_ITEM])
{
	char name[STORE_NAME];
	int fd;

	store_name(name, item, STORE_PART);
	fd = open_locked(store, name, O_RDWR | O_CREAT);
	if (fd >= 0 && ftruncate(fd, 0)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

int store_publish(int store, const uint8_t item[WIRE_ITEM], int part)
{
	char from[STORE_NAME], to[STORE_NAME];

	store_name(from, item, STORE_PART);
	store_name(to, item, STORE_ITEM);
	return fsync(part) || renameat(store, from, store, to) || fsync(store) ? -errno : 0;
}

void store_drop(int store, const uint8_t item[WIRE_ITEM], enum store_kind kind)
{
	char name[STORE_NAME];

	store_name(name, item, kind);
	unlinkat(store, name, 0);
}

int store_open_item(int store, const uint8_t item[WIRE_ITEM])
{
	char name[STORE_NAME];

	store_name(name, item, STORE_ITEM);
	return open_locked(store, name, O_RDONLY);
}

/* The sign first: an order that comes again finds one of the two. */
int store_restored(int store, const uint8_t item[WIRE_ITEM])
{
	char name[STORE_NAME];
	autofd int fd = -1;

	store_name(name, item, STORE_RESTORED);
	fd = openat(store, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(store))
		return -errno;
	store_drop(store, item, STORE_ITEM);
	return fsync(store) ? -errno : 0;
}

bool store_was_restored(int store, const uint8_t item[WIRE_ITEM])
{
	char name[STORE_NAME];
	struct stat st;

	store_name(name, item, STORE_RESTORED);
	return !fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW);
}

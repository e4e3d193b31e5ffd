// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/answer.h"
#include "agent/filehash.h"
#include "agent/meta.h"
#include "lib/util.h"

#define PROCESSES_MAX (1u << 16)

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR: return "a folder";
	case S_IFLNK: return "a symbolic link";
	case S_IFIFO: return "a FIFO";
	case S_IFSOCK: return "a socket";
	default: return "a device";
	}
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * First without opening it, as a FIFO or a device would do things; then the
 * very same inode for reading, without a trace in its access time.  It may
 * block: a lease of its owner's is broken so, after seconds, and only so.
 */
static int open_regular(const struct place *place, struct stat *ret_st)
{
	autofd int path = openat(place->dir, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char link[64];
	int fd;

	if (path < 0 || fstat(path, ret_st))
		return -errno;
	if (!S_ISREG(ret_st->st_mode))
		return -EMEDIUMTYPE;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	fd = open(link, O_RDONLY | O_NOATIME | O_CLOEXEC);
	if (fd < 0 && errno == EPERM)
		fd = open(link, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool explain(const struct record_order *order, const struct target *t, int error,
		    struct record_result *result)
{
	switch (error) {
	case ENOENT:
		return answer(result, WIRE_NO_TARGET, "no such file");
	case ENOTDIR:
	case ELOOP:
		return answer(result, WIRE_NO_TARGET,
			      "no such file: a folder of its path is a link or no folder");
	case EINVAL:
		return answer(result, WIRE_NOT_ALLOWED, "not an absolute path without . and ..");
	case EMEDIUMTYPE:
		return answer(result, WIRE_MISMATCH, "%s is at that path: untouched",
			      kind_of(t->st.st_mode));
	default:
		return answer(result, WIRE_FAILED, "the file cannot be opened: %s", strerror(error));
	}
}

/* Its program, and every library of it. */
static bool maps_it(const char *map_files, const struct target *t)
{
	DIR *dir = opendir(map_files);
	struct dirent *entry;
	struct stat st;
	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		found = !fstatat(dirfd(dir), entry->d_name, &st, 0) && same_file(&st, &t->st);
	if (dir)
		closedir(dir);
	return found;
}

/* What keeps the guest and this agent alive stays. */
static bool is_vital(const struct target *t)
{
	static const char *const programs[] = { "/proc/self/exe", "/proc/1/exe" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!stat(programs[i], &st) && same_file(&st, &t->st))
			return true;
	return maps_it("/proc/self/map_files", t) || maps_it("/proc/1/map_files", t);
}

/*
 * Who may read a file may map it to be executed, and who can write a text into
 * one of root's (/etc/passwd by chfn, a log, a spool) can write a signature:
 * no user shall have such a file taken away.
 */
static bool is_roots_data(const struct target *t)
{
	char magic[4];

	return !t->st.st_uid && !(t->st.st_mode & 0111) &&
	       (pread(t->fd, magic, sizeof(magic), 0) != sizeof(magic) ||
		memcmp(magic, "\177ELF", sizeof(magic)));
}

static bool check(const struct record_order *order, const struct target *t,
		  struct record_result *result)
{
	if (!order->file.nranges)
		return answer(result, WIRE_NOT_ALLOWED, "no hash of the file");
	if (is_vital(t))
		return answer(result, WIRE_NOT_ALLOWED,
			      "never the program of pid 1 or the agent's, nor a library of theirs");
	if ((uint64_t)t->st.st_size != order->size)
		return answer(result, WIRE_MISMATCH, "another file: it has %lld bytes, not %llu: untouched",
			      (long long)t->st.st_size, (unsigned long long)order->size);
	if (!file_matches(t->fd, t->st.st_size, &order->file))
		return answer(result, WIRE_MISMATCH, "another file: its hash differs: untouched");
	if (is_roots_data(t))
		return answer(result, WIRE_NOT_ALLOWED,
			      "root's, and neither a program nor a library: untouched");
	return true;
}

bool target_open(const struct record_order *order, struct target *ret_target,
		 struct record_result *result)
{
	struct target *t = ret_target;
	int r;

	*t = TARGET_NONE;
	r = place_open(order->path, &t->place);
	if (r)
		return explain(order, t, -r, result);
	t->fd = open_regular(&t->place, &t->st);
	if (t->fd < 0)
		return explain(order, t, -t->fd, result);
	return check(order, t, result);
}

void target_close(struct target *t)
{
	util_close_p(&t->fd);
	place_close(&t->place);
	*t = TARGET_NONE;
}

/* Asked before 4 GiB are sealed in vain; the removal itself may still fail. */
bool target_is_removable(const struct target *t, struct record_result *result)
{
	autofd int dir = openat(t->place.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statvfs fs;

	if (!fstatvfs(t->fd, &fs) && (fs.f_flag & ST_RDONLY))
		return answer(result, WIRE_FAILED, "on a read-only mount: untouched");
	if (dir >= 0 && (meta_flags(dir) & META_FIXED))
		return answer(result, WIRE_FAILED,
			      "its folder is immutable or append-only (chattr): untouched");
	return true;
}

static bool is_unchanged(const struct target *t)
{
	struct stat st;

	return !fstat(t->fd, &st) && st.st_size == t->st.st_size &&
	       st.st_mtim.tv_sec == t->st.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == t->st.st_mtim.tv_nsec &&
	       st.st_ctim.tv_sec == t->st.st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == t->st.st_ctim.tv_nsec;
}

/*
 * Between the look at the name and its removal, who may write to the folder
 * can put another file of theirs there: they could as well remove it.
 */
static bool remove_name(const struct target *t, struct record_result *result)
{
	struct stat st;

	if (fstatat(t->place.dir, t->place.name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !same_file(&st, &t->st))
		return answer(result, WIRE_MISMATCH, "another file is at that path by now: untouched");
	if (unlinkat(t->place.dir, t->place.name, 0))
		return answer(result, WIRE_FAILED, "it cannot be removed: %s: untouched",
			      strerror(errno));
	place_sync(&t->place);
	return true;
}

/* Malware likes to be immutable: the flag goes first, and comes back if the rest fails. */
bool target_remove(const struct target *t, uint32_t flags, struct record_result *result)
{
	bool fixed = flags & META_FIXED;
	int r;

	if (!is_unchanged(t))
		return answer(result, WIRE_MISMATCH, "it changed while it was copied: untouched");
	r = fixed ? meta_set_flags(t->fd, flags & ~META_FIXED) : 0;
	if (r)
		return answer(result, WIRE_FAILED,
			      "it is immutable or append-only (chattr), and that cannot be changed: "
			      "%s: untouched", strerror(-r));
	if (remove_name(t, result))
		return true;
	if (fixed)
		meta_set_flags(t->fd, flags);
	return false;
}

static bool executes(int proc, const char *pid, const struct target *t)
{
	char path[NAME_MAX + 8];
	struct statx st;

	snprintf(path, sizeof(path), "%s/exe", pid);
	/* not asked of a server: a process on somebody's FUSE mount may hang us */
	return !statx(proc, path, AT_STATX_DONT_SYNC, STATX_INO, &st) &&
	       st.stx_ino == t->st.st_ino &&
	       makedev(st.stx_dev_major, st.stx_dev_minor) == t->st.st_dev;
}

unsigned target_runners(const struct target *t, int *ret_pid)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	for (unsigned i = 0; dir && i < PROCESSES_MAX && (entry = readdir(dir)); i++) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    !executes(dirfd(dir), entry->d_name, t))
			continue;
		*ret_pid = atoi(entry->d_name);
		n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/sandbox.h"
#include "lib/util.h"

#define MAX_FILES 8192		/* SCANS_TOTAL contents, the guests' sockets, and ours */
#define MAX_JOURNAL (1ull << 40)

/* SQLite's in its folder; libmicrohttpd's on its socket; sd-event's timer. */
static const int syscalls[] = {
	SCMP_SYS(openat), SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(unlink),
	SCMP_SYS(access), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(readlink),
	SCMP_SYS(getcwd), SCMP_SYS(fchmod), SCMP_SYS(fchown), SCMP_SYS(geteuid),
	SCMP_SYS(rename),
	SCMP_SYS(accept4), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(shutdown),
	SCMP_SYS(getsockname), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(sendfile),
	SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_create), SCMP_SYS(epoll_create1),
	SCMP_SYS(signalfd4), SCMP_SYS(sysinfo),
};

/*
 * Of another user, and no link: the folder is the role's, which may have been
 * taken over.  What root has put there was put there on purpose.
 */
static int adopt(int folder, const char *name, uint32_t uid)
{
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!st.st_uid || st.st_uid == uid || !S_ISREG(st.st_mode) || st.st_nlink != 1)
		return 0;
	return fchownat(folder, name, uid, uid, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

int jail_engine_folder(const char *journal, uint32_t uid)
{
	struct dirent *entry;
	int r = 0;
	DIR *dir;

	if (mkdir(journal, 0700) && errno != EEXIST)
		return -errno;
	dir = opendir(journal);
	if (!dir)
		return -errno;
	if (fchown(dirfd(dir), uid, uid))
		r = -errno;
	while (!r && (entry = readdir(dir)))
		r = adopt(dirfd(dir), entry->d_name, uid);
	closedir(dir);
	return r;
}

int jail_engine(const char *journal, uint32_t uid)
{
	const struct sandbox box = {
		.root = journal, .uid = uid,
		.files = SANDBOX_READ | SANDBOX_WRITE,
		.syscalls = syscalls, .nsyscalls = ARRAY_SIZE(syscalls),
		.max_file = MAX_JOURNAL, .max_files = MAX_FILES,
	};

	return sandbox_apply(&box);
}

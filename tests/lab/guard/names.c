// SPDX-License-Identifier: GPL-2.0-or-later
/* What a VMM may do to the names of its images, done to others. */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define IMAGES "/var/lib/libvirt/images/"
#define OWN IMAGES "own"
#define PASSED_FD 8			/* as the test's script opens it */

static int move_there_and_back(const char *from, const char *to)
{
	int error = result(rename(from, to));

	return error ? error : result(rename(to, from));
}

static int move_out(const char *path) { return move_there_and_back(OWN, path); }
static int move_in(const char *path) { return move_there_and_back(path, IMAGES "moved"); }

/* A name of its own for a file that it may not open by its other one. */
static int link_in(const char *path)
{
	int error = result(link(path, IMAGES "linked"));

	return error ? error : result(unlink(IMAGES "linked"));
}

static int link_out(const char *path)
{
	int error = result(link(OWN, path));

	return error ? error : result(unlink(path));
}

static int make_symlink(const char *path)
{
	int error = result(symlink(OWN, path));

	return error ? error : result(unlink(path));
}

static int make_folder(const char *path)
{
	int error = result(mkdir(path, 0700));

	return error ? error : result(rmdir(path));
}

static int make_device(const char *path)
{
	int error = result(mknod(path, S_IFCHR | 0600, makedev(1, 3)));

	return error ? error : result(unlink(path));
}

static int make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return result(unlink(path));
}

static int remove_file(const char *path) { return result(unlink(path)); }
static int remove_folder(const char *path) { return result(rmdir(path)); }
static int empty(const char *path) { return result(truncate(path, 0)); }

/* What was opened by another and passed on. */
static int resize_passed(const char *unused) { return result(ftruncate(PASSED_FD, 4096)); }

static int resize_memory(const char *unused)
{
	int fd = memfd_create("ram", MFD_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = result(ftruncate(fd, 4096));
	close(fd);
	return error;
}

static int change_mode(const char *path)
{
	struct stat st;

	return result(stat(path, &st)) ?: result(chmod(path, st.st_mode & 07777));
}

static int change_owner(const char *path)
{
	struct stat st;

	return result(stat(path, &st)) ?: result(chown(path, st.st_uid, st.st_gid));
}

static int bind_mount(const char *path)
{
	int error = result(mount("/etc", path, NULL, MS_BIND, NULL));

	return error ? error : result(umount2(path, MNT_DETACH));
}

static int unmount(const char *path) { return result(umount2(path, MNT_DETACH)); }

/* Names like those of the profile, in a tree that is mounted nowhere. */
static int in_detached(int (*try)(int fd))
{
	int fd = syscall(SYS_open_tree, AT_FDCWD, "/run/layer", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = try(fd);
	close(fd);
	return error;
}

static int open_at(int fd)
{
	int file = openat(fd, "dev/shm/forged", O_RDONLY);

	return file < 0 ? errno : result(close(file));
}

static int link_at(int fd)
{
	int error = result(symlinkat(OWN, fd, "dev/shm/link"));

	return error ? error : result(unlinkat(fd, "dev/shm/link", 0));
}

static int open_detached(const char *unused) { return in_detached(open_at); }
static int link_detached(const char *unused) { return in_detached(link_at); }

/* The calls of 5.2, which pass another hook. */
static int move_mount_to(const char *path)
{
	int fd = syscall(SYS_open_tree, AT_FDCWD, "/etc", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC), error;

	if (fd < 0)
		return errno;
	error = result(syscall(SYS_move_mount, fd, "", AT_FDCWD, path, 4 /* MOVE_MOUNT_F_EMPTY_PATH */));
	close(fd);
	return error ? error : result(umount2(path, MNT_DETACH));
}

static int change_root(const char *path)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(result(chroot(path)));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static const struct {
	const char *word;
	int (*try)(const char *path);
} words[] = {
	{ "move-out", move_out }, { "move-in", move_in },
	{ "link-in", link_in }, { "link-out", link_out }, { "symlink", make_symlink },
	{ "folder", make_folder }, { "device", make_device }, { "file", make_file },
	{ "remove", remove_file }, { "remove-folder", remove_folder }, { "empty", empty },
	{ "resize-passed", resize_passed }, { "resize-memory", resize_memory },
	{ "mode", change_mode }, { "owner", change_owner }, { "mount", bind_mount }, { "unmount", unmount },
	{ "move-mount", move_mount_to }, { "root", change_root },
	{ "detached", open_detached }, { "detached-link", link_detached },
};

int try_name(const char *word, const char *path, int *ret_error)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].word, word))
			continue;
		*ret_error = words[i].try(path);
		return 1;
	}
	return 0;
}

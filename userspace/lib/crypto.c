// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"

#define KEY_MAX 64

int key_file_read(const char *path, void *key, size_t len, bool secret)
{
	char text[2 * KEY_MAX + 2];
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n;
	bool good;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (secret && (st.st_mode & 077)))
		return -EPERM;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	good = len <= KEY_MAX && hex_decode(key, text, len);
	sodium_memzero(text, sizeof(text));
	return good ? 0 : -EINVAL;
}

static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	autofd int fd = -1;

	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path + 1) : 1,
		 slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

static int write_synced(const char *path, const char *text, size_t len, mode_t mode)
{
	autofd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	ssize_t n = fd < 0 ? -1 : write(fd, text, len);

	if (n < 0)
		return -errno;
	if (n != (ssize_t)len)
		return -EIO;
	return fsync(fd) ? -errno : 0;
}

/*
 * Under another name first: a fall on the way must not leave half a key at
 * its path, with which nothing would start any more.
 */
int key_file_write(const char *path, const void *key, size_t len, bool secret)
{
	char text[2 * KEY_MAX + 2], temp[PATH_MAX];
	int r;

	if (len > KEY_MAX)
		return -EINVAL;
	if (snprintf(temp, sizeof(temp), "%s.part", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	hex_encode(text, key, len);
	text[2 * len] = '\n';
	unlink(temp);
	r = write_synced(temp, text, 2 * len + 1, secret ? 0600 : 0644);
	sodium_memzero(text, sizeof(text));
	if (!r && link(temp, path))
		r = -errno;
	unlink(temp);
	return r ? r : sync_folder_of(path);
}

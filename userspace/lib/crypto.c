// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/crypto.h"

#include <errno.h>
#include <fcntl.h>
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

int key_file_write(const char *path, const void *key, size_t len, bool secret)
{
	char text[2 * KEY_MAX + 2];
	autofd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, secret ? 0600 : 0644);
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (len > KEY_MAX)
		return -EINVAL;
	hex_encode(text, key, len);
	text[2 * len] = '\n';
	n = write(fd, text, 2 * len + 1);
	sodium_memzero(text, sizeof(text));
	if (n == (ssize_t)(2 * len + 1) && !fsync(fd))
		return 0;
	n = n < 0 ? -errno : -EIO;
	unlink(path);
	return n;
}

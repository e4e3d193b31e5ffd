// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/pinfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"

#define TEMP ".new"		/* one writer, so one name is enough */

int pinfile_read(int dir, const char *name, char line[PINFILE_LINE])
{
	autofd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	n = read(fd, line, PINFILE_LINE - 1);
	if (n < 0)
		return -errno;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return 0;
}

static int write_temp(int dir, const char *line)
{
	char text[PINFILE_LINE + 1];
	int n = snprintf(text, sizeof(text), "%s\n", line);
	autofd int fd = openat(dir, TEMP, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	if (n >= (int)sizeof(text) || write(fd, text, n) != n)
		return -EIO;
	return fsync(fd) ? -errno : 0;
}

int pinfile_write(int dir, const char *name, const char *line)
{
	int r = write_temp(dir, line);

	return r ? r : pinfile_rename(dir, TEMP, name);
}

int pinfile_rename(int dir, const char *from, const char *to)
{
	return renameat(dir, from, dir, to) || fsync(dir) ? -errno : 0;
}

int pinfile_remove(int dir, const char *name)
{
	return unlinkat(dir, name, 0) || fsync(dir) ? -errno : 0;
}

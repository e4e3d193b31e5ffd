// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/place.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

/* The part up to the next slash; false: none that names one thing in its folder. */
static bool next_part(const char **path, char *part)
{
	size_t len = strcspn(*path, "/");

	if (!len || len > NAME_MAX)
		return false;
	memcpy(part, *path, len);
	part[len] = '\0';
	*path += len;
	return strcmp(part, ".") && strcmp(part, "..");
}

/*
 * Part by part, so that it works on kernels before openat2(2) too.  A folder
 * that a guest's user swaps for a link on the way is not followed.
 */
int place_open(const char *path, struct place *ret_place)
{
	autofd int dir = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct place p = PLACE_NONE;

	if (dir < 0)
		return -errno;
	if (*path++ != '/')
		return -EINVAL;
	while (next_part(&path, p.name)) {
		int next;

		if (!*path) {
			p.dir = util_steal_fd(&dir);
			*ret_place = p;
			return 0;
		}
		path++;
		next = openat(dir, p.name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return -errno;
		close(dir);
		dir = next;
	}
	return -EINVAL;
}

void place_close(struct place *p)
{
	util_close_p(&p->dir);
	*p = PLACE_NONE;
}

int place_sync(const struct place *p)
{
	autofd int fd = openat(p->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) ? -errno : 0;
}

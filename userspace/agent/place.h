/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A name in a folder of the guest, reached without following any link. */
#ifndef WARDEN_AGENT_PLACE_H
#define WARDEN_AGENT_PLACE_H

#include <limits.h>

struct place {
	int dir;			/* O_PATH */
	char name[NAME_MAX + 1];
};

#define PLACE_NONE ((struct place){ .dir = -1 })

/*
 * 0; -EINVAL: not an absolute path without empty parts, "." and "..";
 * -ENOENT, -ENOTDIR: a folder on the way is gone, or a link; other -errno.
 */
int place_open(const char *path, struct place *ret_place);
void place_close(struct place *p);

/* Writes the folder to the disk: what was made, renamed or removed in it stays so. */
int place_sync(const struct place *p);

#endif

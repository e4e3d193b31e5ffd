// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"

/* Some thousand decisions with their orders and results. */
#define RESERVE_BYTES (8ll << 20)

static bool is_whole(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && st.st_blocks * 512ll >= RESERVE_BYTES;
}

/*
 * Twice as much is asked for as is kept, so that it is not taken from the last
 * room there is and given away again a moment later.
 */
static bool allocate(const char *path)
{
	autofd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0 && !fallocate(fd, 0, 0, 2 * RESERVE_BYTES) && !ftruncate(fd, RESERVE_BYTES))
		return true;
	if (fd >= 0)
		unlink(path);
	return false;
}

void journal_keep_reserve(struct journal *j, const char *path)
{
	if (j->reserve == RESERVE_KEPT)
		return;
	if (is_whole(path) || allocate(path))
		j->reserve = RESERVE_KEPT;
	else if (errno == EOPNOTSUPP && j->reserve == RESERVE_NONE)
		log_warn("journal: no reserve: this file system does not preallocate");
	else if (j->reserve == RESERVE_NONE)
		log_warn("journal: no reserve: %s", strerror(errno));
}

bool journal_release_reserve(struct journal *j, const char *path)
{
	if (unlink(path))
		return false;
	j->reserve = RESERVE_RELEASED;
	log_err("journal: the disk is full: its reserve is given to decisions, orders and results;"
		" other events are left out; make room");
	return true;
}

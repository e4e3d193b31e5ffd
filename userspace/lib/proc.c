// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/proc.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>

#include "lib/util.h"

#define TRIES 64			/* threads that exit meanwhile */

/* One that has exited has let go of its memory, and so of its executable. */
static bool is_living(pid_t pid, pid_t thread)
{
	char path[64], exe[8];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/exe", pid, thread);
	return readlink(path, exe, sizeof(exe)) > 0;
}

pid_t proc_living_thread(pid_t pid)
{
	const struct dirent *entry;
	char path[32];
	uint64_t thread;
	pid_t found = -1;
	DIR *dir;

	if (is_living(pid, pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	for (unsigned i = 0; dir && found < 0 && i < TRIES && (entry = readdir(dir)); i++)
		if (parse_u64(entry->d_name, INT32_MAX, &thread) && is_living(pid, thread))
			found = thread;
	if (dir)
		closedir(dir);
	return found;
}

bool proc_has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel/clock.h"
#include "lib/util.h"

#define PF_KTHREAD 0x00200000u

/*
 * pidfd first, then /proc/PID: if the pidfd's process still lives after the
 * folder was opened, the pid was its own all the while, so the folder is its
 * folder.  From there on both descriptors stay with that process.
 */
int process_open(pid_t pid, struct process *ret_process)
{
	struct process p = PROCESS_NONE;
	char path[32];
	int r;

	if (pid <= 0)
		return -ESRCH;
	p.pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (p.pidfd < 0) {
		/* EINVAL, and ENOENT since 6.9: a thread, no process */
		return errno == EINVAL || errno == ENOENT ? -ESRCH : -errno;
	}
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	p.proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = p.proc < 0 ? -errno : 0;
	if (process_ended(&p, 0) || r == -ENOENT)
		r = -ESRCH;
	if (r)
		process_close(&p);
	else
		*ret_process = p;
	return r;
}

void process_close(struct process *p)
{
	util_close_p(&p->pidfd);
	util_close_p(&p->proc);
	*p = PROCESS_NONE;
}

bool process_ended(const struct process *p, int timeout_ms)
{
	uint64_t end = clock_ms() + timeout_ms, now;
	struct pollfd poll_fd = { p->pidfd, POLLIN, 0 };
	int n;

	do {
		now = clock_ms();
		n = poll(&poll_fd, 1, now < end ? (int)(end - now) : 0);
	} while (n < 0 && errno == EINTR);
	return n > 0 && (poll_fd.revents & POLLIN);
}

bool process_parse_stat(const char *line, struct process_stat *ret_stat)
{
	const char *at = strrchr(line, ')');
	struct process_stat stat = { 0 };
	char *end;

	if (!at || at[1] != ' ' || !at[2] || at[3] != ' ')
		return false;
	at += 3;	/* behind field 3, the state */
	for (int field = 4; field <= 22; field++, at = end) {
		unsigned long long value = strtoull(at, &end, 10);

		if (end == at || (*end != ' ' && *end != '\n' && *end))
			return false;
		if (field == 9)
			stat.kernel_thread = value & PF_KTHREAD;
		else if (field == 22)
			stat.start_ticks = value;
	}
	*ret_stat = stat;
	return true;
}

int process_stat(const struct process *p, struct process_stat *ret_stat)
{
	char line[1024];
	autofd int fd = openat(p->proc, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, line, sizeof(line) - 1);
	if (n < 0)
		return -errno;
	line[n] = '\0';
	return process_parse_stat(line, ret_stat) ? 0 : -EIO;
}

/*
 * A process whose first thread has ended lives on in its others, and then
 * only they still name the executable.
 */
static int open_exe_of_thread(const struct process *p)
{
	int fd = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char path[sizeof(entry->d_name) + 16];
	int r = -ENOENT;

	if (!dir) {
		util_close_p(&fd);
		return -ENOENT;
	}
	fd = -1;
	while (fd < 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "task/%s/exe", entry->d_name);
		fd = openat(p->proc, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r = fd < 0 && errno != ENOENT ? -errno : r;
	}
	closedir(dir);
	return fd < 0 ? r : fd;
}

int process_open_exe(const struct process *p)
{
	int fd = openat(p->proc, "exe", O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd >= 0)
		return fd;
	return errno == ENOENT ? open_exe_of_thread(p) : -errno;
}

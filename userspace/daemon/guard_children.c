// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/guard_children.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/proc.h"
#include "lib/util.h"

#define THREADS_MAX 8192		/* of all of them, that are asked for children */
#define ROUNDS_MAX 3

struct family {
	const struct guard_children_fds *fds;
	uint64_t guest;
	uint32_t vmm;
	uint32_t pids[WARDEN_GUARD_WATCHED];	/* the VMM, and then its descendants */
	unsigned n, threads, left_out;
};

/* NULL: its process has ended, or holds a lease on it, behind which it may hide. */
static FILE *open_of_process(struct family *family, const char *path)
{
	FILE *f = fopen_at_once(path);

	family->left_out += !f && errno == EWOULDBLOCK;
	return f;
}

static bool is_child_of(struct family *family, uint32_t pid, uint32_t parent)
{
	char path[32], line[128];
	autofile FILE *f = NULL;
	unsigned found = 0;

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	f = open_of_process(family, path);
	while (f && !found && fgets(line, sizeof(line), f))
		sscanf(line, "PPid: %u", &found);
	return found == parent;
}

/* By what the kernel has of it: a file server of the VMM's own is not asked. */
static bool is_same_file(const char *a, const char *b)
{
	struct statx x, y;
	const unsigned mask = STATX_INO;

	return !statx(AT_FDCWD, a, AT_STATX_DONT_SYNC, mask, &x) &&
	       !statx(AT_FDCWD, b, AT_STATX_DONT_SYNC, mask, &y) && x.stx_ino == y.stx_ino &&
	       x.stx_dev_major == y.stx_dev_major && x.stx_dev_minor == y.stx_dev_minor;
}

/* A program that the profile lets a VMM start is watched with less, as where it starts one. */
static bool is_helper(const struct family *family, uint32_t pid)
{
	struct warden_guard_key key = { .bits = GUARD_PATH * 8 };
	uint32_t rights = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	return readlink(path, key.path, sizeof(key.path) - 1) > 0 &&
	       !bpf_map_lookup_elem(family->fds->profile, &key, &rights) &&
	       rights & GUARD_MAY_EXEC && is_same_file(path, key.path);
}

static bool is_known(const struct family *family, uint32_t pid)
{
	for (unsigned i = 0; i < family->n; i++)
		if (family->pids[i] == pid)
			return true;
	return false;
}

/* Its number is its own while pidfd has not ended: so nobody else is watched for it. */
static void watch_child(struct family *family, uint32_t pid, uint32_t parent)
{
	autofd int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct warden_guard_child child = {
		.mark = { .guest = family->guest, .vmm = family->vmm }, .pid = pid,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &child, .ctx_size_in = sizeof(child));

	if (pidfd < 0 || !is_child_of(family, pid, parent) || proc_has_ended(pidfd))
		return;
	child.mark.helper = is_helper(family, pid);
	if (bpf_prog_test_run_opts(family->fds->watch, &run))
		log_err("process %u of VMM %u is not watched: %s", pid, family->vmm, strerror(errno));
	else if (proc_has_ended(pidfd))
		bpf_prog_test_run_opts(family->fds->forget, &run);
	else
		family->pids[family->n++] = pid;
}

bool guard_children_can(void)
{
	return !access("/proc/thread-self/children", F_OK);
}

static void watch_children_of_thread(struct family *family, uint32_t parent, uint64_t thread)
{
	char path[64];
	autofile FILE *f = NULL;
	uint32_t pid;

	snprintf(path, sizeof(path), "/proc/%u/task/%llu/children", parent, (unsigned long long)thread);
	f = open_of_process(family, path);
	while (f && fscanf(f, "%u", &pid) == 1) {
		if (is_known(family, pid))
			continue;
		if (family->n < ARRAY_SIZE(family->pids))
			watch_child(family, pid, parent);
		else
			family->left_out++;
	}
}

static void watch_children_of(struct family *family, uint32_t parent)
{
	const struct dirent *entry;
	uint64_t thread;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", parent);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!parse_u64(entry->d_name, INT32_MAX, &thread))
			continue;
		if (family->threads++ < THREADS_MAX)
			watch_children_of_thread(family, parent, thread);
		else
			family->left_out++;
	}
	if (dir)
		closedir(dir);
}

/*
 * Each is watched before it is asked: what it forks meanwhile is, too.  The kernel
 * passes over children of whom a brother ends while it lists them: once more, then.
 */
static void look(struct family *family)
{
	unsigned before = 0;

	for (unsigned round = 0; round < ROUNDS_MAX && family->n > before; round++) {
		before = family->n;
		family->threads = family->left_out = 0;
		for (unsigned i = 0; i < family->n; i++)
			watch_children_of(family, family->pids[i]);
	}
}

static void tell_left_out(const struct family *family)
{
	struct warden_guard_child child = {
		.mark = { .guest = family->guest, .vmm = family->vmm }, .left_out = family->left_out,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &child, .ctx_size_in = sizeof(child));

	bpf_prog_test_run_opts(family->fds->watch, &run);
	log_err("guest %llu: its VMM %u had more processes or threads than are looked at, or leases on"
		" their files in /proc: some are not watched",
		(unsigned long long)family->guest, family->vmm);
}

void guard_children_watch(const struct guard_children_fds *fds, uint64_t guest, uint32_t vmm)
{
	struct family family = { .fds = fds, .guest = guest, .vmm = vmm, .pids = { vmm }, .n = 1 };

	look(&family);
	if (family.n > 1)
		log_info("guest %llu: %u processes that its VMM %u had made are watched, too",
			 (unsigned long long)guest, family.n - 1, vmm);
	if (family.left_out)
		tell_left_out(&family);
}

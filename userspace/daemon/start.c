// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/log.h"
#include "lib/util.h"

#define FILES 65536

static noreturn void give_way(int lock, const char *path)
{
	char holder[16] = "";
	ssize_t n = pread(lock, holder, sizeof(holder) - 1, 0);

	holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
	log_err("wardend runs already, as process %s (it holds %s): stop that one first",
		holder[0] ? holder : "?", path);
	exit(EX_TEMPFAIL);
}

/* wardend.service sees the host's files as read-only, but for its own folders. */
static noreturn void cannot_make(const char *path)
{
	fatal("cannot make %s: %s%s", path, strerror(errno), errno == EROFS ?
	      ": allow wardend.service to write there: systemctl edit wardend, ReadWritePaths=;"
	      " see wardend.conf(5)" : "");
}

static void make_folder(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		cannot_make(path);
}

void start_alone(const struct config *config)
{
	char path[CONFIG_PATH_MAX + 16];
	int fd;

	make_folder(config->run_dir);
	make_folder(config->state_dir);
	snprintf(path, sizeof(path), "%s/wardend.lock", config->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		cannot_make(path);
	if (flock(fd, LOCK_EX | LOCK_NB))
		give_way(fd, path);
	/* For who comes second; kept open until we end. */
	if (ftruncate(fd, 0) || dprintf(fd, "%d\n", getpid()) < 0)
		log_warn("%s: %s", path, strerror(errno));
}

void start_find_roles(struct config *config)
{
	char exe[CONFIG_PATH_MAX] = "";

	if (config->libexec_dir[0])
		return;
	/* A path that does not fit is cut, and not found. */
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		fatal("/proc/self/exe: %s", strerror(errno));
	snprintf(config->libexec_dir, sizeof(config->libexec_dir), "%.200s/libexec/kvm-warden",
		 dirname(dirname(exe)));
}

void start_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_max = MAX(limit.rlim_max, (rlim_t)FILES);
	limit.rlim_cur = limit.rlim_max;
	if (!setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	/* Not ours to raise: as many as the system gives. */
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* ---- privileges ---- */

static const unsigned kept[] = {
	CAP_SYS_ADMIN,			/* the module's device, BPF; the mounts of the scanner's jails */
	CAP_SETUID, CAP_SETGID,		/* each role's user */
	CAP_SYS_CHROOT,			/* and root */
	CAP_CHOWN,			/* and folder */
	CAP_DAC_OVERRIDE,		/* monitors' sockets of VMMs' users; roles' folders */
	CAP_DAC_READ_SEARCH,		/* a database that is not for all to read */
	CAP_KILL,			/* roles and VMMs of other users */
};

uint64_t start_capabilities(const struct config *config)
{
	const bool integrity = config->integrity_seconds != 0;
	uint64_t set = 0;

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		set |= 1ull << kept[i];
	if (integrity)
		set |= 1ull << CAP_SYSLOG;	/* modules' places */
	/* VMMs' memory, and what programs their children of other users run. */
	if (integrity || !access(config->guard, F_OK))
		set |= 1ull << CAP_SYS_PTRACE;
	return set;
}

/* The bounding set is what a program gets that root starts: the roles' are such. */
static void drop_bounding(uint64_t keep)
{
	for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_READ, cap) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap))
			log_warn("capability %u cannot be dropped: %s", cap, strerror(errno));
}

void start_drop_privileges(const struct config *config)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	const uint64_t keep = start_capabilities(config);

	drop_bounding(keep);
	/* A unit may have given fewer: then those are all. */
	if (syscall(SYS_capget, &header, data))
		fatal("capabilities: %s", strerror(errno));
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= keep >> 32 * i;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		fatal("capabilities: %s", strerror(errno));
}

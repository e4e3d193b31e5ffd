// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-integrity: compares code in memory with its files, reports, and ends.
 * "modules": those of KVM and our own; a number: the VMM of that process id.
 * It opens what it needs as root and takes it apart in a jail.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integrity/check.h"
#include "integrity/jail.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/sandbox.h"
#include "lib/util.h"

/* From the parent: /proc/kcore.  Closed: it has none. */
#define KERNEL_FD (ROLE_FD + 1)
#define STUFFING "/sys/devices/system/cpu/vulnerabilities/retbleed"

static const char *const names[] = { "kvm", "kvm_amd", "kvm_intel", "kvm_warden" };

/* Calls are counted then, by code that no patch section describes. */
static bool has_call_depth_tracking(void)
{
	autofile FILE *f = fopen(STUFFING, "re");
	char line[128] = "";

	return f && fgets(line, sizeof(line), f) && strstr(line, "Stuffing");
}

/* One without which nothing can be checked. */
static int open_needed(struct kernel *k, const char *path)
{
	static char why[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		snprintf(why, sizeof(why), "%s: %s", path, strerror(errno));
		k->why = why;
	}
	return fd;
}

static void open_kernel(struct kernel *k)
{
	k->kprobes = open("/sys/kernel/debug/kprobes/list", O_RDONLY | O_CLOEXEC);
	k->kallsyms = open_needed(k, "/proc/kallsyms");
	k->modules = open_needed(k, "/proc/modules");
	k->online = open_needed(k, "/sys/devices/system/cpu/online");
	if (k->why)
		return;
	if (fcntl(KERNEL_FD, F_GETFD) < 0) {
		k->why = "/proc/kcore is closed to us (lockdown?)";
	} else if (has_call_depth_tracking()) {
		k->why = "call depth tracking (retbleed=stuff) is on, whose patches are not known here";
	}
}

static void do_modules(uint32_t uid)
{
	static struct module modules[ARRAY_SIZE(names)];
	static struct kernel kernel;
	size_t n = 0;

	open_kernel(&kernel);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		n += module_gather(&modules[n], names[i]);
	if (jail_integrity(uid))
		exit(1);
	if (!kernel.why && !live_open(&kernel.live, KERNEL_FD))
		kernel.why = "/proc/kcore cannot be read (lockdown?)";
	for (size_t i = 0; i < n; i++)
		check_module(&kernel, &modules[i]);
}

static void do_vmm(uint32_t uid, pid_t pid)
{
	static struct vmm_text text;

	vmm_gather(&text, pid);
	if (jail_integrity(uid))
		exit(1);
	check_vmm(&text);
}

int main(int argc, char **argv)
{
	struct config config;
	uint64_t pid = 0;
	uint32_t uid;

	log_open("warden-integrity", false);
	if (argc != 4 || strcmp(argv[1], "--config") ||
	    (strcmp(argv[3], "modules") && !parse_u64(argv[3], INT32_MAX, &pid)))
		fatal("usage: warden-integrity --config PATH modules|PID; started by wardend alone");
	if (config_load(argv[2], &config))
		return 1;
	log_open("warden-integrity", config.debug);
	signal(SIGPIPE, SIG_IGN);
	uid = config.uid_base + ROLE_UID_INTEGRITY;
	if (pid)
		do_vmm(uid, pid);
	else
		do_modules(uid);
	return 0;
}

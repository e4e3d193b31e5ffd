/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /etc/kvm-warden/wardend.conf: INI.  Each role reads the same file before its
 * sandbox.  An unknown section or key, or a bad value, is refused by file,
 * line and key.
 */
#ifndef WARDEN_CONFIG_H
#define WARDEN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_DEFAULT_PATH "/etc/kvm-warden/wardend.conf"
#define CONFIG_PATH_MAX 256
#define CONFIG_NAME_MAX 64
#define CONFIG_LEVELS 1024

struct config {
	/* [wardend] */
	char state_dir[CONFIG_PATH_MAX];	/* journal */
	char run_dir[CONFIG_PATH_MAX];		/* control.sock */
	char libexec_dir[CONFIG_PATH_MAX];	/* the roles' executables; "": beside wardend's */
	bool bpf;				/* events through BPF; off: sweeps alone */
	uint32_t sweep_seconds;			/* between two sweeps of a guest */
	uint32_t check_seconds;			/* between two checks of a guest's views and kernel; 0: none */
	uint32_t rest_seconds;			/* between two rounds over a guest's files at rest; 0: none */
	bool watch_tables;			/* of guests' kernels: writes are told at once */
	char guest_kernels[CONFIG_PATH_MAX];	/* folder of guests' kernels, as their packages have them */
	uint32_t integrity_seconds;		/* between two checks of the host's own code; 0: none */
	uint32_t uid_base;			/* of the roles' user ids, see lib/sandbox.h */
	bool debug;
	/* [events]: of one guest, in a second */
	uint32_t spaces_per_second;		/* address spaces */
	uint32_t entries_per_second;		/* system-call entries and IDTs */
	uint32_t others_per_second;
	/* [scan] */
	char database[CONFIG_PATH_MAX];		/* folder of ClamAV databases */
	uint32_t workers;
	uint32_t scan_seconds;			/* limit for one content */
	/* [engine] */
	char policy[CONFIG_PATH_MAX];		/* policy file */
	char control_group[CONFIG_PATH_MAX];	/* group that may use control.sock */
	/* [channel] */
	uint32_t port;				/* vsock port */
	char host_key[CONFIG_PATH_MAX];		/* secret key, made if missing */
	char agents[CONFIG_PATH_MAX];		/* folder of pinned NAME.pub */
	uint32_t order_seconds;			/* deadline of an order */
	/* [vmm] */
	char qmp[CONFIG_PATH_MAX];		/* monitor's socket, %n: the guest's name; "": by the command line */
	char guard[CONFIG_PATH_MAX];		/* profile of what VMMs do */
	/* [guest NAME]: level */
	struct config_level {
		char name[CONFIG_NAME_MAX];	/* "*": every guest that is not named */
		uint32_t level;			/* KVM_WARDEN_LEVEL_* */
	} levels[CONFIG_LEVELS];
	unsigned nlevels;
};

/* What the file says of the guest of that name; KVM_WARDEN_LEVEL_CONTENT if nothing. */
uint32_t config_level(const struct config *config, const char *name);

/* The least that any guest has by it. */
uint32_t config_least_level(const struct config *config);

/*
 * Defaults, then the file (which need not be there at its default path).  0, or
 * -1 and a line in the log.
 */
int config_load(const char *path, struct config *ret_config);

#endif

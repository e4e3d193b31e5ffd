/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process, held by descriptors so that a reused pid cannot slip in. */
#ifndef WARDEN_AGENT_PROCESS_H
#define WARDEN_AGENT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	int pidfd;
	int proc;			/* /proc/PID of the same process */
};

#define PROCESS_NONE ((struct process){ -1, -1 })

/* 0; -ESRCH: no such process, or it has ended; other -errno. */
int process_open(pid_t pid, struct process *ret_process);
void process_close(struct process *p);

/* True once the process has ended; waits up to timeout_ms. */
bool process_ended(const struct process *p, int timeout_ms);

struct process_stat {
	uint64_t start_ticks;		/* field 22 */
	bool kernel_thread;
};

int process_stat(const struct process *p, struct process_stat *ret_stat);

/* The line of /proc/PID/stat: a comm may hold blanks, parentheses, anything. */
bool process_parse_stat(const char *line, struct process_stat *ret_stat);

/* Opens the executable, or -errno. */
int process_open_exe(const struct process *p);

#endif

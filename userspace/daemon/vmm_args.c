// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/vmm_args.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/hung.h"
#include "lib/log.h"
#include "lib/util.h"

#define PATIENCE_US 10000000ull
#define ASKED_MAX 32			/* at a time */

struct vmm_args {
	uint32_t vmm;
	pid_t child;			/* 0: it has ended, or was given up */
	int pipe;
	uint64_t asked;			/* us */
	size_t len;
	bool silent;
	char args[VMM_ARGS];
};

static unsigned asked;

size_t vmm_args_read(uint32_t pid, char args[VMM_ARGS])
{
	char path[32];
	size_t used = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && used < VMM_ARGS - 1 &&
	       (n = read(fd, args + used, VMM_ARGS - 1 - used)) > 0)
		used += n;
	args[used] = '\0';
	return used;
}

/* ---- in the child ---- */

/* With nothing of ours held open for as long as it may hang.  A pipe has room for all. */
static noreturn void copy(uint32_t vmm, int out)
{
	static char args[VMM_ARGS];
	size_t len;

	if (dup2(out, 0) < 0 || close_range(1, ~0u, 0))
		_exit(1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	len = vmm_args_read(vmm, args);
	_exit(write(0, args, len) != (ssize_t)len);
}

/* ---- in the parent ---- */

struct vmm_args *vmm_args_ask(uint32_t pid)
{
	struct vmm_args *q;
	int ends[2];

	if (asked >= ASKED_MAX || hung_too_many(pid) || pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return NULL;
	q = calloc(1, sizeof(*q));
	if (!q)
		fatal("out of memory");
	q->vmm = pid;
	q->asked = now_us();
	q->child = fork();
	if (q->child == 0)
		copy(pid, ends[1]);
	close(ends[1]);
	if (q->child < 0) {
		close(ends[0]);
		free(q);
		return NULL;
	}
	q->pipe = ends[0];
	asked++;
	return q;
}

/* Its end follows that of the pipe at once. */
static void reap(struct vmm_args *q)
{
	int status = -1;

	waitpid(q->child, &status, 0);
	q->child = 0;
	q->silent = status != 0;
}

static void give_up(struct vmm_args *q)
{
	log_warn("VMM %u: its command line could not be read in 10 s: no name or CID of its guest is known from there"
		 " (a process that holds up its readers does so on purpose, or hangs)", q->vmm);
	hung_add(q->child, q->vmm);
	q->child = 0;
	q->silent = true;
}

enum vmm_answer vmm_args_look(struct vmm_args *q, const char **ret_args, size_t *ret_len)
{
	ssize_t n;

	/* With one byte more than it sends: the end is seen as such. */
	while (q->child && (n = read(q->pipe, q->args + q->len, VMM_ARGS - q->len)) != -1) {
		q->len += n;
		if (!n)
			reap(q);
	}
	if (q->child && now_us() - q->asked < PATIENCE_US)
		return VMM_ASKED;
	if (q->child)
		give_up(q);
	*ret_args = q->args;
	*ret_len = q->silent ? 0 : q->len;
	return q->silent ? VMM_SILENT : VMM_ANSWERED;
}

void vmm_args_end(struct vmm_args *q)
{
	if (q->child)
		hung_add(q->child, q->vmm);
	close(q->pipe);
	asked--;
	free(q);
}

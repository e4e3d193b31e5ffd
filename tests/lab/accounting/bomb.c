// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /init of a guest that forks without end: every process has children until its
 * user may have no more, and ends, so that there is room for others and each
 * brings an address space never seen before.  Prints a line once it has begun.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define USER 1000
#define PROCESSES 64		/* of that user: the guest lives */
#define TRIES 4			/* of a process, to have another child */

static void explode(void)
{
	const struct rlimit most = { PROCESSES, PROCESSES };

	if (setrlimit(RLIMIT_NPROC, &most) || setuid(USER))
		_exit(1);
	for (int tries = 0; tries < TRIES; tries++)
		if (!fork())
			tries = 0;
	_exit(0);
}

int main(void)
{
	int console;

	signal(SIGCHLD, SIG_IGN);	/* of all below it, too: nobody is waited for */
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	console = open("/dev/ttyS0", O_WRONLY);
	dprintf(console, "bomb: lit\n");
	/* Should all have ended at once, the next is another bomb. */
	for (;;) {
		if (!fork())
			explode();
		usleep(20000);
	}
}

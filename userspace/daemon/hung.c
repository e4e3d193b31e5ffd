// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/hung.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib/log.h"

#define TOO_MANY 32
#define ROOM 256			/* with those under way when it came to that */

static struct {
	pid_t pid;
	uint32_t vmm;
} hung[ROOM];
static unsigned n;

static void reap(void)
{
	for (unsigned i = 0; i < n;)
		if (waitpid(hung[i].pid, NULL, WNOHANG))
			hung[i] = hung[--n];
		else
			i++;
}

void hung_add(pid_t child, uint32_t vmm)
{
	kill(child, SIGKILL);
	reap();
	if (n == ROOM) {
		log_err("process %d was given up, and is reaped by nobody", child);
		return;
	}
	hung[n].pid = child;
	hung[n++].vmm = vmm;
}

unsigned hung_of(uint32_t vmm)
{
	unsigned of_it = 0;

	reap();
	for (unsigned i = 0; i < n; i++)
		of_it += hung[i].vmm == vmm;
	return of_it;
}

bool hung_too_many(uint32_t vmm)
{
	return hung_of(vmm) >= HUNG_OF_ONE || n >= TOO_MANY;
}

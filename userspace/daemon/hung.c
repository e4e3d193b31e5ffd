// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/hung.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib/log.h"

#define TOO_MANY 32
#define ROOM 256			/* with those under way when it came to that */

static pid_t hung[ROOM];
static unsigned n;

static void reap(void)
{
	for (unsigned i = 0; i < n;)
		if (waitpid(hung[i], NULL, WNOHANG))
			hung[i] = hung[--n];
		else
			i++;
}

void hung_add(pid_t child)
{
	kill(child, SIGKILL);
	reap();
	if (n < ROOM)
		hung[n++] = child;
	else
		log_err("process %d was given up, and is reaped by nobody", child);
}

bool hung_too_many(void)
{
	reap();
	return n >= TOO_MANY;
}

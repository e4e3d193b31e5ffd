// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void child_end(int *sock, int *pidfd, char *ret_how, size_t size)
{
	siginfo_t info = { 0 };
	const char *name;

	close(*sock);
	*sock = -1;
	/* Without effect on one that is dying of something else. */
	syscall(SYS_pidfd_send_signal, *pidfd, SIGKILL, NULL, 0);
	if (waitid(P_PIDFD, *pidfd, &info, WEXITED))
		snprintf(ret_how, size, "%s", strerror(errno));
	else if (info.si_code == CLD_EXITED)
		snprintf(ret_how, size, "status %d", info.si_status);
	else if ((name = sigabbrev_np(info.si_status)))
		snprintf(ret_how, size, "signal %d (SIG%s)", info.si_status, name);
	else
		snprintf(ret_how, size, "signal %d", info.si_status);
	close(*pidfd);
	*pidfd = -1;
}

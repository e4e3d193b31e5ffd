// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cost COMMAND [ARG...]: runs it and prints the CPU time that all its threads
 * took, in us, as the scheduler summed it.  Its output goes nowhere.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static long long us_of(struct timeval t)
{
	return t.tv_sec * 1000000ll + t.tv_usec;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	int status, null = open("/dev/null", O_RDWR);
	pid_t pid;

	if (argc < 2)
		errx(2, "usage: cost COMMAND [ARG...]");
	pid = fork();
	if (pid == 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		execvp(argv[1], argv + 1);
		err(127, "%s", argv[1]);
	}
	if (pid < 0 || wait4(pid, &status, 0, &usage) < 0)
		err(1, "%s", argv[1]);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		errx(1, "%s ended with status %#x", argv[1], status);
	printf("%lld\n", us_of(usage.ru_utime) + us_of(usage.ru_stime));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * change PID ADDRESS BYTE (both hexadecimal): what a debugger does to another's code,
 * which newer kernels let nobody do by /proc/PID/mem.  Prints the byte that was there.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

int main(int argc, char **argv)
{
	unsigned long address, word;
	unsigned char byte, was;
	pid_t pid;

	if (argc != 4)
		errx(2, "usage: change PID ADDRESS BYTE");
	pid = atoi(argv[1]);
	address = strtoul(argv[2], NULL, 16);
	byte = strtoul(argv[3], NULL, 16);
	if (ptrace(PTRACE_ATTACH, pid, 0, 0) || waitpid(pid, NULL, __WALL) != pid)
		err(1, "attach to %d", pid);
	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, address, 0);
	was = word;
	if (errno || ptrace(PTRACE_POKETEXT, pid, address, (word & ~0xfful) | byte))
		err(1, "%lx of %d", address, pid);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	printf("%02x\n", was);
	return 0;
}

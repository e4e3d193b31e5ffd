// SPDX-License-Identifier: GPL-2.0-or-later
/* Processes in namespaces of their own, and what /proc says of that. */
#include "truth.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL (CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP)

/* ---- the processes ---- */

static void run(const char *program, const char *arg)
{
	if (fork())
		return;
	execl(program, program, arg, NULL);
	_exit(1);
}

static void wait_for_ever(int ready)
{
	close(ready);
	for (;;)
		pause();
}

/* A program that only this namespace's mounts have. */
static void make_inside(void)
{
	int fd;

	mkdir("/mnt", 0755);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/mnt", "tmpfs", 0, NULL))
		failed("mounts of a container");
	fd = open("/mnt/inside", O_CREAT | O_WRONLY, 0755);
	copy("/bin/idle", fd);
	close(fd);
}

/* Pid 1 of its own; further in lies another if deeper. */
static void container(const char *name, int deeper, int ready)
{
	if (fork())
		return;
	if (unshare(ALL))
		failed("unshare");
	if (fork())
		wait_for_ever(ready);
	if (sethostname(name, strlen(name)))
		failed("sethostname");
	make_inside();
	run("/mnt/inside", "in a container");
	run("/bin/idle", "in a container");
	if (deeper)
		container("deeper", 0, ready);
	wait_for_ever(ready);
}

void spawn_spaces(int ready)
{
	container("one", 0, ready);
	container("two", 1, ready);
}

/* ---- what is so ---- */

static void tell_pids(const char *pid)
{
	char path[300], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		for (char *at = line + 6; (at = strtok(at, "\t\n")); at = NULL)
			printf(" %s", at);
	}
	if (f)
		fclose(f);
}

void tell_spaces(const char *pid)
{
	static const char *const all[] = { "pid", "uts", "ipc", "mnt", "net", "cgroup", "user" };

	printf("N %s", pid);
	tell_pids(pid);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		char path[300], text[64] = "";

		snprintf(path, sizeof(path), "/proc/%s/ns/%s", pid, all[i]);
		if (readlink(path, text, sizeof(text) - 1) > 0)
			printf(" %s", text);
	}
	putchar('\n');
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /init of the guest that the bench looks at: 600 static programs, 200 of
 * busybox, 150 with 60 more mappings each, 50 with 400 more.  It tells what
 * /proc has of them, and waits.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

/* Neighbours differ in rights or in file, so that the kernel merges none. */
static void map_more(int n)
{
	int fd = open("/bin/busybox", O_RDONLY);

	for (int i = 0; i < n; i++) {
		bool file = i % 3 == 0;
		char *p = mmap(NULL, 2 * PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
			       file ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS, file ? fd : -1,
			       file ? PAGE * (i % 64) : 0);

		if (p == MAP_FAILED)
			_exit(1);
		if (i % 16 == 1)
			(void)*(volatile char *)p;
	}
	close(fd);
}

static void spawn(const char *program, const char *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		perror("fork");
	if (pid)
		return;
	execl(program, program, arg, "100000", NULL);
	_exit(1);
}

static int count(const char *path, const char *needle)
{
	char line[4096];
	FILE *f = fopen(path, "r");
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, needle) != NULL;
	if (f)
		fclose(f);
	return n;
}

static void tell(void)
{
	int tasks = 0, vmas = 0, files = 0;
	struct dirent *e;
	DIR *d = opendir("/proc");

	while ((e = readdir(d))) {
		char path[300];

		if (e->d_name[0] < '0' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/maps", e->d_name);
		tasks++;
		vmas += count(path, "-");
		files += count(path, " /");
	}
	closedir(d);
	printf("COUNTED tasks=%d vmas=%d files=%d\nREADY\n", tasks, vmas, files);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		map_more(atoi(argv[1]));
		for (;;)
			pause();
	}
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	for (int i = 0; i < 600; i++)
		spawn("/bin/idle", "0");
	for (int i = 0; i < 200; i++)
		spawn("/bin/busybox", "sleep");
	for (int i = 0; i < 200; i++)
		spawn("/init", i < 150 ? "60" : "400");
	sleep(3);
	tell();
	for (;;)
		pause();
}

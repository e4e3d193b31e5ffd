// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /init of a guest that is looked into: starts processes of several kinds, writes
 * down what its own kernel says of itself and of them, and waits.
 */
#include "truth.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char line[65536];

void failed(const char *what)
{
	printf("\nT failed: %s\n", what);
	fflush(stdout);
}

/* ---- processes ---- */

static void spawn(uid_t uid, const char *program, const char *arg)
{
	if (fork())
		return;
	if (uid && setuid(uid))
		_exit(1);
	execl(program, program, arg, NULL);
	_exit(1);
}

void copy(const char *from, int to)
{
	static char buf[65536];
	int fd = open(from, O_RDONLY);
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			_exit(1);
	close(fd);
}

static void spawn_memfd(void)
{
	int fd = memfd_create("made up", 0);
	char *argv[] = { (char *)"[kworker/9:9]", NULL }, *env[] = { NULL };

	if (fork()) {
		close(fd);
		return;
	}
	copy("/bin/idle", fd);
	fexecve(fd, argv, env);
	/* 5.10 wants a path. */
	snprintf(line, sizeof(line), "/proc/self/fd/%d", fd);
	execve(line, argv, env);
	failed("a program in a memfd");
	_exit(1);
}

static void spawn_deleted(void)
{
	int fd = open("/gone \\odd", O_CREAT | O_WRONLY, 0755);

	copy("/bin/idle", fd);
	close(fd);
	spawn(0, "/gone \\odd", "x");
	sleep(1);
	unlink("/gone \\odd");
}

/* A process with mappings of each kind. */
static void map_and_wait(void)
{
	int fd = open("/bin/idle", O_RDONLY);

	for (int i = 0; i < 40; i++) {
		bool file = i % 3 == 0;
		int rights[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_NONE };

		mmap(NULL, 3 * PAGE, rights[i % 4], (i % 5 ? MAP_PRIVATE : MAP_SHARED) |
		     (file ? 0 : MAP_ANONYMOUS), file ? fd : -1, file ? PAGE * (i % 8) : 0);
	}
	for (;;)
		pause();
}

/* ---- what is so ---- */

static void tell_file(const char *what, const char *path)
{
	FILE *f = fopen(path, "r");

	if (f && fgets(line, sizeof(line), f))
		printf("T %s %s%s", what, line, strchr(line, '\n') ? "" : "\n");
	if (f)
		fclose(f);
}

static void tell_build_id(void)
{
	static unsigned char b[65536];
	int fd = open("/sys/kernel/notes", O_RDONLY);
	ssize_t n = read(fd, b, sizeof(b));

	for (ssize_t at = 0; at + 12 <= n;) {
		uint32_t h[3];

		memcpy(h, b + at, sizeof(h));
		if (h[2] == 3 && h[0] == 4 && !memcmp(b + at + 12, "GNU", 4)) {
			printf("T build_id ");
			for (uint32_t i = 0; i < h[1]; i++)
				printf("%02x", b[at + 16 + i]);
			putchar('\n');
			break;
		}
		at += 12 + ((h[0] + 3) & ~3u) + ((h[1] + 3) & ~3u);
	}
	close(fd);
}

static void tell_flags(void)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	int cpus = 0;
	bool pti = false;

	while (f && fgets(line, sizeof(line), f)) {
		cpus += !strncmp(line, "processor", 9);
		pti = pti || (!strncmp(line, "flags", 5) && strstr(line, " pti "));
	}
	if (f)
		fclose(f);
	printf("T kpti %s\nT cpus %d\n", pti ? "true" : "false", cpus);
}

static void tell_btime(void)
{
	FILE *f = fopen("/proc/stat", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "btime ", 6))
			printf("T %s", line);
	if (f)
		fclose(f);
}

/* The kernel's own symbols: their number, and FNV-1a over their lines. */
static void tell_symbols(void)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	uint64_t hash = 0xcbf29ce484222325ull;
	unsigned n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '['))
			break;
		n++;
		for (const char *p = line; *p; p++)
			hash = (hash ^ (unsigned char)*p) * 0x100000001b3ull;
	}
	if (f)
		fclose(f);
	printf("T symbols %u %016llx\n", n, (unsigned long long)hash);
}

static void tell_modules(void)
{
	FILE *f = fopen("/proc/modules", "r");
	char name[64], address[32];
	unsigned long size;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %lu %*s %*s %*s %31s", name, &size, address) == 3)
			printf("M %s %lu %s\n", name, size, address);
	if (f)
		fclose(f);
}

static void tell_maps(const char *pid)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		printf("V %s %s", pid, line);
	if (f)
		fclose(f);
}

static void tell_process(const char *pid)
{
	char path[300], comm[64] = "";
	unsigned long long start = 0;
	int ppid = 0;
	struct stat st;
	char *after;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		return;
	fclose(f);
	after = strrchr(line, ')');
	snprintf(comm, sizeof(comm), "%.*s", (int)(after - strchr(line, '(') - 1), strchr(line, '(') + 1);
	sscanf(after + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	       &ppid, &start);
	snprintf(path, sizeof(path), "/proc/%s", pid);
	stat(path, &st);
	printf("P %s %d %u %llu %s\n", pid, ppid, st.st_uid, start, comm);
}

/* Two ways of counting, of which one lags on some kernels, the other on others. */
static void tell_memory(const char *pid)
{
	unsigned long rss = 0, swap = 0, mapped = 0;
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %lu", &rss) != 1)
			sscanf(line, "VmSwap: %lu", &swap);
	if (f)
		fclose(f);
	snprintf(path, sizeof(path), "/proc/%s/smaps_rollup", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "Rss: %lu", &mapped);
	if (f)
		fclose(f);
	printf("U %s %lu %lu %lu\n", pid, rss, mapped, swap);
}

static void tell_processes(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	while ((e = readdir(d))) {
		char path[300], exe[PATH_MAX];

		snprintf(path, sizeof(path), "/proc/%s/exe", e->d_name);
		if (!isdigit(e->d_name[0]) || readlink(path, exe, sizeof(exe)) < 0)
			continue;
		tell_process(e->d_name);
		tell_spaces(e->d_name);
		/* Our own change while we tell them. */
		if (!strcmp(e->d_name, "1"))
			continue;
		tell_maps(e->d_name);
		tell_memory(e->d_name);
	}
	closedir(d);
}

/* ---- start ---- */

/* A line of /modules: a file, and the module's parameters. */
static void load_modules(void)
{
	FILE *f = fopen("/modules", "r");
	char path[300], *parameters;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		parameters = line;
		strsep(&parameters, " ");
		snprintf(path, sizeof(path), "/lib/%.250s", line);
		if (syscall(SYS_finit_module, open(path, O_RDONLY | O_CLOEXEC), parameters ? parameters : "", 0))
			perror(path);
	}
	if (f)
		fclose(f);
}

/* Memory that the guest has used, and uses no more. */
static void dirty(size_t mib)
{
	char *at = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		failed("dirty");
		return;
	}
	memset(at, 'd', mib << 20);
	munmap(at, mib << 20);
}

/* Who looks in meanwhile says when to go on. */
static void wait_for_word(void)
{
	int fd = open("/dev/ttyS1", O_RDONLY | O_NOCTTY);
	char c = 0;

	while (c != '\n' && read(fd, &c, 1) == 1)
		;
	close(fd);
}

/* Another kernel, without the machine starting anew; with the same command line. */
static void next_kernel(void)
{
	int kernel = open("/next/vmlinuz", O_RDONLY), initrd = open("/next/initrd", O_RDONLY);
	int fd = open("/proc/cmdline", O_RDONLY);
	ssize_t n = read(fd, line, sizeof(line) - 1);

	if (n < 1 || line[n - 1] != '\n')
		failed("command line");
	line[n - 1] = '\0';
	if (syscall(SYS_kexec_file_load, kernel, initrd, n, line, 0))
		failed(strerror(errno));
	printf("NEXT\n");
	fflush(stdout);
	reboot(RB_KEXEC);
	failed("kexec");
}

/* Who has the other end closes it by an exec, or once it waits. */
static void spawn_all(void)
{
	int ends[2];
	char c;

	if (pipe2(ends, O_CLOEXEC))
		failed("pipe");
	spawn(0, "/bin/idle", "an argument");
	spawn(1000, "/bin/idle", "of a user");
	spawn(0, "/init", "map");
	spawn_memfd();
	spawn_deleted();
	spawn_spaces(ends[1]);
	spawn_pages(ends[1]);
	spawn_rest(ends[1]);
	close(ends[1]);
	if (read(ends[0], &c, 1))
		failed("processes");
	close(ends[0]);
	sleep(1);
}

int main(int argc, char **argv)
{
	if (argc > 2)
		rest_and_wait(atoi(argv[2]));
	if (argc > 1)
		map_and_wait();
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load_modules();
	start_swap();
	/* What the kernel does not know of its command line is ours. */
	if (getenv("dirty"))
		dirty(atoi(getenv("dirty")));
	spawn_all();
	if (!access("/next/vmlinuz", F_OK)) {
		printf("\nFIRST\n");
		fflush(stdout);
		if (getenv("followed"))
			wait_for_word();
		next_kernel();
	}
	/* What the firmware wrote ends its line nowhere. */
	putchar('\n');
	tell_file("banner", "/proc/version");
	tell_file("command_line", "/proc/cmdline");
	tell_build_id();
	tell_flags();
	tell_btime();
	tell_symbols();
	tell_modules();
	tell_processes();
	tell_rest();
	printf("READY\n");
	if (getenv("followed")) {
		wait_for_word();
		printf("FOLLOWED\n");
	}
	for (;;)
		pause();
}

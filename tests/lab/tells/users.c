// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs in the guest: who uses CPU and memory as a miner, a hoarder and a leak do, and who
 * does as much and is in order.  Each is a program of its own path, as a program's use so
 * far is known by it.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SELF "/proc/self/exe"
#define MIB (1ul << 20)
#define SMALL (8 * MIB)
#define LARGE (96 * MIB)
#define SESSIONS 3
#define SESSION_SECONDS 25

static void rest(void)
{
	for (;;)
		sleep(1000);
}

static char *hold(size_t size, int flags, int fd)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	memset(at, 0x5a, size);
	return at;
}

static char *hold_own(size_t size) { return hold(size, MAP_PRIVATE | MAP_ANONYMOUS, -1); }

static void mark(const char *path)
{
	close(open(path, O_WRONLY | O_CREAT, 0600));
}

static void await(const char *path)
{
	while (access(path, F_OK))
		usleep(100000);
}

/* ---- abnormal ---- */

static void do_miner(void)
{
	for (volatile unsigned long i = 0;; i++)
		;
}

/* Small until it is told, and then not. */
static void do_hoarder(void)
{
	hold_own(SMALL);
	await("/run/grow");
	hold_own(LARGE - SMALL);
	rest();
}

/* The same, a little at a time, and in shared memory. */
static void do_leak(void)
{
	hold(SMALL, MAP_SHARED | MAP_ANONYMOUS, -1);
	await("/run/grow");
	for (size_t held = SMALL; held < LARGE; held += 8 * MIB) {
		hold(8 * MIB, MAP_SHARED | MAP_ANONYMOUS, -1);
		usleep(200000);
	}
	rest();
}

/* ---- in order ---- */

/* Its own cache, full since long before. */
static void do_cache(void)
{
	hold_own(LARGE);
	mark("/run/full-cache");
	rest();
}

/*
 * As PostgreSQL does: a process that keeps to itself, and sessions that touch all of a
 * shared cache, each new one too.
 */
static void do_database(void)
{
	char *shared = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED)
		err(1, "mmap");
	for (unsigned n = 0;; n++) {
		if (!fork()) {
			memset(shared, n, LARGE);
			mark("/run/full-database");
			rest();
		}
		if (n >= SESSIONS)
			sleep(SESSION_SECONDS);
	}
}

/* A file in a tmpfs, mapped. */
static void do_tmpfs(void)
{
	int fd = open("/run/cache", O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, LARGE))
		err(1, "/run/cache");
	hold(LARGE, MAP_SHARED, fd);
	mark("/run/full-tmpfs");
	rest();
}

/* Takes as much as a hoarder, and gives it back soon. */
static void do_batch(void)
{
	hold_own(SMALL);
	for (;;) {
		sleep(12);
		char *at = hold_own(LARGE - SMALL);

		sleep(6);
		munmap(at, LARGE - SMALL);
	}
}

static const struct user {
	const char *name;
	void (*run)(void);
} users[] = {
	{ "cache", do_cache }, { "database", do_database }, { "tmpfs", do_tmpfs },
	{ "batch", do_batch }, { "hoarder", do_hoarder }, { "leak", do_leak },
	{ "miner", do_miner },
};

static void start(const struct user *u)
{
	char path[64];
	struct stat st;
	int in = open(SELF, O_RDONLY), out;

	snprintf(path, sizeof(path), "/bin/%s", u->name);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (in < 0 || out < 0 || fstat(in, &st) || sendfile(out, in, NULL, st.st_size) != st.st_size)
		err(1, "%s", path);
	close(in);
	close(out);
	if (fork())
		return;
	execl(path, u->name, u->name, NULL);
	err(1, "%s", path);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(users) / sizeof(*users); i++)
		if (argc < 2)
			start(&users[i]);
		else if (!strcmp(argv[1], users[i].name))
			users[i].run();
	if (argc < 2) {
		await("/run/full-cache");
		await("/run/full-database");
		await("/run/full-tmpfs");
		mark("/run/full");
		while (wait(NULL) > 0)
			;
	}
	return 0;
}

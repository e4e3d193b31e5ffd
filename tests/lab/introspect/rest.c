// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process with sockets, an environment and a deleted file open, and files that
 * nobody has open; what /proc, the page cache (mincore) and the files say of that.
 */
#include "truth.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define IMAGE "/disk.img"
#define DISK "/dev/ram1"
#define FILE_PAGES 32

static pid_t rest;
static bool disk;

/* ---- files ---- */

/* Some of its pages are zeros, which are pages all the same. */
static int make_file(const char *path, unsigned pages)
{
	int fd = open(path, O_CREAT | O_RDWR | O_TRUNC, 0640);
	char page[PAGE];

	for (unsigned i = 0; i < pages; i++) {
		memset(page, i % 8 == 3 ? 0 : 'a' + i % 26, sizeof(page));
		if (i % 8 != 3)
			snprintf(page, sizeof(page), "page %u of %s", i, path);
		if (write(fd, page, PAGE) != PAGE)
			failed(path);
	}
	/* The last is not whole; were it written so, it would not be up to date, and so not there. */
	if (fd < 0 || ftruncate(fd, (off_t)(pages - 1) * PAGE + 1234) || fchown(fd, 1000, 1000) || fsync(fd))
		failed(path);
	return fd;
}

static void drop(int fd, unsigned first, unsigned pages)
{
	if (posix_fadvise(fd, (off_t)first * PAGE, (off_t)pages * PAGE, POSIX_FADV_DONTNEED))
		failed("fadvise");
}

/* Dropped whole, read whole, closed. */
static void read_once(const char *path)
{
	int fd = make_file(path, FILE_PAGES);
	char buf[PAGE];

	drop(fd, 0, FILE_PAGES);
	lseek(fd, 0, SEEK_SET);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

static void with_hole(const char *path)
{
	int fd = make_file(path, FILE_PAGES);

	drop(fd, 8, 8);
	drop(fd, 20, 1);
	close(fd);
}

static void sparse(const char *path)
{
	int fd = open(path, O_CREAT | O_RDWR, 0600);

	if (pwrite(fd, "begin", 5, 0) != 5 || pwrite(fd, "end", 3, 5 * PAGE) != 3)
		failed(path);
	close(fd);
}

static void make_files(void)
{
	int image = open(IMAGE, O_RDONLY), to = open(DISK, O_WRONLY);

	sparse("/sparse");
	read_once("/at rest");
	/* Not all kernels have the module. */
	if (image < 0)
		return;
	close(image);
	mkdir("/disk", 0755);
	copy(IMAGE, to);
	disk = !fsync(to) && !close(to) && !mount(DISK, "/disk", "minix", 0, NULL);
	if (!disk)
		failed("a disk");
	mkdir("/disk/dir", 0755);
	read_once("/disk/dir/rest");
	with_hole("/disk/hole");
}

/* ---- the process ---- */

static void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &r))
		failed("lo");
	close(fd);
}

static struct sockaddr_in local(int fd)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);

	if (fd >= 0)
		getsockname(fd, (struct sockaddr *)&a, &len);
	return a;
}

static int bound(int type)
{
	struct sockaddr_in a = local(-1);
	int fd = socket(AF_INET, type, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)))
		failed("bind");
	return fd;
}

static void connected(int fd, int to)
{
	struct sockaddr_in a = local(to);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		failed("connect");
}

/* A listener, both ends of a connection, a UDP socket that is connected and one that is not. */
static void open_sockets(void)
{
	int listener, udp;

	loopback_up();
	listener = bound(SOCK_STREAM);
	if (listen(listener, 1))
		failed("listen");
	connected(socket(AF_INET, SOCK_STREAM, 0), listener);
	if (accept(listener, NULL, NULL) < 0)
		failed("accept");
	udp = bound(SOCK_DGRAM);
	connected(bound(SOCK_DGRAM), udp);
}

void rest_and_wait(int ready)
{
	open_sockets();
	make_file(disk || !access("/disk/dir", F_OK) ? "/disk/gone" : "/gone file", 5);
	unlink("/disk/gone");
	unlink("/gone file");
	close(ready);
	for (;;)
		pause();
}

void spawn_rest(int ready)
{
	char *env[] = { (char *)"HOME=/nowhere", (char *)"ODD=\x01 \\ \xff=x", (char *)"EMPTY=", NULL };
	char number[16];

	make_files();
	/* As it execs. */
	snprintf(number, sizeof(number), "%d", dup(ready));
	rest = fork();
	if (!rest) {
		char *argv[] = { (char *)"/init", (char *)"rest", number, NULL };

		execve("/init", argv, env);
		_exit(1);
	}
	close(atoi(number));
}

/* ---- what is so: files ---- */

static uint64_t mix(uint64_t hash, uint64_t v)
{
	return (hash ^ v) * 0x100000001b3ull;
}

/* Its size, the pages of it that are in memory, and what is in these; their number. */
static unsigned tell_pages(int fd, off_t size)
{
	size_t pages = (size + PAGE - 1) / PAGE;
	unsigned char *in = calloc(1, pages + 1), *at = mmap(NULL, pages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t hash = 0xcbf29ce484222325ull;
	unsigned n = 0;

	/* Reading brings in no neighbours. */
	if (at == MAP_FAILED || madvise(at, pages * PAGE, MADV_RANDOM) || mincore(at, pages * PAGE, in))
		failed("mincore");
	printf(" = %lld ", (long long)size);
	for (size_t i = 0; i < pages; i++) {
		size_t len = size - i * PAGE < PAGE ? size - i * PAGE : PAGE;

		if (!(in[i] & 1))
			continue;
		n++;
		if (!i || !(in[i - 1] & 1))
			printf("%zu-", i);
		if (!(in[i + 1] & 1))
			printf("%zu,", i);
		hash = mix(hash, i);
		for (size_t b = 0; b < len; b++)
			hash = mix(hash, at[i * PAGE + b]);
	}
	printf(" %016llx\n", (unsigned long long)hash);
	munmap(at, pages * PAGE);
	free(in);
	return n;
}

/* F: how it is asked for; L: as it is listed. */
static void tell_one(const char *file, const char *path, const char *how, bool list)
{
	int fd = open(file, O_RDONLY);
	struct stat st;
	unsigned n;

	if (fd < 0 || fstat(fd, &st)) {
		failed(file);
		return;
	}
	if (how)
		printf("F %s", how);
	else
		printf("F inode %02x:%02x:%llu -", major(st.st_dev), minor(st.st_dev), (unsigned long long)st.st_ino);
	n = tell_pages(fd, st.st_size);
	if (list)
		printf("L %02x:%02x:%llu %lld %u %o %u %lld %s\n", major(st.st_dev), minor(st.st_dev),
		       (unsigned long long)st.st_ino, (long long)st.st_size, n, st.st_mode & 07777, st.st_uid,
		       (long long)st.st_mtime, path);
	close(fd);
}

static void tell_files(void)
{
	char how[64], open_file[64];

	snprintf(how, sizeof(how), "exe %d -", rest);
	tell_one("/init", "", how, false);
	tell_one("/bin/idle", "", NULL, false);
	tell_one("/sparse", "", "at /sparse -", false);
	tell_one("/at rest", "", NULL, false);
	/* Its last descriptor. */
	for (int fd = 3; fd < 32; fd++) {
		char link[300] = "", name[64];

		snprintf(name, sizeof(name), "/proc/%d/fd/%d", rest, fd);
		if (readlink(name, link, sizeof(link) - 1) > 0 && strstr(link, "/gone"))
			snprintf(open_file, sizeof(open_file), "%s", name);
	}
	if (!disk) {
		tell_one(open_file, "", NULL, false);
		return;
	}
	snprintf(how, sizeof(how), "path %d /disk/gone", rest);
	tell_one(open_file, "/gone deleted", how, true);
	tell_one("/disk/dir/rest", "/dir/rest", "at /dir/rest -", true);
	tell_one("/disk/hole", "/hole", NULL, true);
}

/* ---- what is so: environment and sockets ---- */

static void tell_environment(void)
{
	char path[64];
	FILE *f;
	int c, in = 0;

	snprintf(path, sizeof(path), "/proc/%d/environ", rest);
	f = fopen(path, "r");
	while (f && (c = getc(f)) != EOF) {
		if (!in++)
			printf("E %d ", rest);
		if (!c) {
			putchar('\n');
			in = 0;
		} else if (c < 0x20 || c > 0x7e || c == '\\') {
			printf("\\x%02x", c);
		} else {
			putchar(c);
		}
	}
	if (f)
		fclose(f);
}

static const char *state_name(unsigned state)
{
	return state == 1 ? " ESTABLISHED" : state == 10 ? " LISTEN" : " another";
}

static void tell_socket(int fd, unsigned long inode, const char *protocol, const char *path)
{
	unsigned a, p, b, q, state;
	unsigned long number;
	char line[512];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];

		if (sscanf(line, " %*d: %x:%x %x:%x %x %*x:%*x %*x:%*x %*x %*d %*d %lu", &a, &p, &b, &q, &state,
			   &number) != 6 || number != inode)
			continue;
		inet_ntop(AF_INET, &a, from, sizeof(from));
		inet_ntop(AF_INET, &b, to, sizeof(to));
		printf("S %d %d %s %s:%u %s:%u%s\n", rest, fd, protocol, from, p, to, q,
		       protocol[0] == 't' ? state_name(state) : "");
	}
	if (f)
		fclose(f);
}

static void tell_sockets(void)
{
	for (int fd = 0; fd < 32; fd++) {
		char name[64], link[300] = "";
		unsigned long inode;

		snprintf(name, sizeof(name), "/proc/%d/fd/%d", rest, fd);
		if (readlink(name, link, sizeof(link) - 1) < 0 || sscanf(link, "socket:[%lu]", &inode) != 1)
			continue;
		tell_socket(fd, inode, "tcp", "/proc/net/tcp");
		tell_socket(fd, inode, "udp", "/proc/net/udp");
	}
}

void tell_rest(void)
{
	tell_environment();
	tell_sockets();
	tell_files();
}

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
#include <stddef.h>
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
#include <sys/un.h>
#include <unistd.h>

#define IMAGE "/disk.img"
#define DISK "/dev/ram1"
#define FILE_PAGES 32
#define MAX_FDS 64

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

/* Of either family; port 0: any. */
union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
};

static int bound_to(int type, int protocol, const char *text)
{
	union address a = { .any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET };
	int fd = socket(a.any.sa_family, type, protocol);

	inet_pton(a.any.sa_family, text, a.any.sa_family == AF_INET ? (void *)&a.four.sin_addr :
		  (void *)&a.six.sin6_addr);
	if (bind(fd, &a.any, sizeof(a)))
		failed(text);
	return fd;
}

static int bound(int type, const char *text) { return bound_to(type, 0, text); }

/* To the port of another, by the address that is meant. */
static int connected(int fd, const char *text, int to)
{
	union address a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(to, &a.any, &len);
	if (!strchr(text, ':')) {
		a.any.sa_family = AF_INET;
		inet_pton(AF_INET, text, &a.four.sin_addr);
	} else {
		inet_pton(AF_INET6, text, &a.six.sin6_addr);
	}
	if (connect(fd, &a.any, sizeof(a)))
		failed(text);
	return fd;
}

static int listening(int fd)
{
	if (listen(fd, 4))
		failed("listen");
	return fd;
}

static void accepted(int listener)
{
	if (accept(listener, NULL, NULL) < 0)
		failed("accept");
}

/* A listener, both ends of a connection, a UDP socket that is connected and one that is not. */
static void open_inet(const char *text)
{
	const int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	int listener = listening(bound(SOCK_STREAM, text));

	connected(socket(family, SOCK_STREAM, 0), text, listener);
	accepted(listener);
	connected(bound(SOCK_DGRAM, text), text, bound(SOCK_DGRAM, text));
}

/* IPv4 that an IPv6 socket takes, and IPv6's own way to ask for it. */
static void open_mapped(void)
{
	int listener = listening(bound(SOCK_STREAM, "::"));

	connected(socket(AF_INET, SOCK_STREAM, 0), "127.0.0.1", listener);
	accepted(listener);
	connected(socket(AF_INET6, SOCK_STREAM, 0), "::ffff:127.0.0.1", listener);
	accepted(listener);
	connected(socket(AF_INET6, SOCK_DGRAM, 0), "::ffff:127.0.0.1", bound(SOCK_DGRAM, "::"));
}

/* Datagram sockets that are none of UDP's (their port is an echo's id), and raw ones. */
static void open_others(void)
{
	int fd = open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY);

	if (write(fd, "0 0", 3) != 3)
		failed("ping_group_range");
	close(fd);
	bound_to(SOCK_DGRAM, IPPROTO_ICMP, "127.0.0.1");
	bound_to(SOCK_DGRAM, IPPROTO_ICMPV6, "::1");
	bound_to(SOCK_RAW, IPPROTO_ICMP, "127.0.0.1");
	bound_to(SOCK_RAW, IPPROTO_ICMPV6, "::1");
}

/* Its name is all of size, zeros too. */
static int named(int type, const char *name, size_t size)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	memcpy(a.sun_path, name, size);
	if (bind(fd, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + size))
		failed("a name");
	return fd;
}

static void meets(int fd, int listener)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);

	if (getsockname(listener, (struct sockaddr *)&a, &len) || connect(fd, (struct sockaddr *)&a, len))
		failed("connect to a name");
	accepted(listener);
}

static void open_unix(void)
{
	static const char abstract[] = "\0of tests\0 \\ \1\0";
	char longest[sizeof(((struct sockaddr_un *)0)->sun_path)] = "/";
	int pair[2];

	memset(longest + 1, 'n', sizeof(longest) - 1);
	meets(socket(AF_UNIX, SOCK_STREAM, 0), listening(named(SOCK_STREAM, "/a socket", 9)));
	meets(socket(AF_UNIX, SOCK_SEQPACKET, 0), listening(named(SOCK_SEQPACKET, abstract, sizeof(abstract))));
	named(SOCK_DGRAM, longest, sizeof(longest));
	/* The kernel's own name for it. */
	named(SOCK_DGRAM, "", 0);
	socket(AF_UNIX, SOCK_DGRAM, 0);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		failed("pairs");
}

void rest_and_wait(int ready)
{
	loopback_up();
	open_inet("127.0.0.1");
	open_inet("::1");
	open_mapped();
	open_others();
	open_unix();
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
	for (int fd = 3; fd < MAX_FDS; fd++) {
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

static void put(int c)
{
	if (c < 0x20 || c > 0x7e || c == '\\')
		printf("\\x%02x", c);
	else
		putchar(c);
}

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
		} else {
			put(c);
		}
	}
	if (f)
		fclose(f);
}

static const char *state_name(unsigned state)
{
	return state == 1 ? " ESTABLISHED" : state == 10 ? " LISTEN" : " another";
}

/* "0100007F:1F90", or four such words and a port, as the kernel writes them. */
static void say_address(const char *hex)
{
	const char *port = strchr(hex, ':');
	const bool six = port - hex == 32;
	char text[INET6_ADDRSTRLEN];
	uint32_t words[4] = { 0 };

	for (int i = 0; i < (six ? 4 : 1); i++)
		sscanf(hex + 8 * i, "%8x", &words[i]);
	inet_ntop(six ? AF_INET6 : AF_INET, words, text, sizeof(text));
	printf(six ? " [%s]:%lu" : " %s:%lu", text, strtoul(port + 1, NULL, 16));
}

static void tell_inet(int fd, unsigned long inode, const char *protocol)
{
	char line[512], path[64], from[64], to[64];
	unsigned long number;
	unsigned state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/net/%s", protocol);
	f = fopen(path, "r");
	if (!f)
		failed(path);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*d: %63s %63s %x %*x:%*x %*x:%*x %*x %*d %*d %lu", from, to, &state,
			   &number) != 4 || number != inode)
			continue;
		printf("S %d %d %s", rest, fd, protocol);
		say_address(from);
		say_address(to);
		printf("%s\n", protocol[0] == 't' ? state_name(state) : "");
	}
	if (f)
		fclose(f);
}

static void tell_unix(int fd, unsigned long inode)
{
	FILE *f = fopen("/proc/net/unix", "r");
	unsigned flags, type, state;
	unsigned long number;
	char line[512];
	int at;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*[^:]: %*x %*x %x %x %x %lu%n", &flags, &type, &state, &number, &at) != 4 ||
		    number != inode)
			continue;
		printf("S %d %d unix socket:[%lu] %s%s", rest, fd, inode, type == SOCK_STREAM ? "stream" :
		       type == SOCK_DGRAM ? "dgram" : "seqpacket",
		       flags & 0x10000 ? " LISTEN" : state == 3 ? " ESTABLISHED" : "");
		for (; line[at] && line[at] != '\n'; at++)
			put((uint8_t)line[at]);
		putchar('\n');
	}
	if (f)
		fclose(f);
}

static void tell_sockets(void)
{
	static const char *const protocols[] = {
		"tcp", "tcp6", "udp", "udp6", "icmp", "icmp6", "raw", "raw6",
	};

	for (int fd = 0; fd < MAX_FDS; fd++) {
		char name[64], link[300] = "";
		unsigned long inode;

		snprintf(name, sizeof(name), "/proc/%d/fd/%d", rest, fd);
		if (readlink(name, link, sizeof(link) - 1) < 0 || sscanf(link, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
			tell_inet(fd, inode, protocols[i]);
		tell_unix(fd, inode);
	}
}

void tell_rest(void)
{
	tell_environment();
	tell_sockets();
	tell_files();
}

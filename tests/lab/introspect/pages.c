// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process whose pages are of each kind.  It tells of each mapping what its own
 * page map says: how many pages are there, how much of it is huge, and a hash
 * over each page's place, frame and content.
 */
#include "truth.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#define HUGE (2ul << 20)
#define GIGANTIC (1ul << 30)
#define MAP_GIGANTIC (30u << MAP_HUGE_SHIFT)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define SWAP "/dev/ram0"
#define SWAP_PAGES 4096u
#define PRESENT (1ull << 63)
#define SWAPPED (1ull << 62)
#define FRAME ((1ull << 55) - 1)

/* ---- what is there ---- */

static uint64_t *page_map(const char *at, size_t size)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t *map = calloc(size / PAGE, sizeof(*map));

	if (pread(fd, map, size / PAGE * 8, (uintptr_t)at / PAGE * 8) != (ssize_t)(size / PAGE * 8))
		failed("page map");
	close(fd);
	return map;
}

static unsigned count(const char *at, size_t size, uint64_t what)
{
	uint64_t *map = page_map(at, size);
	unsigned n = 0;

	for (size_t i = 0; i < size / PAGE; i++)
		n += !!(map[i] & what);
	free(map);
	return n;
}

static uint64_t mix(uint64_t hash, uint64_t v)
{
	return (hash ^ v) * 0x100000001b3ull;
}

/* KiB that one entry of a table above the last maps. */
static unsigned long huge_kb(const char *at)
{
	char line[512], begin[32];
	unsigned long sum = 0, kb;
	bool here = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	snprintf(begin, sizeof(begin), "%lx-", (unsigned long)at);
	while (f && fgets(line, sizeof(line), f)) {
		if (strchr("0123456789abcdef", line[0]))
			here = !strncmp(line, begin, strlen(begin));
		if (here && (sscanf(line, "AnonHugePages: %lu", &kb) == 1 ||
			     sscanf(line, "Shared_Hugetlb: %lu", &kb) == 1 ||
			     sscanf(line, "Private_Hugetlb: %lu", &kb) == 1))
			sum += kb;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Pages that are not there are not touched: that would bring them back. */
static void tell(const char *at, size_t size)
{
	uint64_t *map = page_map(at, size), hash = 0xcbf29ce484222325ull;
	unsigned present = 0;

	for (size_t i = 0; i < size / PAGE; i++) {
		const uint64_t *word = (const uint64_t *)(at + i * PAGE);

		if (!(map[i] & PRESENT))
			continue;
		present++;
		hash = mix(mix(hash, i), map[i] & FRAME);
		for (size_t w = 0; w < PAGE / 8; w++)
			hash = mix(hash, word[w]);
	}
	printf("R %d %lx-%lx %u %lu %016llx\n", getpid(), (unsigned long)at, (unsigned long)at + size,
	       present, huge_kb(at), (unsigned long long)hash);
	free(map);
}

/* ---- pages of each kind ---- */

static void fill(char *at, size_t size, size_t step)
{
	for (size_t i = 0; i < size; i += step)
		snprintf(at + i, 64, "page %zu of %p", i / PAGE, (void *)at);
}

/* In the middle of what is not mapped, so that no other mapping grows into it. */
static char *map(size_t size, int rights, int flags, int fd)
{
	size_t room = size + 2 * HUGE;
	char *at = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	at = (char *)(((uintptr_t)at + HUGE) & ~(HUGE - 1));
	return mmap(at, size, rights, flags | MAP_FIXED, fd, 0);
}

/* False if it is not there. */
static bool set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	close(fd);
	return done;
}

/* A real-time kernel has none; one with little memory leaves them off. */
static void huge(void)
{
	const bool can = set("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	char *at = map(2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(at, 2 * HUGE, MADV_HUGEPAGE);
	fill(at, 2 * HUGE, PAGE);
	tell(at, 2 * HUGE);
	if (can && !huge_kb(at))
		failed("huge pages");
}

static void hugetlb(size_t size, int flags, int fd)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED) {
		failed("hugetlb");
		return;
	}
	fill(at, size, 16 * PAGE);
	tell(at, size);
}

static void hugetlb_file(void)
{
	int fd;

	mkdir("/huge", 0755);
	if (mount("none", "/huge", "hugetlbfs", 0, "pagesize=2M"))
		failed("hugetlbfs");
	fd = open("/huge/file", O_CREAT | O_RDWR, 0600);
	if (ftruncate(fd, HUGE))
		failed("a file of hugetlbfs");
	hugetlb(HUGE, MAP_SHARED, fd);
	close(fd);
}

static bool gigantic(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "r");
	int n = 0;

	if (f && fscanf(f, "%d", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n > 0;
}

/* All but some of its pages are out; the page before and behind each is. */
static void swapped(int rights)
{
	const size_t size = 64 * PAGE;
	char *at = map(size, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(at, size, MADV_NOHUGEPAGE);
	fill(at, size, PAGE);
	/* It may be busy with them still. */
	for (int i = 0; i < 50 && count(at, size, PRESENT); i++) {
		madvise(at, size, MADV_PAGEOUT);
		usleep(20000);
	}
	for (size_t i = 0; i < size / 2; i += 4 * PAGE)
		*(volatile char *)(at + i) |= 0;
	if (count(at, size, SWAPPED) < size / PAGE / 2)
		failed("swap");
	tell(at, size);
	if (rights & PROT_EXEC)
		printf("A %d anon %lx-%lx %u %u\n", getpid(), (unsigned long)at, (unsigned long)at + size,
		       count(at, size, PRESENT), count(at, size, PRESENT));
}

/* Read, and never written. */
static void zeros(void)
{
	const size_t size = 16 * PAGE;
	char *at = map(size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(at, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 2 * PAGE)
		(void)*(volatile char *)(at + i);
	tell(at, size);
}

/* ---- start ---- */

/* mkswap, with nothing but what the kernel asks for. */
void start_swap(void)
{
	static char header[PAGE];
	const uint32_t info[] = { 1, SWAP_PAGES - 1, 0 };
	int fd = open(SWAP, O_WRONLY);

	memcpy(header + 1024, info, sizeof(info));
	memcpy(header + PAGE - 10, "SWAPSPACE2", 10);
	if (fd < 0 || pwrite(fd, header, sizeof(header), 0) != sizeof(header) || fsync(fd) ||
	    close(fd) || swapon(SWAP, 0))
		failed("swapon");
}

void spawn_pages(int ready)
{
	if (!set("/proc/sys/vm/nr_hugepages", "3"))
		failed("nr_hugepages");
	if (fork())
		return;
	prctl(PR_SET_NAME, "pages");
	/* What the firmware wrote ends its line nowhere. */
	putchar('\n');
	huge();
	hugetlb(2 * HUGE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	hugetlb_file();
	if (gigantic())
		hugetlb(GIGANTIC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_GIGANTIC, -1);
	zeros();
	swapped(PROT_READ | PROT_WRITE);
	swapped(PROT_READ | PROT_WRITE | PROT_EXEC);
	fflush(stdout);
	close(ready);
	for (;;)
		pause();
}

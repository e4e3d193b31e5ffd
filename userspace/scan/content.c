// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/content.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/util.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define BLOCK (256u << 10)

static int refuse(char why[TEXT_WHY], const char *text)
{
	snprintf(why, TEXT_WHY, "%s", text);
	return -1;
}

/* Unsealed, a content could change between its hash and its scan. */
int content_check(int fd, uint32_t profile, uint64_t *ret_size, char ret_why[TEXT_WHY])
{
	uint64_t max = profile == SCAN_MEMORY ? CONTENT_MEMORY_MAX : CONTENT_FILE_MAX;
	struct stat st;
	int seals;

	if (profile != SCAN_FILE && profile != SCAN_MEMORY)
		return refuse(ret_why, "unknown profile");
	if (fd < 0)
		return refuse(ret_why, "no content");
	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return refuse(ret_why, "not a memfd");
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return refuse(ret_why, "not a memfd");
	if ((seals & SEALS) != SEALS)
		return refuse(ret_why, "not sealed");
	if ((uint64_t)st.st_size > max) {
		snprintf(ret_why, TEXT_WHY, "larger than %llu MiB",
			 (unsigned long long)max >> 20);
		return -1;
	}
	if (st.st_size > 0 && st.st_size < CONTENT_MIN)
		return refuse(ret_why, "too short for libclamav to look at");
	*ret_size = st.st_size;
	return 0;
}

/*
 * The next run of data at or after *from, before size: 1, 0 at the end, which a
 * hole may be, or -errno: what cannot be read is no hole.  The offset that
 * lseek moves is nobody's: all use pread.
 */
static int next_data(int fd, uint64_t *from, uint64_t *ret_end, uint64_t size)
{
	off_t data = lseek(fd, *from, SEEK_DATA), hole;

	if (data < 0)
		return errno == ENXIO ? 0 : -errno;
	if ((uint64_t)data >= size)
		return 0;
	hole = lseek(fd, data, SEEK_HOLE);
	*from = data;
	*ret_end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
	return 1;
}

static int read_all(int fd, uint8_t *out, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pread(fd, out, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		out += n;
		at += n;
		len -= n;
	}
	return 0;
}

static void hash_zeros(crypto_generichash_state *state, uint64_t n)
{
	static const uint8_t zeros[BLOCK];

	for (; n; n -= MIN(n, sizeof(zeros)))
		crypto_generichash_update(state, zeros, MIN(n, sizeof(zeros)));
}

static int hash_data(crypto_generichash_state *state, int fd, uint64_t at, uint64_t end)
{
	static uint8_t block[BLOCK];

	while (at < end) {
		size_t n = MIN(end - at, sizeof(block));
		int r = read_all(fd, block, n, at);

		if (r)
			return r;
		crypto_generichash_update(state, block, n);
		at += n;
	}
	return 0;
}

int content_hash(int fd, uint64_t size, uint8_t ret_hash[HASH_BYTES])
{
	crypto_generichash_state state;
	uint64_t done = 0, at = 0, end;
	int r;

	crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
	while ((r = next_data(fd, &at, &end, size)) > 0) {
		hash_zeros(&state, at - done);
		r = hash_data(&state, fd, at, end);
		if (r)
			return r;
		done = at = end;
	}
	if (r)
		return r;
	hash_zeros(&state, size - done);
	crypto_generichash_final(&state, ret_hash, HASH_BYTES);
	return 0;
}

void *content_map(int fd, uint64_t size)
{
	uint8_t *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t at = 0, end;
	int r;

	if (map == MAP_FAILED)
		return NULL;
	while ((r = next_data(fd, &at, &end, size)) > 0) {
		r = read_all(fd, map + at, end - at, at);
		if (r)
			break;
		at = end;
	}
	if (r) {
		munmap(map, size);
		errno = -r;
		return NULL;
	}
	mprotect(map, size, PROT_READ);
	return map;
}

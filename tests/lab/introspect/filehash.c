// SPDX-License-Identifier: GPL-2.0-or-later
/* filehash FILE: its size, which of its pages are no holes, and a hash of these, as rest.c tells them. */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096

static uint64_t mix(uint64_t hash, uint64_t v)
{
	return (hash ^ v) * 0x100000001b3ull;
}

static uint64_t hash_page(int fd, off_t page, uint64_t hash)
{
	uint8_t bytes[PAGE];
	ssize_t n = pread(fd, bytes, sizeof(bytes), page * PAGE);

	hash = mix(hash, page);
	for (ssize_t i = 0; i < n; i++)
		hash = mix(hash, bytes[i]);
	return hash;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	uint64_t hash = 0xcbf29ce484222325ull;
	off_t at = 0, hole;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(2, "filehash FILE");
	printf("%lld ", (long long)st.st_size);
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (hole = lseek(fd, at, SEEK_HOLE)) >= 0) {
		off_t end = (hole + PAGE - 1) / PAGE;

		printf("%lld-%lld,", (long long)at / PAGE, (long long)end - 1);
		for (off_t page = at / PAGE; page < end; page++)
			hash = hash_page(fd, page, hash);
		at = hole;
	}
	printf(" %016" PRIx64 "\n", hash);
	return 0;
}

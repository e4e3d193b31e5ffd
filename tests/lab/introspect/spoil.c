// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * spoil FILE btf|kallsyms: what a kernel's types, or its symbols, are known by is
 * overwritten wherever it is in FILE.  Prints how often; fails if it was not there.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A header of BTF: magic, version, flags, length. */
static const char btf[] = "\x9f\xeb\x01\0\x18\0\0";
/* The digits in kallsyms' table of tokens. */
static const char kallsyms[] = "0\0" "1\0" "2\0" "3\0" "4\0" "5\0" "6\0" "7\0" "8\0" "9";

static unsigned spoil(uint8_t *at, const uint8_t *end, const void *what, size_t size)
{
	unsigned n = 0;

	/* Much faster than memmem where nearly all is zeros. */
	while ((at = memchr(at, *(const uint8_t *)what, end - at)) && (size_t)(end - at) >= size) {
		if (!memcmp(at, what, size)) {
			memset(at, 'x', size);
			n++;
		}
		at++;
	}
	return n;
}

int main(int argc, char **argv)
{
	struct stat st;
	uint8_t *all;
	unsigned n;
	int fd;

	if (argc != 3 || (strcmp(argv[2], "btf") && strcmp(argv[2], "kallsyms")))
		errx(2, "spoil FILE btf|kallsyms");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", argv[1]);
	all = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all == MAP_FAILED)
		err(1, "%s", argv[1]);
	n = argv[2][0] == 'b' ? spoil(all, all + st.st_size, btf, sizeof(btf)) :
		spoil(all, all + st.st_size, kallsyms, sizeof(kallsyms));
	printf("%u\n", n);
	return !n;
}

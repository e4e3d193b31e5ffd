// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * from-memfd PAYLOAD KEY-BYTE NAME: decrypts an executable from a file into a
 * memfd and becomes it.  No file system ever holds the decrypted bytes.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char *child[] = { argc == 4 ? argv[3] : NULL, NULL }, *none[] = { NULL };
	static unsigned char buffer[65536];
	unsigned char key;
	int in, out;
	ssize_t n;

	if (argc != 4)
		errx(2, "usage: from-memfd PAYLOAD KEY-BYTE NAME");
	key = atoi(argv[2]);
	in = open(argv[1], O_RDONLY | O_CLOEXEC);
	out = memfd_create(argv[3], MFD_CLOEXEC);
	if (in < 0 || out < 0)
		err(1, "%s", argv[1]);
	while ((n = read(in, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			buffer[i] ^= key;
		if (write(out, buffer, n) != n)
			err(1, "memfd");
	}
	fexecve(out, child, none);
	err(1, "fexecve");
}

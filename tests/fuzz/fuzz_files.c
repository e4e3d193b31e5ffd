// SPDX-License-Identifier: GPL-2.0-or-later
/* Key files, and the files of the folder of agents: first byte chooses which. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel/pins.h"
#include "fuzz.h"

#define FOLDER "build/fuzz/files.folder"

static int dir = -1;

static void start(void)
{
	mkdir(FOLDER, 0700);
	must((dir = open(FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a.pub", "a.next", "a.invited",
		"1111111111111111111111111111111111111111111111111111111111111111.revoked" };
	const char *name;
	struct pins pins;
	char path[256];
	uint8_t key[32];
	int fd;

	if (!size)
		return 0;
	if (dir < 0)
		start();
	name = names[data[0] % 4];
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(write(fd, data + 1, size - 1) == (ssize_t)(size - 1));
	close(fd);
	snprintf(path, sizeof(path), "%s/%s", FOLDER, name);
	key_file_read(path, key, sizeof(key), true);
	pins_load(dir, &pins);
	pins_invites(&pins);
	free(pins.pin);
	free(pins.invite);
	free(pins.revoked);
	unlinkat(dir, name, 0);
	return 0;
}

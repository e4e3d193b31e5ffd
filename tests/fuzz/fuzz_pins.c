// SPDX-License-Identifier: GPL-2.0-or-later
/* The folder of agents, as a channel that was taken over may have left it. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "channel/pinfile.h"
#include "channel/pins.h"
#include "lib/util.h"

#define FILES 8

static char path[] = "/tmp/fuzz-pins-XXXXXX";
static int folder = -1;

static void remove_folder(void)
{
	rmdir(path);
}

static void prepare(void)
{
	must(mkdtemp(path) != NULL && !atexit(remove_folder));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(folder >= 0);
}

/* Files of the names that the folder knows, the bytes as given. */
static void put(char *name, size_t i, uint8_t kind, const uint8_t *data, size_t n)
{
	static const char *const suffixes[] = { "pub", "next", "invited", "revoked" };
	int fd;

	if (kind % 4 == 3)
		snprintf(name, 96, "%064zx.revoked", i);
	else
		snprintf(name, 96, "%c.%s", 'a' + kind / 4 % 4, suffixes[kind % 4]);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	close(fd);
}

static void check(struct pins *pins)
{
	must(pins->ninvites <= INVITES_MAX && pins->nrevoked <= REVOKED_MAX);
	for (size_t i = 0; i < PINS_MAX; i++) {
		const struct pin *p = &pins->pin[i];

		if (!p->used)
			continue;
		must(p->name[0] && pins_find(pins, p->key) == p && pins_named(pins, p->name) == p);
		must(!pins_is_revoked(pins, p->key));
		must(!p->has_next || !pins_is_revoked(pins, p->next));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char names[FILES][96];
	struct pins pins;
	size_t files = 0;

	if (folder < 0)
		prepare();
	while (size >= 2 && files < FILES) {
		size_t n = MIN((size_t)data[1], size - 2);

		put(names[files], files, data[0], data + 2, n);
		files++;
		data += 2 + n;
		size -= 2 + n;
	}
	pins_load(folder, &pins);
	check(&pins);
	free(pins.pin);
	free(pins.invite);
	free(pins.revoked);
	while (files--)
		unlinkat(folder, names[files], 0);
	return 0;
}

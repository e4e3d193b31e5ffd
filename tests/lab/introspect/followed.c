// SPDX-License-Identifier: GPL-2.0-or-later
#include "followed.h"

#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

unsigned console_says(const char *console, const char *word)
{
	FILE *f = fopen(console, "r");
	char line[4096];
	unsigned said = 0;

	while (f && fgets(line, sizeof(line), f))
		said += !strncmp(line, word, strlen(word));
	if (f)
		fclose(f);
	return said;
}

int commands_open(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		err(1, "%s", path);
	return fd;
}

void commands_go(int commands)
{
	if (write(commands, "go\n", 3) != 3)
		err(1, "commands");
}

unsigned processes_named(struct testee *t, const char *comm)
{
	struct task v;
	unsigned n = 0;

	while (testee_find(t, comm, n, &v))
		n++;
	return n;
}

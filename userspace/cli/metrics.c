// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"

static int tell_failure(struct cli *cli, const char *path)
{
	char message[512], shown[256];

	text_escape(shown, sizeof(shown), path, strlen(path));
	snprintf(message, sizeof(message), "%s: %s", shown, strerror(errno));
	return tell_error(cli, EXIT_DAEMON, "unwritable", message, "");
}

/* Whoever reads it finds the old numbers or the new ones, whole. */
static int write_file(struct cli *cli, const char *path, const char *text)
{
	char new[4096];
	bool bad;
	FILE *f;

	if ((size_t)snprintf(new, sizeof(new), "%s.XXXXXX", path) >= sizeof(new)) {
		errno = ENAMETOOLONG;
		return tell_failure(cli, path);
	}
	int fd = mkstemp(new);

	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return tell_failure(cli, new);
	bad = fchmod(fd, 0644) || fputs(text, f) < 0;
	bad |= fclose(f) != 0;
	if (!bad && !rename(new, path))
		return EXIT_YES;
	tell_failure(cli, path);
	unlink(new);
	return EXIT_DAEMON;
}

int verb_metrics(struct cli *cli, int argc, char **argv)
{
	int n = take_args(cli, argc, argv, NULL, 0, 0, 1), code = EXIT_YES;
	autofree char *text = NULL;

	if (n < 0)
		return EXIT_USAGE;
	text = api_text(cli, &code, "/metrics");
	if (!text)
		return code;
	if (n)
		return write_file(cli, argv[0], text);
	fputs(text, stdout);
	return EXIT_YES;
}

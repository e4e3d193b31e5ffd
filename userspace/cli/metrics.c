// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/util.h"

/* Old numbers would look like a daemon that lives. */
static const char down[] =
	"# HELP kvm_warden_up 1 if wardend answers.\n# TYPE kvm_warden_up gauge\nkvm_warden_up 0\n";

/* Of two errors the first alone is the answer, which may be JSON. */
static int tell_failure(struct cli *cli, const char *path, bool is_first)
{
	char message[512], shown[256];

	text_escape(shown, sizeof(shown), path, strlen(path));
	snprintf(message, sizeof(message), "%s: %s", shown, strerror(errno));
	if (is_first)
		return tell_error(cli, EXIT_DAEMON, "unwritable", message, "");
	log_err("%s", message);
	return EXIT_DAEMON;
}

/* Whoever reads it finds the old numbers or the new ones, whole.  False, and errno: the old ones. */
static bool write_file(const char *path, const char *text)
{
	char new[4096];
	bool bad;
	FILE *f;

	if ((size_t)snprintf(new, sizeof(new), "%s.XXXXXX", path) >= sizeof(new)) {
		errno = ENAMETOOLONG;
		return false;
	}
	int fd = mkstemp(new);

	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return false;
	bad = fchmod(fd, 0644) || fputs(text, f) < 0;
	bad |= fclose(f) != 0;
	if (!bad && !rename(new, path))
		return true;
	int error = errno;

	unlink(new);
	errno = error;
	return false;
}

int verb_metrics(struct cli *cli, int argc, char **argv)
{
	int n = take_args(cli, argc, argv, NULL, 0, 0, 1), code = EXIT_YES;
	autofree char *text = NULL;

	if (n < 0)
		return EXIT_USAGE;
	text = api_text(cli, &code, "/metrics");
	if (n && !write_file(argv[0], text ? text : down))
		return tell_failure(cli, argv[0], text);
	if (!n && text)
		fputs(text, stdout);
	return code;
}

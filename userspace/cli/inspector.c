// SPDX-License-Identifier: GPL-2.0-or-later
/* warden-inspect: started on a file of a guest's memory, and its answer. */
#include "cli/inspector.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lib/inspecting.h"
#include "lib/util.h"

#define PROGRAM "warden-inspect"

/* ---- the program ---- */

/* Beside this program: libexec/kvm-warden where installed, libexec where built. */
static void find_program(char path[PATH_MAX])
{
	static const char *const folders[] = { "libexec/kvm-warden", "libexec" };
	char self[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash = n > 0 ? strrchr(self, '/') : NULL;

	for (size_t i = 0; slash && i < ARRAY_SIZE(folders); i++) {
		*slash = '\0';
		if (snprintf(path, PATH_MAX, "%s/../%s/" PROGRAM, self, folders[i]) < PATH_MAX &&
		    !access(path, X_OK))
			return;
	}
	snprintf(path, PATH_MAX, "/usr/libexec/kvm-warden/" PROGRAM);
}

/* Above all those that it gets, so that none is overwritten before it is moved. */
static int out_of_the_way(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, INSPECT_OUT_FD + 1);
}

static void become_program(const struct question *q, int file, int answer)
{
	const char *argv[2 + QUESTION_WORDS + 1] = { PROGRAM };
	char path[PATH_MAX];
	int out = q->out < 0 ? -1 : out_of_the_way(q->out);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	file = out_of_the_way(file);
	answer = out_of_the_way(answer);
	memcpy(argv + 1, q->words, sizeof(q->words));
	find_program(path);
	/* Whatever wardenctl's caller left open is none of its business. */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(answer, STDOUT_FILENO) < 0 || dup2(file, INSPECT_FILE_FD) < 0 ||
	    (q->out >= 0 && dup2(out, INSPECT_OUT_FD) < 0) ||
	    close_range(q->out >= 0 ? INSPECT_OUT_FD + 1 : INSPECT_OUT_FD, ~0u, 0))
		_exit(127);
	execv(path, (char **)argv);
	fprintf(stderr, "wardenctl: %s: %s\n", path, strerror(errno));
	_exit(127);
}

/* Its answer, or NULL; *ret_status: as waitpid tells it. */
static json_t *run_program(const struct question *q, int file, int *ret_status)
{
	autofile FILE *in = NULL;
	int ends[2];
	json_t *answer;
	pid_t child;

	*ret_status = -1;
	if (pipe2(ends, O_CLOEXEC))
		return NULL;
	child = fork();
	if (child == 0)
		become_program(q, file, ends[1]);
	close(ends[1]);
	in = fdopen(ends[0], "r");
	answer = in && child > 0 ? json_loadf(in, 0, NULL) : NULL;
	while (child > 0 && waitpid(child, ret_status, 0) < 0 && errno == EINTR)
		;
	return answer;
}

/* An error that the program tells, or its end without an answer. */
static int tell_failure(struct cli *cli, const char *path, const json_t *answer, int status)
{
	const json_t *error = member(answer, "error");
	char message[512];

	if (error) {
		snprintf(message, sizeof(message), "%s: %s", path, text_of(error, "message"));
		return tell_error(cli, EXIT_NO, text_of(error, "code"), message,
				  text_of(error, "what_to_do"));
	}
	if (status >= 0 && WIFSIGNALED(status))
		snprintf(message, sizeof(message), "%s: " PROGRAM " was ended by signal %d while it read it",
			 path, WTERMSIG(status));
	else
		snprintf(message, sizeof(message), "%s: " PROGRAM " gave no answer", path);
	return tell_error(cli, EXIT_DAEMON, "no_answer", message,
			  "is it installed, of wardenctl's own version? Else the file may be made to break "
			  "it: it is jailed, and nothing else was touched; please report it");
}

json_t *ask_inspector(struct cli *cli, const struct question *q, int *ret_code)
{
	autofd int file = open(q->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char message[512];
	json_t *answer;
	int status;

	if (file < 0) {
		snprintf(message, sizeof(message), "%s: %s", q->file, strerror(errno));
		*ret_code = tell_error(cli, EXIT_NO, "bad_file", message, errno == EACCES ?
				       "only who may read the file may look into it" : "");
		return NULL;
	}
	answer = make_printable(run_program(q, file, &status));
	if (answer && !member(answer, "error") && !status)
		return answer;
	*ret_code = tell_failure(cli, q->file, answer, status);
	json_decref(answer);
	return NULL;
}

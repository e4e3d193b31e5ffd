// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "introspect/answers.h"
#include "introspect/contents.h"
#include "lib/inspecting.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define MAX_ROWS 131072u

static void add_missing(void *ctx, const struct m_missing *m)
{
	add_row(ctx, missing_json(m));
}

static json_t *unwritable(int error)
{
	char message[128];

	snprintf(message, sizeof(message), "the output could not be written: %s", strerror(-error));
	return error_json("bad_file", message, "is there room where it goes to?");
}

static json_t *extract(struct inspection *i, const struct m_extract *ask)
{
	static struct m_content content;
	json_t *missing = json_array();
	const struct content_sink sink = { INSPECT_OUT_FD, add_missing, missing };
	json_t *answer = NULL;
	struct m_done done;
	int r = content_tell(&i->in, ask, &sink, &content, &done);

	if (r)
		answer = unwritable(r);
	else if (done.status == DONE_NOT_FOUND || done.status == DONE_AMBIGUOUS)
		answer = error_json(done.status == DONE_NOT_FOUND ? "not_found" : "ambiguous", done.why,
				    content_hint(ask->what));
	else
		answer = content_json(ask, &content, &done, missing);
	json_decref(missing);
	return answer;
}

json_t *answer_read(struct inspection *i, char *const *args)
{
	const uint64_t pid = number_arg(args[0]), va = number_arg(args[1]), length = number_arg(args[2]);
	static struct m_extract ask;

	if (pid > UINT32_MAX || !length || length > CONTENT_READ_MAX || va + length - 1 < va)
		return error_json("usage", "that is no range of at most 64 MiB", "");
	ask = (struct m_extract){ .what = EXTRACT_MEMORY, .pid = pid, .address = va, .length = length };
	return extract(i, &ask);
}

/* exe PID | path PID PATH | at PATH | inode DEV INODE */
json_t *answer_file(struct inspection *i, char *const *args)
{
	static struct m_extract ask;
	const char *path = NULL;

	if (!strcmp(args[0], "exe")) {
		ask.what = EXTRACT_EXE;
		ask.pid = number_arg(args[1]);
	} else if (!strcmp(args[0], "path")) {
		ask.what = EXTRACT_OF_PROCESS;
		ask.pid = number_arg(args[1]);
		path = args[2] ? args[2] : "";
	} else if (!strcmp(args[0], "at")) {
		ask.what = EXTRACT_AT;
		path = args[1];
	} else {
		ask.what = EXTRACT_INODE;
		ask.dev = number_arg(args[1]);
		ask.ino = number_arg(args[2]);
	}
	if (path && strlen(path) >= sizeof(ask.path))
		return error_json("usage", "that is longer than any path", "");
	strcpy(ask.path, path ? path : "");
	return extract(i, &ask);
}

static int add_inode(void *ctx, const struct m_inode *m)
{
	if (json_array_size(ctx) == MAX_ROWS)
		return 1;
	add_row(ctx, inode_json(m));
	return 0;
}

json_t *answer_files(struct inspection *i, char *const *args)
{
	json_t *files = json_array();
	struct m_done done;

	files_tell(&i->in, args[0], add_inode, files, &done);
	return files_json(files, &done);
}

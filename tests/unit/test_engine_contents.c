// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's bytes through the engine: whole or told so, in the journal, and few at once. */
#include "test_engine_content.h"

#define FILE_URL "/v1/guests/7/file?path=/etc/secret"

static unsigned rows_like(const char *kind, const char *like)
{
	json_t *answer = ctl("journal --limit 1000", 0), *row;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "rows"), i, row)
		n += !strcmp(text(row, "kind"), kind) && strstr(text(row, "detail"), like);
	json_decref(answer);
	return n;
}

static void expect_row(const char *kind, const char *like)
{
	for (int i = 0; i < WAIT_MS / 50 && !rows_like(kind, like); i++)
		usleep(50000);
	if (rows_like(kind, like) != 1)
		fail_msg("%u rows of %s are like %s", rows_like(kind, like), kind, like);
}

static void file_comes_with_what_is_missing(void **state)
{
	const struct m_extract *m;
	struct received r;
	char hash[2 * HASH_BYTES + 1], like[128];
	json_t *gap;
	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	fd = api_send("GET", FILE_URL, "");
	m = asked();
	assert_int_equal(m->what, EXTRACT_AT);
	assert_string_equal(m->path, "/etc/secret");
	say_file(in.id);
	receive_content(fd, &r);
	assert_int_equal(r.size, FILE_SIZE);
	assert_int_equal(r.bytes[0], 'a');
	assert_int_equal(r.bytes[PAGE], 0);
	assert_int_equal(r.bytes[FILE_SIZE - 1], 'a');
	assert_int_equal(number(r.facts, "bytes"), FILE_SIZE);
	assert_int_equal(number(r.facts, "resident"), PAGE + 100);
	assert_true(json_is_false(json_object_get(r.facts, "complete")));
	assert_string_equal(text(r.facts, "why"), "not all of it was there");
	assert_int_equal(json_array_size(json_object_get(r.facts, "missing")), 1);
	gap = json_array_get(json_object_get(r.facts, "missing"), 0);
	assert_int_equal(number(gap, "offset"), PAGE);
	assert_int_equal(number(gap, "length"), PAGE);
	blake2b(r.bytes, r.size, hash);
	assert_string_equal(text(r.facts, "blake2b"), hash);
	json_decref(r.facts);
	/* Who, what and how much of it. */
	expect_row("operator", "path=/etc/secret");
	expect_row("content", hash);
	snprintf(like, sizeof(like), "\"bytes\":%u", FILE_SIZE);
	expect_row("content", like);
	expect_row("content", "\"path\":\"/etc/secret\"");
	verify_journal();
}

static const struct {
	const char *query;
	struct m_extract m;
} questions[] = {
	{ "file?inode=08:01:42", { .what = EXTRACT_INODE, .dev = 8 << 20 | 1, .ino = 42 } },
	{ "file?pid=5", { .what = EXTRACT_EXE, .pid = 5 } },
	{ "file?pid=5&path=/a%20b", { .what = EXTRACT_OF_PROCESS, .pid = 5, .path = "/a b" } },
	{ "file?path=/%c3%bc\\", { .what = EXTRACT_AT, .path = "/\\xc3\\xbc\\x5c" } },
	{ "file?path=/\\xc3", { .what = EXTRACT_AT, .path = "/\\xc3" } },
	{ "memory?pid=5&address=0x7f0000001000&length=16", { .what = EXTRACT_MEMORY, .pid = 5, .address = 0x7f0000001000, .length = 16 } },
	{ "memory?pid=0&address=0xffffffffffffffff&length=1", { .what = EXTRACT_MEMORY, .address = UINT64_MAX, .length = 1 } },
};

static void questions_are_asked_as_said(void **state)
{
	char url[128];

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
		const struct m_extract *m;
		json_t *error;
		int fd;

		snprintf(url, sizeof(url), "/v1/guests/7/%s", questions[i].query);
		fd = api_send("GET", url, "");
		m = asked();
		if (memcmp(m, &questions[i].m, sizeof(*m)))
			fail_msg("%s: %u %u %s", url, m->what, m->pid, m->path);
		say_done(in.id, i % 2 ? DONE_NOT_FOUND : DONE_AMBIGUOUS, "as the test says");
		error = api_end(fd, i % 2 ? 404 : 409);
		assert_string_equal(text(json_object_get(error, "error"), "code"),
				    i % 2 ? "not_found" : "ambiguous");
		assert_string_equal(text(json_object_get(error, "error"), "message"), "as the test says");
		json_decref(error);
	}
}

static void what_is_no_question_is_refused(void **state)
{
	static char url[5000] = "/v1/guests/7/file?path=/";

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	api_refused("GET", "/v1/guests/7/file", "", 400, "which file");
	api_refused("GET", "/v1/guests/7/file?path=", "", 400, "path");
	api_refused("GET", "/v1/guests/7/file?inode=8:1", "", 400, "inode");
	api_refused("GET", "/v1/guests/7/file?inode=8:1:2&pid=1", "", 400, "inode");
	api_refused("GET", "/v1/guests/7/file?pid=x", "", 400, "pid");
	api_refused("GET", "/v1/guests/7/memory?address=1&length=1", "", 400, "pid");
	api_refused("GET", "/v1/guests/7/memory?pid=1&address=1", "", 400, "length");
	api_refused("GET", "/v1/guests/7/memory?pid=1&address=1&length=0", "", 400, "length");
	api_refused("GET", "/v1/guests/7/memory?pid=1&address=1&length=67108865", "", 400, "length");
	api_refused("GET", "/v1/guests/7/memory?pid=1&address=0xffffffffffffffff&length=2", "", 400, "length");
	api_refused("GET", "/v1/guests/7/files?all=2", "", 400, "all");
	api_refused("GET", "/v1/guests/8/file?path=/x", "", 404, "no such guest");
	memset(url + strlen(url), 'x', 4200);
	api_refused("GET", url, "", 400, "path");
	/* None of them holds a place, and nobody was asked. */
	expect_silence(w.introspect, 100);
}

static void say_level(uint32_t level)
{
	struct m_guest_level m = { GUEST, level };

	send_to(w.parent, &msg_guest_level, 0, &m, -1);
}

static void content_needs_its_level(void **state)
{
	static const char *const urls[] = {
		FILE_URL, "/v1/guests/7/files", "/v1/guests/7/memory?pid=1&address=1&length=1",
	};

	int fd;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	/* Also of what was asked for before. */
	fd = api_send("GET", FILE_URL, "");
	asked();
	say_level(KVM_WARDEN_LEVEL_METADATA);
	json_decref(api_end(fd, 503));
	usleep(200000);
	for (int i = 0; i < 3; i++)
		api_refused("GET", urls[i], "", 403, "level is metadata");
	say_level(KVM_WARDEN_LEVEL_OFF);
	usleep(200000);
	for (int i = 0; i < 3; i++)
		api_refused("GET", urls[i], "", 403, "level is off");
	json_decref(ctl("file 7 /etc/secret --out /nonexistent/never", 1));
}

/* A guest that is encrypted, or no Linux, has told nothing else. */
static void unobservable_is_said(void **state)
{
	const struct m_kernel k = { .state = KERNEL_UNOBSERVABLE, .why = "the guest's memory is encrypted" };

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_to(w.introspect, &msg_kernel, 0, &k, -1);
	usleep(200000);
	api_refused("GET", FILE_URL, "", 503, "encrypted");
	api_refused("GET", "/v1/guests/7/files", "", 503, "encrypted");
}

/* ---- an introspector that was taken over by its guest ---- */

static void content_with(struct m_content m, int fd)
{
	send_to(w.introspect, &msg_content, in.id, &m, fd);
}

static void unsealed(void) { say_missing(in.id, PAGE, PAGE); content_with(content_of_file, memfd_of(FILE_SIZE, 0)); }

static void may_grow(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE, F_SEAL_WRITE | F_SEAL_SHRINK));
}

static void no_memfd(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, open("/etc/passwd", O_RDONLY));
}

static void no_descriptor(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, -1);
}

static void larger_than_it_is(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE + 1, ALL_SEALS));
}

/* Nothing is said to be missing behind its end. */
static void shorter_than_it_is(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE - 1, ALL_SEALS));
}

static void larger_than_any(void)
{
	struct m_content m = content_of_file;

	m.size = m.resident = CONTENT_MAX + 1;
	content_with(m, memfd_of(m.size, ALL_SEALS));
}

static void holes_untold(void) { content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS)); }

static void missing_twice(void)
{
	say_missing(in.id, PAGE, PAGE);
	say_missing(in.id, PAGE, PAGE);
}

static void missing_nothing(void) { say_missing(in.id, PAGE, 0); }

static void missing_behind_all(void) { say_missing(in.id, INT64_MAX, PAGE); }

static void missing_behind_the_end(void)
{
	say_missing(in.id, FILE_SIZE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
}

static void content_twice(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
	content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
}

static void complete_with_holes(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
	say_done(in.id, DONE_COMPLETE, "");
}

static void complete_without(void) { say_done(in.id, DONE_COMPLETE, ""); }

static void not_found_with(void)
{
	say_missing(in.id, PAGE, PAGE);
	content_with(content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
	say_done(in.id, DONE_NOT_FOUND, "");
}

static void inode_instead(void)
{
	const struct m_inode m = { .path = "/x" };

	send_to(w.introspect, &msg_inode, in.id, &m, -1);
}

static void task_instead(void) { show_task(in.id); }

static void lies_are_refused(void **state)
{
	void (*const lies[])(void) = {
		unsealed, may_grow, no_memfd, no_descriptor, larger_than_it_is, shorter_than_it_is,
		larger_than_any, holes_untold, missing_twice, missing_nothing, missing_behind_all,
		missing_behind_the_end, content_twice, complete_with_holes, complete_without,
		not_found_with, inode_instead, task_instead,
	};

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		struct pollfd p = { .events = POLLIN };
		const struct m_done done = { .status = DONE_COMPLETE };
		int fd = api_send("GET", FILE_URL, ""), status;
		json_t *answer;

		asked();
		lies[i]();
		answer = api_answer(fd, &status);
		if (status != 503)
			fail_msg("lie %zu: status %d", i, status);
		json_decref(answer);
		p.fd = w.introspect;
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		introspector_again();
		await_question(M_SWEEP);
		send_to(w.introspect, &msg_done, in.id, &done, -1);
	}
}

/* ---- few at once ---- */

static void few_at_once(void **state)
{
	struct received r;
	int one, two;
	uint64_t first;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	one = api_send("GET", FILE_URL, "");
	asked();
	first = in.id;
	two = api_send("GET", FILE_URL, "");
	asked();
	api_refused("GET", FILE_URL, "", 503, "as much of this guest");
	api_refused("GET", "/v1/guests/7/files", "", 503, "as much of this guest");
	say_file(in.id);
	receive_content(two, &r);
	json_decref(r.facts);
	/* Its place is free once it is taken. */
	usleep(200000);
	two = api_send("GET", FILE_URL, "");
	asked();
	say_file(first);
	say_file(in.id);
	receive_content(one, &r);
	json_decref(r.facts);
	/* Nobody waits for it any more: its memory is let go. */
	close(two);
	usleep(200000);
	for (int i = 0; i < 3; i++) {
		one = api_send("GET", FILE_URL, "");
		asked();
		say_file(in.id);
		receive_content(one, &r);
		json_decref(r.facts);
		usleep(100000);
	}
}

static unsigned descriptors(void)
{
	char command[64];
	unsigned n = 0;
	FILE *f;

	snprintf(command, sizeof(command), "ls -l /proc/%d/fd | grep -c memfd:content", (int)w.pid);
	f = popen(command, "r");
	assert_int_equal(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

/* The largest there is: who reads nothing holds nobody up; and who reads has all of it. */
static void large_file_holds_nobody_up(void **state)
{
	struct m_content m = content_of_file;
	struct received r;
	char hash[2 * HASH_BYTES + 1];
	int idle, fd = -1;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	m.size = m.resident = CONTENT_MAX;
	idle = api_send("GET", FILE_URL, "");
	for (int i = 0; i < 2; i++) {
		if (i)
			fd = api_send("GET", FILE_URL, "");
		asked();
		content_with(m, memfd_of(CONTENT_MAX, ALL_SEALS));
		say_done(in.id, DONE_COMPLETE, "");
		json_decref(ctl("", 0));
	}
	receive_content(fd, &r);
	assert_int_equal(r.size, CONTENT_MAX);
	assert_true(json_is_true(json_object_get(r.facts, "complete")));
	blake2b(r.bytes, r.size, hash);
	assert_string_equal(text(r.facts, "blake2b"), hash);
	json_decref(r.facts);
	usleep(200000);
	assert_int_equal(descriptors(), 1);
	/* It goes once it is known to be gone, without a byte read. */
	close(idle);
	for (int i = 0; i < WAIT_MS / 50 && descriptors(); i++)
		usleep(50000);
	assert_int_equal(descriptors(), 0);
}

/* ---- wardenctl ---- */

static FILE *begin(const char *arguments)
{
	char command[400];
	FILE *f;

	snprintf(command, sizeof(command), "%s --json --socket %s %s", getenv("WARDENCTL"), w.socket, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	return f;
}

static json_t *ended(FILE *f, int expected)
{
	json_t *json = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	int status = pclose(f);

	if (!json || !WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("status %x", status);
	return json;
}

static void expect_out(const char *path, const char *hash)
{
	static char bytes[2 * FILE_SIZE];
	char own[2 * HASH_BYTES + 1];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	assert_int_equal(n, FILE_SIZE);
	blake2b(bytes, n, own);
	assert_string_equal(own, hash);
}

static void wardenctl_has_it_in_a_file(void **state)
{
	char arguments[200], path[128];
	struct stat st;
	json_t *json;
	FILE *f;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	snprintf(path, sizeof(path), "%s/out", w.dir);
	snprintf(arguments, sizeof(arguments), "file web-1 /etc/secret --out %s", path);
	f = begin(arguments);
	asked();
	say_file(in.id);
	/* 4: undecided, for it is not whole. */
	json = ended(f, 4);
	assert_int_equal(number(json_object_get(json, "file"), "inode"), 42);
	expect_out(path, text(json, "blake2b"));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	json_decref(json);
	/* What is there stays; what was not found leaves nothing. */
	json_decref(ctl(arguments, 1));
	assert_int_equal(unlink(path), 0);
	f = begin(arguments);
	asked();
	say_done(in.id, DONE_NOT_FOUND, "the kernel has no such file in memory");
	json = ended(f, 1);
	assert_string_equal(text(json_object_get(json, "error"), "code"), "not_found");
	json_decref(json);
	assert_int_equal(access(path, F_OK), -1);
}

static void wardenctl_lists_files(void **state)
{
	const struct m_inode m = { .dev = 8 << 20 | 1, .ino = 42, .size = 9, .pages = 1, .mode = 0640,
				   .fs = "ext4", .id = "sda1", .path = "/etc/secret" };
	struct m_done done = { .status = DONE_COMPLETE, .tasks = 3, .objects = 77 };
	struct m_files ask;
	json_t *json, *file;
	FILE *f;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	f = begin("files web-1 --all");
	await_question(M_FILES);
	assert_true(msg_decode(&in, &msg_files, &ask));
	assert_int_equal(ask.all, 1);
	send_to(w.introspect, &msg_inode, in.id, &m, -1);
	send_to(w.introspect, &msg_done, in.id, &done, -1);
	json = ended(f, 0);
	assert_int_equal(number(json, "inodes"), 77);
	assert_int_equal(json_array_size(json_object_get(json, "files")), 1);
	file = json_array_get(json_object_get(json, "files"), 0);
	assert_string_equal(text(file, "dev"), "08:01");
	assert_string_equal(text(file, "path"), "/etc/secret");
	json_decref(json);
	f = begin("files web-1");
	await_question(M_FILES);
	for (int i = 0; i < 40000; i++)
		send_to(w.introspect, &msg_inode, in.id, &m, -1);
	send_to(w.introspect, &msg_done, in.id, &done, -1);
	json = ended(f, 4);
	assert_int_equal(json_array_size(json_object_get(json, "files")), 32768);
	assert_non_null(strstr(text(json, "why"), "more than 32768"));
	json_decref(json);
}

/* A guest names its files; what it has the engine keep of that is bounded. */
static void paths_without_end_are_cut(void **state)
{
	static struct m_inode m = { .fs = "ext4" };
	json_t *json;
	FILE *f;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	memset(m.path, 'x', sizeof(m.path) - 1);
	f = begin("files web-1");
	await_question(M_FILES);
	for (int i = 0; i < 2000; i++)
		send_to(w.introspect, &msg_inode, in.id, &m, -1);
	say_done(in.id, DONE_COMPLETE, "");
	json = ended(f, 4);
	assert_int_equal(json_array_size(json_object_get(json, "files")), (16 << 20) / (sizeof(m.path) - 1));
	assert_non_null(strstr(text(json, "why"), "16 MiB of paths"));
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(file_comes_with_what_is_missing), T(questions_are_asked_as_said),
		T(what_is_no_question_is_refused), T(content_needs_its_level), T(unobservable_is_said),
		T(lies_are_refused), T(few_at_once), T(large_file_holds_nobody_up),
		T(wardenctl_has_it_in_a_file), T(wardenctl_lists_files),
		T(paths_without_end_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

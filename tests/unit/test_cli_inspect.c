// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The real wardenctl (WARDENCTL names it) and its warden-inspect before files that
 * hold no guest: what is said, in JSON, and by which status.  Guests themselves are
 * looked into by tests/lab/introspect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../elf_dump_image.h"

static char path[] = "/tmp/warden-inspect-XXXXXX";

static void file_of(const void *bytes, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

/* The error's code; its message must hold part. */
static void expect(const char *arguments, int status, const char *code, const char *part)
{
	const char *ctl = getenv("WARDENCTL");
	char command[512];
	json_t *answer, *error;
	FILE *p;

	snprintf(command, sizeof(command), "%s --json inspect %s", ctl ? ctl : "build/bin/wardenctl", arguments);
	p = popen(command, "r");
	assert_non_null(p);
	answer = json_loadf(p, 0, NULL);
	assert_int_equal(WEXITSTATUS(pclose(p)), status);
	error = json_object_get(answer, "error");
	assert_non_null(error);
	assert_string_equal(json_string_value(json_object_get(error, "code")), code);
	if (!strstr(json_string_value(json_object_get(error, "message")), part))
		fail_msg("%s does not say \"%s\"", json_string_value(json_object_get(error, "message")), part);
	json_decref(answer);
}

static void test_usage(void **state)
{
	expect("", 2, "usage", "inspect FILE");
	expect("FILE maps", 2, "usage", "inspect FILE");
	expect("FILE maps x", 2, "usage", "inspect FILE");
	expect("FILE nonsense", 2, "usage", "inspect FILE");
	expect("FILE kernel --kernel-file /tmp", 2, "usage", "inspect FILE");
	expect("FILE check 1", 2, "usage", "inspect FILE");
	expect("FILE process", 2, "usage", "inspect FILE");
	expect("FILE process x", 2, "usage", "inspect FILE");
	expect("FILE maps 1 --env", 2, "usage", "inspect FILE");
	expect("FILE suspicious x", 2, "usage", "inspect FILE");
}

/* Numbers, whose they are, how much, and where to. */
static void test_usage_of_bytes(void **state)
{
	static const char *const bad[] = {
		"read 1 0x1000", "read x 0x1000 1 --out /tmp/out", "read 1 0x 1 --out /tmp/out",
		"read 1 1x 1 --out /tmp/out", "read 1 0x-1 1 --out /tmp/out", "read 1 0 0 --out /tmp/out",
		"read 1 0 0x4000001 --out /tmp/out", "read 1 0xffffffffffffffff 2 --out /tmp/out",
		"read 1 0 1", "read 1 0 1 2 --out /tmp/out", "file 1 --exe", "file 1 /a /b --out /tmp/out",
		"file 1 --out /tmp/out", "file 1 /a --exe --out /tmp/out", "file x --exe --out /tmp/out",
		"ps --out /tmp/out", "file /a", "file a --out /tmp/out", "file --inode 08:01 --out /tmp/out",
		"file --inode 08:01:x --out /tmp/out", "file --inode 08:01:1 /a --out /tmp/out",
		"files 1", "files --inode 08:01:1", "maps 1 --all",
	};
	char arguments[256];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(arguments, sizeof(arguments), "FILE %s", bad[i]);
		expect(arguments, 2, "usage", "inspect FILE");
	}
}

/* A new file, and none if nothing comes of it. */
static void test_out(void **state)
{
	static const char zeros[1 << 20];
	char out[64], arguments[256];

	file_of(zeros, sizeof(zeros));
	snprintf(arguments, sizeof(arguments), "%s read 1 0x1000 1 --out %s", path, path);
	expect(arguments, 1, "bad_file", "File exists");
	snprintf(out, sizeof(out), "%s-out", path);
	snprintf(arguments, sizeof(arguments), "%s read kernel 0xffffffff81000000 1 --out %s", path, out);
	expect(arguments, 1, "no_kernel", "VMCOREINFO");
	assert_int_equal(access(out, F_OK), -1);
	snprintf(arguments, sizeof(arguments), "%s file 1 --exe --out /nonexistent/out", path);
	expect(arguments, 1, "bad_file", "No such file");
}

static void test_no_file(void **state)
{
	expect("/nonexistent/file", 1, "bad_file", "No such file");
	expect("/dev/null", 1, "bad_file", "no regular file");
	expect("/tmp", 1, "bad_file", "no regular file");
	expect("/dev/null check --kernel-file /nonexistent/kernels", 1, "bad_file", "No such file");
}

static void test_refused_by_name(void **state)
{
	file_of("KDUMP   ...", 11);
	expect(path, 1, "bad_file", "kdump-compressed");
}

static void test_no_kernel(void **state)
{
	static uint8_t image[DUMP_SIZE];
	static const char zeros[1 << 20];

	dump_image(image);
	file_of(image, sizeof(image));
	expect(path, 1, "no_kernel", "Linux");
	file_of(zeros, sizeof(zeros));
	expect(path, 1, "no_kernel", "VMCOREINFO");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usage), cmocka_unit_test(test_usage_of_bytes),
		cmocka_unit_test(test_out), cmocka_unit_test(test_no_file),
		cmocka_unit_test(test_refused_by_name), cmocka_unit_test(test_no_kernel),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}

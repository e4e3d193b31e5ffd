// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys on the disk: whole or not there, and revoked even if the disk is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel/pins.h"
#include "lib/crypto.h"
#include "test_child.h"

static char folder[] = "/tmp/warden-keys-XXXXXX";
static char path[64];

static int setup(void **state)
{
	if (sodium_init() < 0 || !mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	return 0;
}

static int teardown(void **state)
{
	char command[80];

	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

static void test_written(void **state)
{
	uint8_t key[32], back[32];
	struct stat st;

	randombytes_buf(key, sizeof(key));
	assert_int_equal(key_file_write(path, key, sizeof(key), true), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(key_file_read(path, back, sizeof(back), true), 0);
	assert_memory_equal(key, back, sizeof(key));
	/* one that is there is never replaced */
	assert_int_equal(key_file_write(path, back, sizeof(back), true), -EEXIST);
	unlink(path);
}

/* Whenever the writer is killed, what is at the path can be read, and written if it is not. */
static void test_killed(void **state)
{
	uint8_t key[32] = { 1 };

	for (int i = 0; i < 300; i++) {
		pid_t pid = child_fork();
		int r;

		if (!pid) {
			for (;;) {
				unlink(path);
				key_file_write(path, key, sizeof(key), true);
			}
		}
		usleep(500 + i * 7);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		r = key_file_read(path, key, sizeof(key), true);
		assert_true(r == 0 || r == -ENOENT);
		unlink(path);
		assert_int_equal(key_file_write(path, key, sizeof(key), true), 0);
		unlink(path);
	}
}

static void test_revoked_without_room(void **state)
{
	uint8_t key[32] = { 7 };
	struct pins pins;
	struct pin *pin;
	char command[80];

	pins_load(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &pins);
	assert_int_equal(pins_pin(&pins, "web", key, &pin), 0);
	/* no file can be written in its place any more */
	snprintf(command, sizeof(command), "mkdir '%s/.new'", folder);
	assert_int_equal(system(command), 0);
	assert_int_not_equal(pins_revoke(&pins, pin), 0);
	assert_null(pins_find(&pins, key));
	assert_true(pins_is_revoked(&pins, key));
	pins_load(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &pins);
	assert_null(pins_find(&pins, key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written), cmocka_unit_test(test_killed),
		cmocka_unit_test(test_revoked_without_room),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

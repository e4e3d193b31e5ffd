// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file: defaults, and refusals that leave all as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kvm_warden.h>

#include "lib/config.h"
#include "lib/util.h"

static char path[] = "/tmp/test_config.XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 || close(fd);
}

static int remove_file(void **state)
{
	return unlink(path);
}

static int load(const char *text, struct config *ret_config)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
	return config_load(path, ret_config);
}

static void test_defaults(void **state)
{
	struct config c;

	assert_int_equal(load("", &c), 0);
	assert_string_equal(c.state_dir, "/var/lib/kvm-warden");
	assert_string_equal(c.run_dir, "/run/kvm-warden");
	assert_true(c.bpf);
	assert_false(c.debug);
	assert_int_equal(c.sweep_seconds, 30);
	assert_int_equal(c.workers, 1);
	assert_int_equal(c.scan_seconds, 30);
	assert_int_equal(c.port, 5757);
	assert_int_equal(c.order_seconds, 10);
	assert_string_equal(c.control_group, "warden");
	assert_string_equal(c.guard, "/etc/kvm-warden/guard.conf");
}

static void test_values(void **state)
{
	struct config c;

	assert_int_equal(load("# a comment\n[wardend]\nbpf = off\ndebug = yes\n"
			      "sweep_seconds = 5\n\n; another\n[scan]\n"
			      "database = /srv/clamav\nworkers=64\n"
			      "[engine]\ncontrol_group = operators\n"
			      "[channel]\nport = 1\nagents=/a b\n", &c), 0);
	assert_false(c.bpf);
	assert_true(c.debug);
	assert_int_equal(c.sweep_seconds, 5);
	assert_string_equal(c.database, "/srv/clamav");
	assert_int_equal(c.workers, 64);
	assert_int_equal(c.scan_seconds, 30);
	assert_string_equal(c.control_group, "operators");
	assert_int_equal(c.port, 1);
	assert_string_equal(c.agents, "/a b");
}

static void test_levels(void **state)
{
	struct config c;

	assert_int_equal(load("[guest web 1]\nlevel = off\n[guest *]\nlevel = metadata\n"
			      "[guest db]\nlevel = content\n[events]\nspaces_per_second = 7\n", &c), 0);
	assert_int_equal(config_level(&c, "web 1"), KVM_WARDEN_LEVEL_OFF);
	assert_int_equal(config_level(&c, "db"), KVM_WARDEN_LEVEL_CONTENT);
	assert_int_equal(config_level(&c, "web"), KVM_WARDEN_LEVEL_METADATA);
	assert_int_equal(config_level(&c, ""), KVM_WARDEN_LEVEL_METADATA);
	assert_int_equal(config_least_level(&c), KVM_WARDEN_LEVEL_OFF);
	assert_int_equal(c.spaces_per_second, 7);
	assert_int_equal(c.entries_per_second, 1000);
	assert_int_equal(load("", &c), 0);
	assert_int_equal(config_level(&c, "db"), KVM_WARDEN_LEVEL_CONTENT);
}

/* A name that libinih cuts must not become another guest's. */
static void test_long_name(void **state)
{
	struct config c;

	for (size_t n = 1; n < 150; n++) {
		char name[160] = "", text[256];

		memset(name, 'a', n);
		snprintf(text, sizeof(text), "[guest %s]\nlevel = off\n", name);
		if (load(text, &c))
			assert_true(n > 42);
		else
			assert_int_equal(config_level(&c, name), KVM_WARDEN_LEVEL_OFF);
	}
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"[scan]\nworker = 2\n",			/* unknown key */
		"[scanner]\nworkers = 2\n",		/* unknown section */
		"workers = 2\n",			/* no section */
		"[wardend]\nworkers = 2\n",		/* another section's key */
		"[scan]\nWorkers = 2\n",
		"[scan]\nworkers = 0\n",
		"[scan]\nworkers = 65\n",
		"[scan]\nworkers = two\n",
		"[scan]\nworkers = -1\n",
		"[scan]\nworkers = 2 workers\n",
		"[scan]\nworkers =\n",
		"[scan]\nscan_seconds = 99999999999999999999\n",
		"[scan]\ndatabase = relative/path\n",
		"[scan]\ndatabase =\n",
		"[wardend]\nbpf = maybe\n",
		"[wardend]\nbpf = 1\n",
		"[channel]\nport = 2147483648\n",
		"[scan\nworkers = 2\n",
		"just words\n",
		"[scan]\nworkers = 2\nworkers = 3\n",
		"[scan]\nworkers = 2\n[wardend]\nbpf = on\n[scan]\nworkers = 2\n",
		"[guest web]\nlevel = none\n",
		"[guest web]\nlevels = off\n",
		"[guest ]\nlevel = off\n",
		"[guest web]\nlevel = off\n[guest web]\nlevel = content\n",
		"[events]\nspaces_per_second = 0\n",
		/* libinih takes it for more of the value before it. */
		"[engine]\ncontrol_group = warden\n  port = 5\n",
		"[engine]\ncontrol_group = warden\n\t[scan]\n",
	};
	struct config c, before;

	memset(&c, 0x5a, sizeof(c));
	before = c;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (!load(bad[i], &c))
			fail_msg("accepted: %s", bad[i]);
		assert_memory_equal(&c, &before, sizeof(c));
	}
}

/* Cut or not, a path that does not fit must not become another path. */
static void test_long_path(void **state)
{
	struct config c;

	for (size_t n = 150; n < 1500; n += 7) {
		autofree char *text = malloc(n + 64), *expected = malloc(n + 2);

		expected[0] = '/';
		memset(expected + 1, 'a', n);
		expected[n + 1] = '\0';
		sprintf(text, "[scan]\ndatabase = %s\n", expected);
		if (!load(text, &c))
			assert_string_equal(c.database, expected);
	}
}

/* libinih would read the comment's tail as a line of its own. */
static void test_long_line(void **state)
{
	char text[512] = "[scan]\n#";
	struct config c;

	for (unsigned n = 150; n < 260; n++) {
		memset(text + 8, ' ', n);
		strcpy(text + 8 + n, "workers = 64\n");
		assert_true(load(text, &c) || c.workers == 1);
	}
	assert_int_equal(load(text, &c), -1);
}

static void test_missing_file(void **state)
{
	struct config c, before;

	memset(&c, 0x5a, sizeof(c));
	before = c;
	assert_int_equal(config_load("/nonexistent/wardend.conf", &c), -1);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_folder(void **state)
{
	struct config c;

	assert_int_equal(config_load("/tmp", &c), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_long_name),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_long_path), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_missing_file), cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}

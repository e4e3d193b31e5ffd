// SPDX-License-Identifier: GPL-2.0-or-later
/* The guard's profile: what is read of it, and that every refusal names its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/profile.h"
#include "lib/util.h"

static struct profile profile;

static int load(const char *text)
{
	char path[] = "/tmp/warden-profile-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = profile_load(path, &profile);
	unlink(path);
	return r;
}

/* As the kernel's trie answers: the longest rule that the path, with its NUL, begins with. */
static uint32_t rights_of(const char *path)
{
	const struct profile_rule *best = NULL;

	for (unsigned i = 0; i < profile.n; i++) {
		const struct profile_rule *r = &profile.rule[i];

		if (r->len <= strlen(path) + 1 && !memcmp(r->path, path, r->len) &&
		    (!best || r->len > best->len))
			best = r;
	}
	return best ? best->rights : 0;
}

static void without_a_file_it_is_off(void **state)
{
	assert_int_equal(profile_load("/nonexistent/guard.conf", &profile), 0);
	assert_int_equal(profile.mode, GUARD_MODE_OFF);
	assert_true(profile.missing);
}

static void settings_are_read(void **state)
{
	assert_int_equal(load(""), 0);
	assert_int_equal(profile.mode, GUARD_MODE_FINDING);
	assert_int_equal(profile.startup_s, 2);
	assert_int_equal(profile.families, 0);
	assert_int_equal(load("[guard]\nmode = deny\nstartup = 0\nsockets = unix, inet6\n"), 0);
	assert_int_equal(profile.mode, GUARD_MODE_DENY);
	assert_int_equal(profile.startup_s, 0);
	assert_int_equal(profile.families, 1ull << AF_UNIX | 1ull << AF_INET6);
	assert_int_equal(load("[guard]\nsockets = none\n"), 0);
	assert_int_equal(profile.families, 0);
}

static void rules_match_files_folders_and_beginnings(void **state)
{
	assert_int_equal(load("[allow]\nread = /etc/passwd\nwrite = /srv/images/\nread = /dev/tap*\n"
			      "map = /usr/\nread = /usr/share/qemu/\nexec = /usr/lib/helper\n"
			      "exec = /opt/helper\n"), 0);
	assert_int_equal(rights_of("/etc/passwd"), GUARD_READ);
	assert_int_equal(rights_of("/etc/passwd-"), 0);
	assert_int_equal(rights_of("/etc/passw"), 0);
	assert_int_equal(rights_of("/srv/images"), GUARD_READ | GUARD_WRITE);
	assert_int_equal(rights_of("/srv/images/a/b.qcow2"), GUARD_READ | GUARD_WRITE);
	assert_int_equal(rights_of("/srv/images2"), 0);
	assert_int_equal(rights_of("/dev/tap0"), GUARD_READ);
	/* The longest match has the rights of those it is in. */
	assert_int_equal(rights_of("/usr/share/qemu/bios.bin"), GUARD_MAP | GUARD_READ);
	assert_int_equal(rights_of("/usr/lib/helper"), GUARD_MAP | GUARD_MAY_EXEC);
	assert_int_equal(rights_of("/usr/lib/helper2"), GUARD_MAP);
	assert_int_equal(rights_of("/opt/helper"), GUARD_MAP | GUARD_MAY_EXEC);
}

/* As the BPF programs look for it. */
static bool climbs(const char *path)
{
	int i = 0;

	while (i < GUARD_UNIX_PATH - 1 && !guard_path_ends(path + i))
		i++;
	return guard_climbs_at(path + i);
}

static void paths_that_climb_are_known(void **state)
{
	static const char *const climb[] = {
		"/run/libvirt/../docker.sock", "/run/libvirt/..", "/..", "/../x", "/a//../x", "/a/./../x",
	};
	static const char *const stay[] = {
		"", "/", "/run/libvirt/x", "/run/..x/y", "/run/x../y", "/run/.../y", "/run/./y", "@/x",
	};
	char path[GUARD_PATH];

	for (size_t i = 0; i < sizeof(climb) / sizeof(climb[0]); i++) {
		snprintf(path, sizeof(path), "%s", climb[i]);
		assert_true(climbs(path));
	}
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++) {
		snprintf(path, sizeof(path), "%s", stay[i]);
		assert_false(climbs(path));
	}
	/* To the last byte that a socket's name has, and not of what is behind its end. */
	memset(path, 0, sizeof(path));
	memset(path, 'a', GUARD_UNIX_PATH);
	memcpy(path + GUARD_UNIX_PATH - 3, "/..", 3);
	assert_true(climbs(path));
	memset(path, 0, sizeof(path));
	strcpy(path, "/run/x");
	strcpy(path + 7, "/../y");
	assert_false(climbs(path));
}

static void what_is_no_profile_is_refused(void **state)
{
	static const char *const bad[] = {
		"[guard]\nmode = maybe\n", "[guard]\nmode = deny\nmode = deny\n",
		"[guard]\nstartup = -1\n", "[guard]\nstartup = 3601\n",
		"[guard]\nsockets = tcp\n", "[guard]\nsockets =\n", "[guard]\nread = /etc/\n",
		"[allow]\nread = etc\n", "[allow]\nread =\n", "[allow]\nopen = /etc/\n",
		"[allow]\nread = /a/../b\n", "[allow]\nread = /a//b\n", "[allow]\nmode = deny\n",
		"[deny]\nread = /etc/\n", "read = /etc/\n", "words\n",
	};
	char text[512] = "[allow]\nread = /";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (!load(bad[i]))
			fail_msg("accepted: %s", bad[i]);
	memset(text + strlen(text), 'a', GUARD_PATH);
	assert_int_equal(load(text), -1);
}

static void no_more_rules_than_there_is_room_for(void **state)
{
	static char text[WARDEN_GUARD_RULES * 24 + 64];
	size_t used = sprintf(text, "[allow]\n");

	for (unsigned i = 0; i < WARDEN_GUARD_RULES; i++)
		used += sprintf(text + used, "read = /f%u\n", i);
	assert_int_equal(load(text), 0);
	assert_int_equal(profile.n, WARDEN_GUARD_RULES);
	sprintf(text + used, "read = /more\n");
	assert_int_equal(load(text), -1);
}

/* The one that is installed. */
static void the_shipped_profile_is_one(void **state)
{
	char self[4096] = "", path[4160];

	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/etc/guard.conf", self);
	assert_int_equal(profile_load(path, &profile), 0);
	assert_int_equal(profile.mode, GUARD_MODE_FINDING);
	assert_int_equal(rights_of("/etc/shadow"), 0);
	assert_int_equal(rights_of("/bin/sh"), 0);
	assert_int_equal(rights_of("/usr/bin/true") & (GUARD_MAY_EXEC | GUARD_WRITE), 0);
	assert_int_equal(rights_of("/dev/vhost-net"), GUARD_READ | GUARD_WRITE);
	assert_int_equal(rights_of("/dev/sda"), 0);
	assert_int_equal(rights_of("/dev/nvme0n1"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_it_is_off),
		cmocka_unit_test(settings_are_read),
		cmocka_unit_test(rules_match_files_folders_and_beginnings),
		cmocka_unit_test(paths_that_climb_are_known),
		cmocka_unit_test(what_is_no_profile_is_refused),
		cmocka_unit_test(no_more_rules_than_there_is_room_for),
		cmocka_unit_test(the_shipped_profile_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

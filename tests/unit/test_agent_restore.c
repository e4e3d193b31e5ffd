// SPDX-License-Identifier: GPL-2.0-or-later
/* What is in the sealed store, and back from it: whole, or not at all. */
#include "test_agent_store.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "test_child.h"

/* Sizes about the borders of chunks and pages. */
static void test_round_trip(void **state)
{
	static const size_t sizes[] = { 1, 4096, 65535, 65536, 65537, 131072, 3000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *path = make_file("malware", sizes[i]);
		struct record_order o = order_for(path);
		size_t before, after;
		uint8_t *a = contents(path, &before), *b;

		assert_int_equal(quarantine(&o), WIRE_DONE);
		assert_false(there(path));
		assert_true(there(item_path(&o)));
		assert_int_equal(restore(&o), WIRE_DONE);
		assert_false(there(item_path(&o)));
		b = contents(path, &after);
		assert_int_equal(before, after);
		assert_memory_equal(a, b, after);
		free(a);
		free(b);
		unlink(path);
	}
}

/* The item gives nothing of the file away, not even its path. */
static void test_sealed(void **state)
{
	static const char text[] = "a content that would be found again";
	char *path = in_folder("malware-of-a-name");
	struct record_order o;
	struct stat st;
	uint8_t *sealed;
	size_t n;

	write_file(path, text, sizeof(text));
	o = order_for(path);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	sealed = contents(item_path(&o), &n);
	assert_null(memmem(sealed, n, text, 10));
	assert_null(memmem(sealed, n, "malware-of-a-name", 10));
	free(sealed);
	assert_int_equal(stat(item_path(&o), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(store, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* An access list, as the kernel takes it: user 1234 may read and execute. */
static const uint8_t acl[] = {
	2, 0, 0, 0,
	1, 0, 7, 0, 255, 255, 255, 255,  2, 0, 5, 0, 0xd2, 4, 0, 0,
	4, 0, 5, 0, 255, 255, 255, 255,  0x10, 0, 5, 0, 255, 255, 255, 255,
	0x20, 0, 0, 0, 255, 255, 255, 255,
};

/* cap_net_raw, permitted and effective. */
static const uint8_t capability[] = {
	1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};

static void assert_attr(const char *path, const char *name, const void *value, size_t n)
{
	uint8_t got[256];

	assert_int_equal(getxattr(path, name, got, sizeof(got)), n);
	assert_memory_equal(got, value, n);
}

static void test_metadata(void **state)
{
	char *path = make_file("su", 5000);
	const struct timespec times[2] = { { 1111111111, 123456789 }, { 999999999, 987654321 } };
	struct stat before, after;
	struct record_order o;

	assert_int_equal(chown(path, 1001, 1002), 0);
	assert_int_equal(setxattr(path, "user.note", "kept", 4, 0), 0);
	assert_int_equal(setxattr(path, "security.selinux", "system_u:object_r:bin_t:s0", 27, 0), 0);
	assert_int_equal(setxattr(path, "system.posix_acl_access", acl, sizeof(acl), 0), 0);
	assert_int_equal(setxattr(path, "security.capability", capability, sizeof(capability), 0), 0);
	assert_int_equal(chmod(path, 06750), 0);
	o = order_for(path);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_false(there(path));
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_mode & 07777, 06750);
	assert_int_equal(after.st_uid, 1001);
	assert_int_equal(after.st_gid, 1002);
	assert_memory_equal(&after.st_atim, &before.st_atim, sizeof(after.st_atim));
	assert_memory_equal(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim));
	assert_attr(path, "user.note", "kept", 4);
	assert_attr(path, "security.selinux", "system_u:object_r:bin_t:s0", 27);
	assert_attr(path, "system.posix_acl_access", acl, sizeof(acl));
	assert_attr(path, "security.capability", capability, sizeof(capability));
}

/* The folder's default list is not the file's. */
static void test_default_acl_stays_out(void **state)
{
	char *path;
	struct record_order o;
	uint8_t got[64];

	assert_int_equal(mkdir(in_folder("d"), 0755), 0);
	path = make_file("d/malware", 100);
	o = order_for(path);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_int_equal(setxattr(in_folder("d"), "system.posix_acl_default", acl, sizeof(acl), 0), 0);
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_int_equal(getxattr(path, "system.posix_acl_access", got, sizeof(got)), -1);
	assert_int_equal(errno, ENODATA);
}

/*
 * Its owner waits for the moment in which the file is theirs already and has
 * no set-group-ID bit yet, to write a program of their own into it.
 */
static void test_restore_lets_nobody_in(void **state)
{
	enum { OWNER = 4321 };
	char *path = in_folder("d/tool"), *dir = in_folder("d");
	struct record_order o;
	bool intruded = false;

	mkdir(dir, 0755);
	chmod(folder, 0755);
	assert_int_equal(chown(dir, OWNER, OWNER), 0);
	for (int i = 0; i < 30 && !intruded; i++) {
		size_t n;
		uint8_t *bytes;
		pid_t pid;

		unlink(path);
		write_file(path, "honest", 6);
		assert_int_equal(chown(path, OWNER, 42), 0);
		chmod(path, 02755);
		for (int a = 0; a < 20; a++) {
			char name[32];

			snprintf(name, sizeof(name), "user.%d", a);
			setxattr(path, name, "x", 1, 0);
		}
		o = order_for(path);
		assert_int_equal(quarantine(&o), WIRE_DONE);
		pid = child_fork();
		if (!pid) {
			if (setgid(OWNER) || setuid(OWNER) || chdir(dir))
				_exit(1);
			child_ends_with(getppid());
			for (;;) {
				DIR *d = opendir(".");
				struct dirent *e;

				while ((e = readdir(d))) {
					int fd = strncmp(e->d_name, ".warden", 7) ? -1 :
						open(e->d_name, O_WRONLY | O_NOFOLLOW);

					if (fd >= 0 && write(fd, "rogue!", 6) == 6)
						usleep(1000);
					if (fd >= 0)
						close(fd);
				}
				closedir(d);
			}
		}
		usleep(3000);
		assert_int_equal(restore(&o), WIRE_DONE);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		bytes = contents(path, &n);
		intruded = memcmp(bytes, "honest", 6);
		free(bytes);
	}
	assert_false(intruded);
}

static void test_restore_comes_again(void **state)
{
	char *path = make_file("malware", 70000), *copy, command[1200];
	struct record_order o = order_for(path);

	assert_int_equal(quarantine(&o), WIRE_DONE);
	copy = in_folder("copy");
	snprintf(command, sizeof(command), "cp -p '%s' '%s'", item_path(&o), copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_true(says("before"));
	/* it ended between the file's return and the note of it */
	assert_int_equal(rename(copy, item_path(&o)), 0);
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_true(says("before"));
	assert_false(there(item_path(&o)));
	o.item[0] ^= 1;
	assert_int_equal(restore(&o), WIRE_NO_TARGET);
}

static void test_restore_replaces_nothing(void **state)
{
	char *path = make_file("d-malware", 100);
	struct record_order o = order_for(path);

	assert_int_equal(quarantine(&o), WIRE_DONE);
	write_file(path, "mine", 4);
	assert_int_equal(restore(&o), WIRE_MISMATCH);
	assert_true(says("something is at its path"));
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(restore(&o), WIRE_MISMATCH);
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(restore(&o), WIRE_MISMATCH);
	rmdir(path);
	assert_int_equal(restore(&o), WIRE_DONE);
}

static void test_restore_without_folder(void **state)
{
	struct record_order o;
	char *path;

	assert_int_equal(mkdir(in_folder("d"), 0755), 0);
	path = make_file("d/malware", 100);
	o = order_for(path);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	rmdir(in_folder("d"));
	assert_int_equal(restore(&o), WIRE_FAILED);
	assert_true(says("its folder is gone"));
	assert_int_equal(symlink("/tmp", in_folder("d")), 0);
	assert_int_equal(restore(&o), WIRE_FAILED);
	unlink(in_folder("d"));
	assert_int_equal(mkdir(in_folder("d"), 0755), 0);
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_true(there(path));
}

/* Every byte of the item changed, every length cut, and bytes behind its end. */
static void test_damaged_item(void **state)
{
	struct record_order o = order_for(make_file("malware", 200));
	char command[160];
	uint8_t *good;
	size_t n;

	assert_int_equal(quarantine(&o), WIRE_DONE);
	good = contents(item_path(&o), &n);
	for (size_t at = 0; at < n; at++) {
		uint8_t was = good[at];

		good[at] ^= 1 << at % 8;
		write_file(item_path(&o), good, n);
		restore_verb(&o, store, &result);
		assert_int_equal(result.status, WIRE_FAILED);
		assert_true(says("damaged"));
		good[at] = was;
		write_file(item_path(&o), good, at);
		restore_verb(&o, store, &result);
		assert_int_equal(result.status, WIRE_FAILED);
		assert_false(there(o.path));
	}
	good[n] = 0;
	write_file(item_path(&o), good, n + 1);
	assert_int_equal(restore(&o), WIRE_FAILED);
	write_file(item_path(&o), good, n);
	free(good);
	o.key[31] ^= 0x80;
	assert_int_equal(restore(&o), WIRE_FAILED);
	assert_true(says("another guest"));
	o.key[31] ^= 0x80;
	assert_int_equal(restore(&o), WIRE_DONE);
	/* nothing half-made is left beside it */
	snprintf(command, sizeof(command), "[ \"$(ls -A '%s' | tr '\\n' ' ')\" = 'malware store ' ]",
		 folder);
	assert_int_equal(system(command), 0);
}

/* Sealed for one name, renamed to another. */
static void test_renamed_item(void **state)
{
	struct record_order a = order_for(make_file("a", 10)), b = order_for(make_file("b", 10));

	assert_int_equal(quarantine(&a), WIRE_DONE);
	assert_int_equal(quarantine(&b), WIRE_DONE);
	assert_int_equal(rename(item_path(&a), item_path(&b)), 0);
	assert_int_equal(restore(&b), WIRE_FAILED);
	assert_true(says("damaged"));
}

static void test_store_of_others(void **state)
{
	struct record_order o = order_for(make_file("malware", 10));

	assert_int_equal(mkdir(store, 0755), 0);
	assert_int_equal(quarantine(&o), WIRE_FAILED);
	assert_true(says("0700"));
	rmdir(store);
	assert_int_equal(symlink("/tmp", store), 0);
	assert_int_equal(quarantine(&o), WIRE_FAILED);
	assert_true(there(o.path));
}

static void test_tidy(void **state)
{
	struct record_order o = order_for(make_file("malware", 10));
	uint8_t item[WIRE_ITEM] = { 1 };
	int fd;

	assert_int_equal(quarantine(&o), WIRE_DONE);
	fd = store_open(store);
	close(store_begin(fd, item));
	store_tidy(store);
	assert_true(there(item_path(&o)));
	close(fd);
	unlink(item_path(&o));
	assert_store_is_empty();
}

/* Two orders for one item: the second is told so. */
static void test_at_work(void **state)
{
	struct record_order o = order_for(make_file("malware", 10));
	int fd = store_open(store), part = store_begin(fd, o.item);

	assert_true(part >= 0);
	assert_int_equal(quarantine(&o), WIRE_FAILED);
	assert_true(says("at work"));
	close(part);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	close(fd);
}

/* Killed at any moment: the file is whole at its path, or whole in the store. */
static void test_killed(void **state)
{
	struct record_order o = order_for(make_file("malware", 8 << 20));
	int lost = 0, moved = 0;

	for (int i = 0; i < 40; i++) {
		pid_t pid = child_fork();

		if (!pid) {
			quarantine_verb(&o, store, &result);
			_exit(0);
		}
		usleep(i * 1000);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		store_tidy(store);
		if (!there(o.path)) {
			moved++;
			assert_int_equal(restore(&o), WIRE_DONE);
			unlink(in_folder("store/none"));
			{
				struct record_order now = order_for(o.path);

				assert_memory_equal(now.file.hash, o.file.hash, WIRE_HASH);
			}
		} else {
			lost++;
		}
	}
	print_message("  %d killed before, %d after\n", lost, moved);
	assert_true(lost);
}

static void test_through_verbs(void **state)
{
	struct record_order o = order_for(make_file("malware", 100000));

	verbs_start(store);
	assert_false(verbs_begin(&o, clock_ms(), &result));
	while (!verbs_next(clock_ms(), &result))
		usleep(1000);
	assert_int_equal(result.status, WIRE_DONE);
	assert_false(there(o.path));
	o.verb = WIRE_VERB_RESTORE;
	assert_false(verbs_begin(&o, clock_ms(), &result));
	while (!verbs_next(clock_ms(), &result))
		usleep(1000);
	assert_int_equal(result.status, WIRE_DONE);
	assert_true(there(o.path));
}

/* The guest's owner has the last word, and the host can see it. */
static void test_denied(void **state)
{
	struct record_order o = order_for(make_file("malware", 100));

	assert_false(verbs_deny("format"));
	assert_true(verbs_deny("quarantine"));
	assert_int_equal(verbs_capabilities(), 1 << WIRE_VERB_KILL | 1 << WIRE_VERB_RESTORE);
	assert_true(verbs_begin(&o, clock_ms(), &result));
	assert_int_equal(result.status, WIRE_NOT_ALLOWED);
	assert_true(says("owner"));
	assert_true(there(o.path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_sealed),
		TEST(test_metadata),
		TEST(test_default_acl_stays_out),
		TEST(test_restore_lets_nobody_in),
		TEST(test_restore_comes_again),
		TEST(test_restore_replaces_nothing),
		TEST(test_restore_without_folder),
		TEST(test_damaged_item),
		TEST(test_renamed_item),
		TEST(test_store_of_others),
		TEST(test_tidy),
		TEST(test_at_work),
		TEST(test_killed),
		TEST(test_through_verbs),
		TEST(test_denied),
	};

	alarm(120);
	return RUN_AS_ROOT(tests);
}

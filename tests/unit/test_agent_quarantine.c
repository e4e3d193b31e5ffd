// SPDX-License-Identifier: GPL-2.0-or-later
/* Real files into the sealed store and back: whole, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent/item.h"
#include "agent/place.h"
#include "agent/quarantine.h"
#include "agent/store.h"
#include "agent/verbs.h"
#include "channel/clock.h"
#include "lib/crypto.h"
#include "test_child.h"

static char folder[] = "/tmp/warden-quarantine-XXXXXX";
static char store[64];			/* the folder of items */
static uint8_t key[WIRE_KEY];
static struct record_result result;

static char *in_folder(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int setup_group(void **state)
{
	umask(022);
	return sodium_init() < 0;
}

/* Each test has a folder of its own. */
static int setup(void **state)
{
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(store, sizeof(store), "%s/store", folder);
	randombytes_buf(key, sizeof(key));
	return 0;
}

static int teardown(void **state)
{
	char command[160];

	snprintf(command, sizeof(command), "chattr -R -i -a '%s' 2>/dev/null; rm -rf '%s'", folder,
		 folder);
	return system(command);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* A file of n bytes that no other has. */
static char *make_file(const char *name, size_t n)
{
	char *path = in_folder(name);
	uint8_t *bytes = malloc(n + 1);

	randombytes_buf(bytes, n);
	write_file(path, bytes, n);
	free(bytes);
	return path;
}

static struct record_order order_for(const char *path)
{
	static uint64_t id;
	struct record_order o = { .verb = WIRE_VERB_QUARANTINE, .order = ++id };
	uint8_t hash[WIRE_HASH];
	struct stat st;
	uint8_t *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && !fstat(fd, &st));
	bytes = malloc(st.st_size + 1);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	hash_content(hash, bytes, st.st_size);
	free(bytes);
	close(fd);
	randombytes_buf(o.item, sizeof(o.item));
	memcpy(o.key, key, sizeof(key));
	memcpy(o.file.hash, hash, sizeof(hash));
	o.size = st.st_size;
	o.file.nranges = 1;
	o.file.range[0].pages = (st.st_size + WIRE_PAGE - 1) / WIRE_PAGE;
	snprintf(o.path, sizeof(o.path), "%s", path);
	return o;
}

static uint32_t quarantine(const struct record_order *o)
{
	memset(&result, 0, sizeof(result));
	quarantine_verb(o, store, &result);
	print_message("  quarantine %u: %s\n", result.status, result.detail);
	return result.status;
}

static uint32_t restore(const struct record_order *o)
{
	memset(&result, 0, sizeof(result));
	restore_verb(o, store, &result);
	print_message("  restore %u: %s\n", result.status, result.detail);
	return result.status;
}

static bool there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static bool says(const char *text)
{
	return strstr(result.detail, text);
}

static char *item_path(const struct record_order *o)
{
	char name[STORE_NAME], path[128];

	store_name(name, o->item, STORE_ITEM);
	snprintf(path, sizeof(path), "store/%s", name);
	return in_folder(path);
}

/* Neither an item nor what is left of one. */
static void assert_store_is_empty(void)
{
	char command[160];

	snprintf(command, sizeof(command), "[ -z \"$(ls -A '%s' 2>/dev/null)\" ]", store);
	assert_int_equal(system(command), 0);
}

static void assert_untouched(const struct record_order *o)
{
	struct record_order now = order_for(o->path);

	assert_int_equal(now.size, o->size);
	assert_memory_equal(now.file.hash, o->file.hash, WIRE_HASH);
	assert_store_is_empty();
}

static uint8_t *contents(const char *path, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0 && !fstat(fd, &st));
	bytes = malloc(st.st_size + 1);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	close(fd);
	*ret_n = st.st_size;
	return bytes;
}

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

static void test_another_file(void **state)
{
	char *path = make_file("malware", 9000);
	struct record_order right = order_for(path), o = right;

	o.size++;
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	o = right;
	o.file.hash[5] ^= 1;
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	o = right;
	o.file.range[0].pages++;
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	o = right;
	o.file.nranges = 0;
	assert_int_equal(quarantine(&o), WIRE_NOT_ALLOWED);
	strcat(o.path, "-not");
	assert_int_equal(quarantine(&o), WIRE_NO_TARGET);
	assert_untouched(&right);
}

static void test_paths(void **state)
{
	static const char *const bad[] = {
		"", "relative", "/", "/tmp/", "/tmp//x", "/tmp/./x", "/tmp/../etc/passwd", "/..",
	};
	char *path = make_file("malware", 100);
	struct record_order right = order_for(path), o = right;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(o.path, bad[i]);
		assert_int_equal(quarantine(&o), WIRE_NOT_ALLOWED);
	}
	assert_int_equal(mkdir(in_folder("real"), 0755), 0);
	assert_int_equal(symlink(in_folder("real"), in_folder("link")), 0);
	assert_int_equal(rename(path, in_folder("real/malware")), 0);
	strcpy(o.path, in_folder("link/malware"));
	assert_int_equal(quarantine(&o), WIRE_NO_TARGET);
	assert_true(there(in_folder("real/malware")));
	strcpy(o.path, "/proc/self/root/etc/passwd");
	assert_int_equal(quarantine(&o), WIRE_NO_TARGET);
	assert_store_is_empty();
}

static void test_strange_names(void **state)
{
	static const char *const names[] = { "a\nb", "\x1b[31m", "'; rm -rf $HOME", "\xff\xfe", " ",
		"-rf", "\\x41" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = make_file(names[i], 10);
		struct record_order o = order_for(path);

		assert_int_equal(quarantine(&o), WIRE_DONE);
		assert_false(there(path));
		assert_int_equal(restore(&o), WIRE_DONE);
		assert_true(there(path));
	}
}

/* Whatever is no regular file is not opened: a FIFO would hang, a device act. */
static void test_no_regular_file(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char *path = make_file("x", 10);
	struct record_order o = order_for(path);
	int fd;

	unlink(path);
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	assert_true(says("a FIFO"));
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	assert_true(says("a folder"));
	rmdir(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	assert_true(says("a symbolic link"));
	unlink(path);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	assert_true(says("a socket"));
	close(fd);
	unlink(path);
	if (!mknod(path, S_IFCHR | 0600, makedev(1, 3))) {
		assert_int_equal(quarantine(&o), WIRE_MISMATCH);
		assert_true(says("a device"));
	}
	assert_true(there(path));
	assert_store_is_empty();
}

static void test_running_executable(void **state)
{
	char *path = in_folder("sleeper"), pid_text[32], command[1200];
	struct record_order o;
	int gate[2];
	char byte;
	pid_t pid;

	snprintf(command, sizeof(command), "cp /bin/sleep '%s'", path);
	assert_int_equal(system(command), 0);
	o = order_for(path);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = child_fork();
	if (!pid) {
		execl(path, "sleeper", "600", NULL);
		_exit(127);
	}
	close(gate[1]);
	assert_int_equal(read(gate[0], &byte, 1), 0);
	close(gate[0]);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	snprintf(pid_text, sizeof(pid_text), "still runs as pid %d", pid);
	assert_true(says(pid_text));
	assert_false(there(path));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_own_program(void **state)
{
	struct record_order o = order_for("/proc/self/exe");

	assert_true(readlink("/proc/self/exe", o.path, sizeof(o.path)) > 0);
	assert_int_equal(quarantine(&o), WIRE_NOT_ALLOWED);
	assert_true(there(o.path));
	assert_store_is_empty();
}

/*
 * Without its libraries the agent does not start again.  One of the test's own
 * making: with the check broken, a real one would be gone from this machine.
 */
static void test_library_of_the_agent(void **state)
{
	char *path = make_file("libneeded.so", 3000);
	struct record_order o = order_for(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *library = mmap(NULL, 3000, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

	close(fd);
	if (library == MAP_FAILED)
		skip();
	assert_int_equal(quarantine(&o), WIRE_NOT_ALLOWED);
	assert_true(says("library"));
	assert_untouched(&o);
	munmap(library, 3000);
	assert_int_equal(quarantine(&o), WIRE_DONE);
}

/* /etc/passwd, with a signature in somebody's full name. */
static void test_data_of_root(void **state)
{
	char *path = make_file("passwd", 3000);
	struct record_order o = order_for(path);

	chmod(path, 0644);
	assert_int_equal(quarantine(&o), WIRE_NOT_ALLOWED);
	assert_true(says("neither a program nor a library"));
	assert_untouched(&o);
	assert_int_equal(chown(path, 1234, 1234), 0);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	/* a library of root's needs no right to be executed */
	write_file(path, "\177ELF and so on", 15);
	chmod(path, 0644);
	o = order_for(path);
	assert_int_equal(quarantine(&o), WIRE_DONE);
}

/* Its owner holds a lease on it: who opens it waits until that is given up. */
static void test_lease(void **state)
{
	char *path = make_file("malware", 3000);
	struct record_order o = order_for(path);
	int gate[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(gate), 0);
	pid = child_fork();
	if (!pid) {
		int fd = open(path, O_RDWR | O_CLOEXEC), leased;

		signal(SIGIO, SIG_IGN);
		leased = fcntl(fd, F_SETLEASE, F_WRLCK);
		if (write(gate[1], leased ? "n" : "y", 1) != 1)
			_exit(1);
		usleep(300000);
		fcntl(fd, F_SETLEASE, F_UNLCK);
		_exit(0);
	}
	assert_int_equal(read(gate[0], &byte, 1), 1);
	close(gate[0]);
	close(gate[1]);
	if (byte == 'y')
		assert_int_equal(quarantine(&o), WIRE_DONE);
	waitpid(pid, NULL, 0);
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

static void test_hard_links(void **state)
{
	char *path = make_file("malware", 50);
	struct record_order o = order_for(path);

	assert_int_equal(link(path, in_folder("other")), 0);
	assert_int_equal(link(path, in_folder("third")), 0);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_true(says("2 other names"));
	assert_false(there(path));
	assert_true(there(in_folder("other")));
}

/* In a child with mounts of its own. */
static void in_own_mounts(void (*body)(void))
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = child_fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			_exit(77);
		body();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("  skipped: no mounts of its own here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void expect(bool good, int line)
{
	if (!good) {
		print_message("  line %d: %u: %s\n", line, result.status, result.detail);
		_exit(1);
	}
}

static void on_read_only_mount(void)
{
	char *d = in_folder("d"), *path = in_folder("d/malware");
	struct record_order o = order_for(path);

	if (mount(d, d, NULL, MS_BIND, NULL) ||
	    mount(NULL, d, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
		_exit(77);
	quarantine_verb(&o, store, &result);
	expect(result.status == WIRE_FAILED && says("read-only mount"), __LINE__);
	expect(there(path), __LINE__);
}

static void test_read_only_mount(void **state)
{
	struct record_order o;

	assert_int_equal(mkdir(in_folder("d"), 0755), 0);
	o = order_for(make_file("d/malware", 100));
	in_own_mounts(on_read_only_mount);
	assert_untouched(&o);
}

/* The store on a file system of its own: too small, then another than the file's. */
static void with_small_store(void)
{
	struct record_order big = order_for(in_folder("big")), small = order_for(in_folder("small"));

	if (mkdir(store, 0700) || mount("tmpfs", store, "tmpfs", 0, "size=20m,mode=0700"))
		_exit(77);
	quarantine_verb(&big, store, &result);
	expect(result.status == WIRE_FAILED && says("no space"), __LINE__);
	expect(there(big.path), __LINE__);
	quarantine_verb(&small, store, &result);
	expect(result.status == WIRE_DONE && !there(small.path), __LINE__);
	restore_verb(&small, store, &result);
	expect(result.status == WIRE_DONE && there(small.path), __LINE__);
}

/* More attributes than are kept, of a user's making: no way to be left alone. */
static void on_tmpfs_with_attributes(void)
{
	static uint8_t value[40000];
	char *path = in_folder("d/bomb"), name[64];
	struct record_order o;
	unsigned kept = 0;
	int i;

	if (mount("tmpfs", in_folder("d"), "tmpfs", 0, "size=64m"))
		_exit(77);
	write_file(path, "x", 1);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "user.%d", i);
		if (setxattr(path, name, value, sizeof(value), 0))
			break;
	}
	if (i < 8 || setxattr(path, "trusted.kept", "y", 1, 0))
		_exit(77);
	o = order_for(path);
	quarantine_verb(&o, store, &result);
	expect(result.status == WIRE_DONE && says("attributes"), __LINE__);
	restore_verb(&o, store, &result);
	expect(result.status == WIRE_DONE, __LINE__);
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "user.%d", i);
		kept += getxattr(path, name, NULL, 0) == sizeof(value);
	}
	expect(kept == META_ATTRS_MAX / sizeof(value), __LINE__);
	expect(getxattr(path, "trusted.kept", NULL, 0) == 1, __LINE__);
	/* so many names that the kernel lists none */
	for (i = 0; i < 300; i++) {
		char long_name[240];

		snprintf(long_name, sizeof(long_name), "user.%0230d", i);
		if (setxattr(path, long_name, "x", 1, 0))
			_exit(77);
	}
	expect(listxattr(path, NULL, 0) == -1 || listxattr(path, NULL, 0) > 65536, __LINE__);
	o = order_for(path);
	quarantine_verb(&o, store, &result);
	expect(result.status == WIRE_DONE && says("attributes"), __LINE__);
}

static void test_attribute_bomb(void **state)
{
	mkdir(in_folder("d"), 0755);
	in_own_mounts(on_tmpfs_with_attributes);
}

static void test_other_file_system_and_no_space(void **state)
{
	make_file("big", 6 << 20);
	make_file("small", 1 << 20);
	in_own_mounts(with_small_store);
}

/* What statvfs promised is not there: a limit stops the write. */
static void test_write_fails(void **state)
{
	struct record_order o = order_for(make_file("malware", 1 << 20));
	int status;
	pid_t pid;

	fflush(NULL);
	pid = child_fork();
	if (!pid) {
		char command[64];

		signal(SIGXFSZ, SIG_IGN);
		snprintf(command, sizeof(command), "prlimit --pid %d --fsize=500000", getpid());
		expect(!system(command), __LINE__);
		quarantine_verb(&o, store, &result);
		expect(result.status == WIRE_FAILED, __LINE__);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_untouched(&o);
}

static bool chattr(const char *how, const char *path)
{
	char command[1200];

	snprintf(command, sizeof(command), "chattr %s '%s' 2>/dev/null", how, path);
	return !system(command);
}

static void test_immutable(void **state)
{
	char *path = make_file("malware", 100);
	struct record_order o = order_for(path);
	int fd;

	if (!chattr("+i", path)) {
		print_message("  skipped: no chattr on this file system\n");
		skip();
	}
	assert_int_equal(unlink(path), -1);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_false(there(path));
	assert_int_equal(restore(&o), WIRE_DONE);
	assert_int_equal(unlink(path), -1);	/* it is so again */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(meta_flags(fd), META_FLAG_IMMUTABLE);
	close(fd);
}

static void test_append_only_folder(void **state)
{
	struct record_order o;
	char *path;

	assert_int_equal(mkdir(in_folder("d"), 0755), 0);
	path = make_file("d/malware", 100);
	o = order_for(path);
	if (!chattr("+a", in_folder("d"))) {
		print_message("  skipped: no chattr on this file system\n");
		skip();
	}
	assert_int_equal(quarantine(&o), WIRE_FAILED);
	assert_true(says("immutable or append-only"));
	assert_untouched(&o);
}

static void test_too_large(void **state)
{
	char *path = in_folder("huge");
	struct record_order o = order_for(make_file("huge", 100));

	assert_int_equal(truncate(path, QUARANTINE_MAX + 1), 0);
	o.size = QUARANTINE_MAX + 1;
	o.file.range[0].pages = 1;
	{
		uint8_t page[WIRE_PAGE] = { 0 };
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_int_equal(read(fd, page, sizeof(page)), sizeof(page));
		hash_content(o.file.hash, page, sizeof(page));
		close(fd);
	}
	assert_int_equal(quarantine(&o), WIRE_FAILED);
	assert_true(says("larger than 4 GiB"));
	assert_true(there(path));
	assert_store_is_empty();
}

/* A writer that never rests: what was sealed must not be half of each. */
static void test_changed_while_copied(void **state)
{
	char *path = make_file("malware", 24 << 20);
	struct record_order o = order_for(path);
	pid_t pid;

	o.file.range[0].pages = 1;	/* the host had seen the first page alone */
	{
		uint8_t page[WIRE_PAGE];
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		assert_int_equal(read(fd, page, sizeof(page)), sizeof(page));
		hash_content(o.file.hash, page, sizeof(page));
		close(fd);
	}
	pid = child_fork();
	if (!pid) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		for (;;) {
			if (pwrite(fd, "x", 1, 20 << 20) != 1)
				_exit(1);
			usleep(100);
		}
	}
	usleep(50000);
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
	assert_true(says("changed while it was copied"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(there(path));
	assert_store_is_empty();
}

/* The answer was lost, and the agent with it: the order comes again. */
static void test_quarantine_comes_again(void **state)
{
	char *path = make_file("malware", 70000);
	struct record_order o = order_for(path);

	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_true(says("before"));
	/* another file is at the path by now: not touched */
	write_file(path, "harmless", 8);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_true(there(path));
	/* with another key it is another guest's */
	o.key[0] ^= 1;
	assert_int_equal(quarantine(&o), WIRE_MISMATCH);
}

/* It ended between the sealing and the removal: both are there. */
static void test_quarantine_goes_on(void **state)
{
	char *path = make_file("malware", 70000), command[1200];
	struct record_order o = order_for(path);
	size_t n;
	uint8_t *before = contents(path, &n), *after;

	snprintf(command, sizeof(command), "cp -p '%s' '%s.copy'", path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_int_equal(rename(in_folder("malware.copy"), path), 0);
	assert_int_equal(quarantine(&o), WIRE_DONE);
	assert_false(there(path));
	assert_int_equal(restore(&o), WIRE_DONE);
	after = contents(path, &n);
	assert_memory_equal(before, after, n);
	free(before);
	free(after);
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

static void test_needs(void **state)
{
	print_message("skipped: needs root\n");
	skip();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest needs[] = { cmocka_unit_test(test_needs) };
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		TEST(test_sealed),
		TEST(test_metadata),
		TEST(test_default_acl_stays_out),
		TEST(test_another_file),
		TEST(test_paths),
		TEST(test_strange_names),
		TEST(test_no_regular_file),
		TEST(test_running_executable),
		TEST(test_own_program),
		TEST(test_library_of_the_agent),
		TEST(test_data_of_root),
		TEST(test_lease),
		TEST(test_restore_lets_nobody_in),
		TEST(test_attribute_bomb),
		TEST(test_hard_links),
		TEST(test_read_only_mount),
		TEST(test_other_file_system_and_no_space),
		TEST(test_write_fails),
		TEST(test_immutable),
		TEST(test_append_only_folder),
		TEST(test_too_large),
		TEST(test_changed_while_copied),
		TEST(test_quarantine_comes_again),
		TEST(test_quarantine_goes_on),
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
	if (geteuid())
		return cmocka_run_group_tests(needs, NULL, NULL);
	return cmocka_run_group_tests(tests, setup_group, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Real files into the sealed store: whole, or not at all, and which are refused. */
#include "test_agent_store.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "test_child.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_another_file),
		TEST(test_paths),
		TEST(test_strange_names),
		TEST(test_no_regular_file),
		TEST(test_running_executable),
		TEST(test_own_program),
		TEST(test_library_of_the_agent),
		TEST(test_data_of_root),
		TEST(test_lease),
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
	};

	alarm(120);
	return RUN_AS_ROOT(tests);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of a process that lives, has ended, or lets nobody read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/vmm.h"
#include "daemon/vmm_args.h"

#define PAGE 4096ul
#define LONG (4 * PAGE)			/* an argument */
#define ARGS (sizeof("qemu\0-name\0web\0served") + LONG)

static char args[VMM_ARGS];

/* ---- a file server that answers all but reads ---- */

struct reply {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
	};
};

static void set_attr(struct fuse_attr *attr, uint64_t node)
{
	*attr = (struct fuse_attr){ .ino = node, .nlink = 1, .size = node == FUSE_ROOT_ID ? 0 : PAGE,
				    .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644 };
}

/* The bytes behind the header; -1: no answer. */
static int answer(const struct fuse_in_header *in, struct reply *reply)
{
	switch (in->opcode) {
	case FUSE_INIT:
		reply->init = (struct fuse_init_out){ .major = 7, .minor = 31, .max_write = PAGE };
		return sizeof(reply->init);
	case FUSE_LOOKUP:
		reply->entry.nodeid = 2;
		set_attr(&reply->entry.attr, 2);
		return sizeof(reply->entry);
	case FUSE_GETATTR:
		set_attr(&reply->attr.attr, in->nodeid);
		return sizeof(reply->attr);
	case FUSE_OPEN:
		return sizeof(reply->open);
	}
	return -1;
}

static noreturn void serve(int fd)
{
	static char request[FUSE_MIN_READ_BUFFER + PAGE];
	const struct fuse_in_header *in = (void *)request;

	while (read(fd, request, sizeof(request)) > 0) {
		struct reply reply = { 0 };
		int n = answer(in, &reply);

		reply.header.unique = in->unique;
		reply.header.len = sizeof(reply.header) + n;
		if (n >= 0 && write(fd, &reply, reply.header.len) < 0)
			break;
	}
	_exit(0);
}

static char folder[] = "/tmp/kvm-warden-XXXXXX";
static pid_t server = -1;

static int start_server(void **state)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	assert_non_null(mkdtemp(folder));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd >= 0 && !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	    !mount("fuse", folder, "fuse", 0, options) && !(server = fork()))
		serve(fd);
	if (fd >= 0)
		close(fd);
	return 0;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* With it whoever waits for it goes on. */
static int end_server(void **state)
{
	if (server > 0)
		end(server);
	server = -1;
	umount2(folder, MNT_DETACH);
	rmdir(folder);
	return 0;
}

/* ---- a VMM ---- */

/*
 * Whoever reads a command line takes the lock of that process's mappings, and reads none
 * that a file server holds back.  But a reader of /proc/PID/mem holds the lock while it
 * waits for such a server, and one who would change the mappings lets no further reader in.
 */
static void *read_own_memory(void *page)
{
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	char byte;

	return (void *)pread(fd, &byte, 1, (off_t)(uintptr_t)page);
}

/* Says that it is ready, and changes its mappings. */
static void lock_mappings(const char *file)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	pthread_t reader;

	if (page == MAP_FAILED || pthread_create(&reader, NULL, read_own_memory, page))
		_exit(1);
	usleep(300000);
	if (write(1, "", 1) == 1)
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* argv: qemu -name web served|FILE padding */
static noreturn void be_a_vmm(char **argv)
{
	if (argv[3][0] == '/')
		lock_mappings(argv[3]);
	else if (write(1, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* -1: it has no such file. */
static pid_t start(const char *how)
{
	static char padding[LONG];
	char *argv[] = { "qemu", "-name", "web", (char *)how, padding, NULL }, ready;
	int ends[2];
	pid_t pid;

	memset(padding, 'x', LONG - 1);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		dup2(ends[1], 1);
		execv("/proc/self/exe", argv);
		_exit(1);
	}
	close(ends[1]);
	if (read(ends[0], &ready, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	close(ends[0]);
	return pid;
}

static void test_of_a_process(void **state)
{
	pid_t pid = start("served");
	char name[64];

	assert_int_equal(vmm_args(pid, args), ARGS);
	vmm_guest_name(pid, name, sizeof(name));
	assert_string_equal(name, "web");
	end(pid);
	assert_int_equal(vmm_args(pid, args), 0);
	vmm_guest_name(pid, name, sizeof(name));
	assert_string_equal(name, "");
}

/* Read by ourselves this would never end; and it is waited for once alone. */
static void test_that_does_not_answer(void **state)
{
	char file[64];
	pid_t pid, other;

	snprintf(file, sizeof(file), "%s/file", folder);
	pid = server > 0 ? start(file) : -1;
	if (pid < 0)
		skip();		/* no FUSE here */
	alarm(60);
	usleep(300000);		/* it waits for its mappings' lock by now */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(vmm_args(pid, args), 0);
		assert_string_equal(args, "");
	}
	other = start("served");
	assert_int_equal(vmm_args(other, args), ARGS);
	end(other);
	end(server);
	server = -1;
	end(pid);
	alarm(0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_process),
		cmocka_unit_test(test_that_does_not_answer),
	};

	if (argc == 5)
		be_a_vmm(argv);
	return cmocka_run_group_tests(tests, start_server, end_server);
}

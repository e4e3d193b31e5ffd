// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line of a process that lives, has ended, or lets nobody read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/hung.h"
#include "daemon/vmm.h"
#include "daemon/vmm_args.h"
#include "test_fuse.h"

#define PAGE 4096ul
#define LONG (4 * PAGE)			/* an argument */
#define ARGS (sizeof("qemu\0-name\0web\0served") + LONG)

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

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* How it ends; the bytes that it said. */
static enum vmm_answer ask(pid_t pid, size_t *ret_len)
{
	struct vmm_args *q = vmm_args_ask(pid);
	enum vmm_answer answer;
	const char *args;

	assert_non_null(q);
	while ((answer = vmm_args_look(q, &args, ret_len)) == VMM_ASKED)
		usleep(10000);
	if (*ret_len)
		assert_string_equal(args, "qemu");
	assert_string_equal(args + *ret_len, "");
	vmm_args_end(q);
	return answer;
}

static void test_of_a_process(void **state)
{
	pid_t pid = start("served");
	char name[64];
	size_t len;

	assert_int_equal(ask(pid, &len), VMM_ANSWERED);
	assert_int_equal(len, ARGS);
	vmm_guest_name(pid, name, sizeof(name));
	assert_string_equal(name, "web");
	end(pid);
	assert_int_equal(ask(pid, &len), VMM_ANSWERED);
	assert_int_equal(len, 0);
	vmm_guest_name(pid, name, sizeof(name));
	assert_string_equal(name, "");
}

static void hang_by(uint32_t vmm)
{
	char file[64];
	pid_t pid;

	snprintf(file, sizeof(file), "%s/hang", fuse_folder);
	pid = fork();
	if (pid == 0)
		_exit(open(file, O_RDONLY | O_CLOEXEC));
	usleep(300000);
	hung_add(pid, vmm);
}

/* One VMM that holds up all who ask it leaves the others' to be asked. */
static void test_that_holds_places(void **state)
{
	if (fuse_server < 0)
		skip();
	assert_false(hung_too_many(7));
	hang_by(7);
	assert_false(hung_too_many(7));
	hang_by(7);
	assert_true(hung_too_many(7));
	assert_null(vmm_args_ask(7));
	assert_false(hung_too_many(8));
	fuse_end_server();
	while (hung_too_many(7))
		usleep(10000);
}

/* Whoever reads it does so for ever; and nobody waits for him. */
static void test_that_does_not_answer(void **state)
{
	struct vmm_args *asked[33];
	const char *args;
	char file[64];
	pid_t pid, other;
	size_t len;

	snprintf(file, sizeof(file), "%s/file", fuse_folder);
	pid = fuse_server > 0 ? start(file) : -1;
	if (pid < 0)
		skip();		/* no FUSE here */
	alarm(60);
	usleep(300000);		/* it waits for its mappings' lock by now */
	for (int i = 0; i < 33; i++)
		asked[i] = vmm_args_ask(pid);
	assert_null(asked[32]);
	for (int i = 1; i < 32; i++)
		vmm_args_end(asked[i]);
	/* Those killed go, or not: what was asked before is answered. */
	while (vmm_args_look(asked[0], &args, &len) == VMM_ASKED)
		usleep(10000);
	assert_int_equal(vmm_args_look(asked[0], &args, &len), VMM_SILENT);
	assert_int_equal(len, 0);
	vmm_args_end(asked[0]);
	fuse_end_server();
	end(pid);
	other = start("served");
	assert_int_equal(ask(other, &len), VMM_ANSWERED);
	assert_int_equal(len, ARGS);
	end(other);
	alarm(0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_process),
		cmocka_unit_test_setup_teardown(test_that_holds_places, fuse_setup, fuse_teardown),
		cmocka_unit_test_setup_teardown(test_that_does_not_answer, fuse_setup, fuse_teardown),
	};

	if (argc == 5)
		be_a_vmm(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's kill, on real processes: the right one dies, no other does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/kill.h"
#include "agent/process.h"
#include "agent/verbs.h"
#include "channel/clock.h"
#include "lib/crypto.h"
#include "test_child.h"

static char folder[] = "/tmp/warden-kill-XXXXXX";
static char exe[64];			/* a copy of sleep, in folder */

static void copy_sleep(int to)
{
	int from = open("/bin/sleep", O_RDONLY | O_CLOEXEC);

	while (sendfile(to, from, NULL, 1 << 20) > 0)
		;
	close(from);
}

static int setup(void **state)
{
	int fd;

	assert_true(sodium_init() >= 0 && mkdtemp(folder));
	snprintf(exe, sizeof(exe), "%s/sleep", folder);
	fd = open(exe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	copy_sleep(fd);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	unlink(exe);
	rmdir(folder);
	return 0;
}

/* The pid runs what fd holds: returns once exec is through. */
static pid_t start_fd(int fd, pid_t pid_wanted)
{
	struct clone_args args = { .exit_signal = SIGCHLD,
		.set_tid = pid_wanted ? (uintptr_t)&pid_wanted : 0,
		.set_tid_size = pid_wanted ? 1 : 0 };
	int gate[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		char *const argv[] = { "sleep", "600", NULL };

		fexecve(fd, argv, environ);
		_exit(127);
	}
	close(gate[1]);
	if (pid > 0)
		assert_int_equal(read(gate[0], &byte, 1), 0);
	close(gate[0]);
	return pid;
}

static pid_t start(void)
{
	int fd = open(exe, O_RDONLY | O_CLOEXEC);
	pid_t pid = start_fd(fd, 0);

	close(fd);
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool alive(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static uint64_t ticks_of(pid_t pid)
{
	struct process_stat stat;
	struct process p;

	assert_int_equal(process_open(pid, &p), 0);
	assert_int_equal(process_stat(&p, &stat), 0);
	process_close(&p);
	return stat.start_ticks;
}

/* BLAKE2b-256 of the ranges, made as the host would: page by page. */
static void hash_ranges(struct record_order *o, const char *path)
{
	crypto_generichash_state state;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	crypto_generichash_init(&state, NULL, 0, WIRE_HASH);
	for (uint32_t i = 0; i < o->file.nranges; i++) {
		for (uint32_t page = 0; page < o->file.range[i].pages; page++) {
			uint8_t bytes[WIRE_PAGE];
			ssize_t n = pread(fd, bytes, WIRE_PAGE,
					  (o->file.range[i].first_page + page) * (off_t)WIRE_PAGE);

			assert_true(n > 0);
			crypto_generichash_update(&state, bytes, n);
		}
	}
	crypto_generichash_final(&state, o->file.hash, WIRE_HASH);
	close(fd);
}

static uint32_t pages_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (st.st_size + WIRE_PAGE - 1) / WIRE_PAGE;
}

/* The right order for that process. */
static struct record_order order_for(pid_t pid)
{
	static uint64_t id;
	struct record_order o = { .verb = WIRE_VERB_KILL, .order = ++id, .pid = pid, .file.nranges = 1 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	o.start_ns = ticks_of(pid) * 10000000 + 9999999;
	o.file.range[0].pages = pages_of(path);
	hash_ranges(&o, path);
	return o;
}

static uint32_t run(const struct record_order *o)
{
	struct record_result result = { 0 };

	kill_verb(o, getpid(), &result);
	print_message("  %u: %s\n", result.status, result.detail);
	return result.status;
}

static void assert_killed(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_right_one_dies(void **state)
{
	pid_t pid = start(), other = start();
	struct record_order o = order_for(pid);

	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
	assert_true(alive(other));
	end(other);
	assert_int_equal(run(&o), WIRE_NO_TARGET);
}

static void test_some_ranges(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);
	uint32_t pages = o.file.range[0].pages;

	assert_true(pages > 4);
	o.file.nranges = 2;
	o.file.range[0] = (struct record_range){ 1, 2 };
	o.file.range[1] = (struct record_range){ pages - 1, 1 };	/* cut at the file's size */
	hash_ranges(&o, exe);
	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
}

static void test_ranges_beyond_the_file(void **state)
{
	static const struct record_range bad[] = {
		{ 0, 0 }, { UINT32_MAX, UINT32_MAX }, { 100000, 1 }, { 0, 100000 },
	};
	pid_t pid = start();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct record_order o = order_for(pid);

		o.file.range[o.file.nranges++] = bad[i];
		assert_int_equal(run(&o), WIRE_MISMATCH);
		assert_true(alive(pid));
	}
	end(pid);
}

/* A hash over nothing is the same for every executable. */
static void test_empty_range_proves_nothing(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	o.file.range[0].pages = 0;
	hash_content(o.file.hash, NULL, 0);
	assert_int_equal(run(&o), WIRE_MISMATCH);
	assert_true(alive(pid));
	end(pid);
}

static void test_wrong_start(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	o.start_ns += 1;		/* the next tick */
	assert_int_equal(run(&o), WIRE_MISMATCH);
	o.start_ns -= 10000001;		/* the one before */
	assert_int_equal(run(&o), WIRE_MISMATCH);
	assert_true(alive(pid));
	o.start_ns += 1;		/* its first nanosecond */
	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
}

static void test_wrong_hash(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	o.file.hash[31] ^= 1;
	assert_int_equal(run(&o), WIRE_MISMATCH);
	assert_true(alive(pid));
	end(pid);
}

static void test_no_ranges(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);
	struct record_result result = { 0 };

	o.file.nranges = 0;
	kill_verb(&o, getpid(), &result);
	assert_int_equal(result.status, WIRE_NOT_ALLOWED);
	assert_string_equal(result.detail, "no executable hash");
	assert_true(alive(pid));
	end(pid);
}

static void test_never(void **state)
{
	struct record_order o = order_for(getpid());

	assert_int_equal(run(&o), WIRE_NOT_ALLOWED);
	o.pid = 1;
	assert_int_equal(run(&o), WIRE_NOT_ALLOWED);
	o.pid = 0;
	assert_int_equal(run(&o), WIRE_NO_TARGET);
	o.pid = UINT32_MAX;
	assert_int_equal(run(&o), WIRE_NO_TARGET);
	o.pid = INT32_MAX;
	assert_int_equal(run(&o), WIRE_NO_TARGET);
}

static void test_kernel_thread(void **state)
{
	struct record_order o = order_for(getpid());
	struct process_stat stat = { 0 };
	struct process p;

	if (process_open(2, &p))
		skip();
	process_stat(&p, &stat);
	process_close(&p);
	if (!stat.kernel_thread) {
		print_message("  pid 2 is no kernel thread here\n");
		skip();
	}
	o.pid = 2;
	assert_int_equal(run(&o), WIRE_NOT_ALLOWED);
}

/* Starts the same executable under a pid of our choice, or skips. */
static pid_t start_as(pid_t pid)
{
	int fd = open(exe, O_RDONLY | O_CLOEXEC);
	pid_t got;

	usleep(30000);	/* another tick */
	got = start_fd(fd, pid);
	close(fd);
	if (got != pid) {
		print_message("  no pid of our choice: %s\n", strerror(errno));
		skip();
	}
	return got;
}

static void test_reused_pid(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	end(pid);
	start_as(pid);
	assert_int_equal(run(&o), WIRE_MISMATCH);
	assert_true(alive(pid));
	end(pid);
}

/* The pid is reused after it was opened: neither descriptor follows it. */
static void test_reused_after_open(void **state)
{
	pid_t pid = start();
	struct process_stat stat;
	struct process p;

	assert_int_equal(process_open(pid, &p), 0);
	end(pid);
	start_as(pid);
	assert_true(process_ended(&p, 0));
	assert_int_equal(process_stat(&p, &stat), -ESRCH);
	assert_true(process_open_exe(&p) < 0);
	assert_int_equal(syscall(SYS_pidfd_send_signal, p.pidfd, SIGKILL, NULL, 0), -1);
	assert_true(alive(pid));
	process_close(&p);
	end(pid);
}

static void test_zombie(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	kill(pid, SIGKILL);
	waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	assert_int_equal(run(&o), WIRE_NO_TARGET);
	end(pid);
}

static void test_deleted_exe(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);

	unlink(exe);
	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
	rmdir(folder);
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	setup(NULL);
}

static void test_memfd_exe(void **state)
{
	int fd = memfd_create("payload", MFD_CLOEXEC);
	struct record_order o;
	pid_t pid;

	copy_sleep(fd);
	pid = start_fd(fd, 0);
	close(fd);
	assert_true(pid > 0);
	o = order_for(pid);
	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/* Malware may end its first thread: /proc/PID/exe is gone, it is not. */
static void test_first_thread_ended(void **state)
{
	struct record_order o;
	pid_t pid = child_fork();
	char path[64], line[64] = "";

	if (pid == 0) {
		pthread_t thread;

		pthread_create(&thread, NULL, wait_for_ever, NULL);
		syscall(SYS_exit, 0);
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	while (readlink(path, line, sizeof(line)) > 0)
		usleep(1000);
	o = (struct record_order){ .verb = WIRE_VERB_KILL, .order = 1, .pid = pid, .file.nranges = 1 };
	o.start_ns = ticks_of(pid) * 10000000;
	o.file.range[0].pages = pages_of("/proc/self/exe");
	hash_ranges(&o, "/proc/self/exe");
	assert_int_equal(run(&o), WIRE_DONE);
	assert_killed(pid);
}

/* Root without its right to pass over modes: as before another user's FUSE mount. */
static void become_denied(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		_exit(99);
	data[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
	if (syscall(SYS_capset, &header, data))
		_exit(99);
}

static struct record_result run_denied(const struct record_order *o)
{
	struct record_result result = { 0 };
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = child_fork();
	if (!pid) {
		become_denied();
		kill_verb(o, getpid(), &result);
		_exit(write(fds[1], &result, sizeof(result)) != sizeof(result));
	}
	assert_int_equal(read(fds[0], &result, sizeof(result)), sizeof(result));
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
	print_message("  %u: %s\n", result.status, result.detail);
	return result;
}

/* What may not be read cannot be compared: pid and start decide. */
static void test_exe_that_denies_reading(void **state)
{
	struct record_result result;
	struct record_order o;
	pid_t pid;

	if (geteuid()) {
		print_message("skipped: needs root\n");
		skip();
	}
	pid = start();
	o = order_for(pid);
	assert_int_equal(chmod(exe, 0111), 0);
	o.start_ns += 10000000;
	assert_int_equal(run_denied(&o).status, WIRE_MISMATCH);
	assert_true(alive(pid));
	o.start_ns -= 10000000;
	result = run_denied(&o);
	assert_int_equal(chmod(exe, 0755), 0);
	assert_int_equal(result.status, WIRE_DONE);
	assert_non_null(strstr(result.detail, "not compared"));
	assert_killed(pid);
}

static void test_stat_line(void **state)
{
	struct process_stat stat;

	assert_true(process_parse_stat("7 (a) R 9 (b) S 1 7 7 0 -1 4194560 1 0 0 0 2 3 0 0 20 0 1 0 "
				       "123456 99 1\n", &stat));
	assert_int_equal(stat.start_ticks, 123456);
	assert_false(stat.kernel_thread);
	assert_true(process_parse_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 2",
				       &stat));
	assert_true(stat.kernel_thread);
	assert_false(process_parse_stat("7 (a) S 1 7 7", &stat));
	assert_false(process_parse_stat("", &stat));
	assert_false(process_parse_stat("7 (a)", &stat));
	assert_false(process_parse_stat("7 (a) S 1 x 7 0 -1 1 1 0 0 0 2 3 0 0 20 0 1 0 5", &stat));
	assert_int_equal(kill_start_ticks(9999999), 0);
	assert_int_equal(kill_start_ticks(10000000), 1);
}

/* Through the table of verbs: begin, wait, answer. */
static struct record_result through_verbs(const struct record_order *o, uint64_t later)
{
	struct record_result result;

	if (!verbs_begin(o, clock_ms(), &result)) {
		struct pollfd fds[VERBS_WORKERS];
		int timeout, n = verbs_poll(fds, clock_ms(), &timeout);

		assert_int_equal(n, 1);
		assert_in_range(timeout, 1, VERBS_MS);
		if (!later)
			poll(fds, n, timeout);
		assert_true(verbs_next(clock_ms() + later, &result));
	}
	assert_int_equal(result.order, o->order);
	assert_memory_equal(result.nonce, o->nonce, WIRE_NONCE);
	print_message("  %u: %s\n", result.status, result.detail);
	return result;
}

static void test_verbs(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);
	struct record_result result;

	assert_int_equal(verbs_capabilities(), 1 << WIRE_VERB_KILL | 1 << WIRE_VERB_QUARANTINE |
			 1 << WIRE_VERB_RESTORE);
	for (o.verb = 0; o.verb < 70; o.verb++) {
		if (o.verb >= WIRE_VERB_KILL && o.verb <= WIRE_VERB_RESTORE)
			continue;
		assert_true(verbs_begin(&o, clock_ms(), &result));
		assert_int_equal(result.status, WIRE_NOT_ALLOWED);
	}
	assert_true(alive(pid));
	o.verb = WIRE_VERB_KILL;
	assert_int_equal(through_verbs(&o, 0).status, WIRE_DONE);
	assert_killed(pid);
}

static void test_order_comes_again(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);
	struct record_result first, again;

	o.nonce[0] = 1;
	first = through_verbs(&o, 0);
	assert_int_equal(first.status, WIRE_DONE);
	assert_killed(pid);
	o.nonce[0] = 2;
	assert_true(verbs_begin(&o, clock_ms(), &again));	/* from memory */
	assert_string_equal(first.detail, again.detail);
	assert_int_equal(again.nonce[0], 2);
	/* the same id for another target is another order */
	o.pid = pid = start();
	o.start_ns = ticks_of(pid) * 10000000;
	assert_int_equal(through_verbs(&o, 0).status, WIRE_DONE);
	assert_killed(pid);
}

/* The session ends while the order runs: silence, unless it comes again. */
static void test_orphans(void **state)
{
	pid_t pid = start();
	struct record_order o = order_for(pid);
	struct record_result result;

	assert_false(verbs_begin(&o, clock_ms(), &result));
	verbs_orphan();
	waitid(P_PID, pid, NULL, WEXITED | WNOWAIT);
	o.nonce[0] = 3;
	if (!verbs_begin(&o, clock_ms(), &result)) {
		usleep(200000);
		assert_true(verbs_next(clock_ms(), &result));
	}
	assert_int_equal(result.status, WIRE_DONE);
	assert_int_equal(result.nonce[0], 3);
	assert_killed(pid);

	o = order_for(pid = start());
	assert_false(verbs_begin(&o, clock_ms(), &result));
	verbs_orphan();
	usleep(200000);
	assert_false(verbs_next(clock_ms(), &result));
	assert_killed(pid);
}

/* An executable that cannot be read in time: a failure, and nobody is killed. */
static void test_time_limit(void **state)
{
	int fd = memfd_create("huge", MFD_CLOEXEC);
	struct record_order o;
	uint64_t begin;
	pid_t pid;

	copy_sleep(fd);
	assert_int_equal(ftruncate(fd, 1ull << 40), 0);
	pid = start_fd(fd, 0);
	close(fd);
	assert_true(pid > 0);
	o = (struct record_order){ .verb = WIRE_VERB_KILL, .order = 5, .pid = pid, .file.nranges = 1 };
	o.start_ns = ticks_of(pid) * 10000000;
	o.file.range[0].pages = (1ull << 40) / WIRE_PAGE;
	begin = clock_ms();
	assert_int_equal(through_verbs(&o, VERBS_MS + 1).status, WIRE_FAILED);
	assert_in_range(clock_ms() - begin, 0, 1000);
	assert_true(alive(pid));
	end(pid);
}

static void test_too_many(void **state)
{
	int fd = memfd_create("huge", MFD_CLOEXEC);
	struct record_order o = { .verb = WIRE_VERB_KILL, .file.nranges = 1 };
	struct record_result result;
	pid_t pid;

	copy_sleep(fd);
	assert_int_equal(ftruncate(fd, 1ull << 40), 0);
	pid = start_fd(fd, 0);
	close(fd);
	o.pid = pid;
	o.start_ns = ticks_of(pid) * 10000000;
	o.file.range[0].pages = (1ull << 40) / WIRE_PAGE;
	usleep(100000);		/* the last test's worker */
	verbs_next(clock_ms(), &result);
	for (int i = 0; i < VERBS_WORKERS; i++) {
		o.order = 100 + i;
		assert_false(verbs_begin(&o, clock_ms(), &result));
	}
	o.order = 200;
	assert_true(verbs_begin(&o, clock_ms(), &result));
	assert_int_equal(result.status, WIRE_FAILED);
	for (int i = 0; i < VERBS_WORKERS; i++)
		assert_true(verbs_next(clock_ms() + VERBS_MS + 1, &result));
	assert_false(verbs_next(clock_ms() + VERBS_MS + 1, &result));
	assert_true(alive(pid));
	end(pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_one_dies),
		cmocka_unit_test(test_some_ranges),
		cmocka_unit_test(test_ranges_beyond_the_file),
		cmocka_unit_test(test_empty_range_proves_nothing),
		cmocka_unit_test(test_wrong_start),
		cmocka_unit_test(test_wrong_hash),
		cmocka_unit_test(test_no_ranges),
		cmocka_unit_test(test_never),
		cmocka_unit_test(test_kernel_thread),
		cmocka_unit_test(test_reused_pid),
		cmocka_unit_test(test_reused_after_open),
		cmocka_unit_test(test_zombie),
		cmocka_unit_test(test_deleted_exe),
		cmocka_unit_test(test_memfd_exe),
		cmocka_unit_test(test_first_thread_ended),
		cmocka_unit_test(test_exe_that_denies_reading),
		cmocka_unit_test(test_stat_line),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_order_comes_again),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_time_limit),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

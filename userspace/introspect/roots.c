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
#define MAX_TABLES (1u << 18)		/* of theirs and ours that one look may read, */
#define USER_TABLES (1u << 13)		/* and of one user */
#define ATTEMPTS 3
#define NOT_COMPARED (1ull << 5 | 1ull << 6)	/* accessed and dirty are the CPU's */

struct scan {
	const struct kernel *k;
	struct addresses *differ;
	uint64_t ours[HALF];
	uint64_t users[HALF];		/* with KPTI: what all user's tables begin with, */
	bool kpti, known;		/* and known: these were compared */
	struct leaf_bounds bounds;	/* of the user at hand */
	uint32_t left;			/* tables, of all */
	int error;			/* of the first that could not be told */
};

static void note_error(struct scan *s, int error)
{
	s->error = s->error ? s->error : error;
}

/* What cannot be read hides nothing that lies behind it. */
static bool goes_on(struct scan *s, int error)
{
	if (error != -ENODATA && error != -ENXIO && error != -EFAULT)
		return false;
	note_error(s, error);
	return true;
}

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
	for (uint32_t i = 0; !r && i < PTE_ENTRIES; i++) {
		if (!(t[i] & PTE_PRESENT) || (same_entry(t[i], o[i]) && (theirs->nx || !ours->nx)))
			continue;
		r = compare_entries(c, theirs, t[i], ours, o[i], level,
				    va + ((uint64_t)i << pte_shift(level)));
		r = goes_on(c->s, r) ? 0 : r;
	}
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
		}
		r = r == 1 || goes_on(s, r) ? 0 : r;
	}
	return r;
}

/* Whose tables these are, and by which they go now; -ESRCH: there is none any more. */
struct user {
	int (*root)(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root);
	uint64_t of, add;
	bool vcpu;
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
static int look_at_user(struct scan *s, const struct user *u, struct differences *d)
{
	int r = -ESRCH;

	for (int i = 0; i < ATTEMPTS; i++) {
		uint64_t root;

		if (i)
			memory_refresh(s->k->mem);
		r = u->root(s->k, u, i, &root);
		if (r == -ESRCH || (!r && root == s->k->as.root)) {
			d->any = false;
			return 0;
		}
		if (!r)
			r = compare_root(s, root, d);
		if (!r && !d->any)
			break;
	}
	return r;
}

/* One that makes much work is not to keep us from the others. */
static int take_user(struct scan *s, const struct user *u)
{
	struct differences d = { .any = false };
	const uint32_t room = MIN(USER_TABLES, s->left);
	int r;

	s->bounds = (struct leaf_bounds){ .tables = room };
	r = look_at_user(s, u, &d);
	s->left -= room - s->bounds.tables;
	if (r == -ETIME || r == -ENODEV || !s->left)
		return r ? r : -E2BIG;
	/* As long as it is where a kernel before has left it, that may be what it has. */
	if ((d.any || r) && u->vcpu && vcpu_is_left(s->k->mem, u->of, s->k->found_ns)) {
		note_error(s, -ESTALE);
		return 0;
	}
	if (d.any)
		add_differences(s, u, &d);
	if (r)
		note_error(s, r);
	return 0;
}

/* ---- all that are in use ---- */

static int vcpu_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	struct kvm_warden_regs regs = { 0 };
	int r = fresh ? memory_registers_fresh(k->mem, u->of, &regs) :
			memory_registers(k->mem, u->of, &regs);

	*ret_root = regs.cr3 & PTE_ADDRESS;
	return r || (regs.flags & KVM_WARDEN_REGS_GUEST_MODE) ? -ESRCH : 0;
}

/* In its user's mode: its tables lie behind others that have the kernel's image, which they lack. */
static bool has_users(const struct scan *s, uint64_t root)
{
	const uint64_t image = sizeof(uint64_t) * (2 * HALF - 1);
	uint64_t own, before;

	return (root & KPTI_USER_BIT) && !memory_read(s->k->mem, root + image, &own, sizeof(own)) &&
	       !memory_read(s->k->mem, (root & ~KPTI_USER_BIT) + image, &before, sizeof(before)) &&
	       same_entry(before, s->ours[HALF - 1]) && !same_entry(own, before);
}

static int on_vcpu(void *ctx, const struct kvm_warden_regs *regs)
{
	struct user u = { .root = vcpu_root, .of = regs->vcpu, .vcpu = true };
	struct scan *s = ctx;

	snprintf(u.name, sizeof(u.name), "vCPU %u", regs->vcpu);
	/* The kernel's own should have said so. */
	if (!s->kpti && has_users(s, regs->cr3 & PTE_ADDRESS)) {
		s->kpti = true;
		note_error(s, -ELOOP);
	}
	return take_user(s, &u);
}

/*
 * Not by what it says of itself: whose memory it uses alone, and the frame that the CPU
 * is given (__pa() is arithmetic), wherever the kernel's tables have that page.
 */
static int task_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	uint64_t mm, pgd = 0;

	if (kernel_member(k, u->of, k->at.task_struct_mm, &mm))
		return -ELOOP;
	if (!mm)
		return -ESRCH;
	if (kernel_member(k, mm, k->at.mm_struct_pgd, &pgd) || pgd < k->page_offset ||
	    pgd - k->page_offset >= memory_end(k->mem))
		return -ELOOP;
	*ret_root = ((pgd - k->page_offset) & PTE_ADDRESS) | u->add;
	return 0;
}

static int take_task(struct scan *s, uint64_t va, uint64_t pid)
{
	struct user u = { .root = task_root, .of = va };
	int r;

	snprintf(u.name, sizeof(u.name), "process %u", (uint32_t)pid);
	r = take_user(s, &u);
	if (r || !s->kpti)
		return r;
	u.add = KPTI_USER_BIT;
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
	/* The first has ended, and has none any more. */
	if (!t->mm)
		t->mm = mm;
	return take_task(t->s, va, t->pid);
}

/* A thread has the memory of its process, unless somebody has seen to that. */
static int take_process(struct scan *s, uint64_t va)
{
	const struct layout *at = &s->k->at;
	struct threads t = { .s = s };
	uint64_t signal, mm;
	int r;

	if (kernel_member(s->k, va, at->task_struct_pid, &t.pid) ||
	    kernel_member(s->k, va, at->task_struct_mm, &t.mm) ||
	    kernel_member(s->k, va, at->task_struct_signal, &signal)) {
		note_error(s, -ELOOP);
		return 0;
	}
	r = take_task(s, va, t.pid);
	if (!r && signal)
		r = threads_walk(s->k, signal, on_thread, &t);
	if (r != -ELOOP && r != -EFAULT)
		return r;
	/* One that ends breaks its list. */
	if (!kernel_member(s->k, va, at->task_struct_mm, &mm) && mm == t.mm)
		note_error(s, r);
	return 0;
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

/* With KPTI behind the kernel's own, at an even frame, are those for a user's mode. */
static int read_ours(struct scan *s)
{
	const uint64_t at = s->k->as.root + sizeof(s->ours);
	int r = memory_read(s->k->mem, at, s->ours, sizeof(s->ours));

	if (!r && !(s->k->as.root & KPTI_USER_BIT) &&
	    !memory_read(s->k->mem, at | KPTI_USER_BIT, s->users, sizeof(s->users)))
		for (uint32_t i = 0; i < HALF; i++)
			s->kpti = s->kpti || (s->users[i] & PTE_PRESENT);
	return r;
}

static int init_root(const struct kernel *k, const struct user *u, bool fresh, uint64_t *ret_root)
{
	*ret_root = k->as.root | KPTI_USER_BIT;
	return 0;
}

int roots_read(const struct kernel *k, struct addresses *ret)
{
	const struct user init = { .root = init_root, .name = "init_mm" };
	struct scan s = { .k = k, .differ = ret, .left = MAX_TABLES };
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

// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/roots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/tasks.h"
#include "introspect/vcpus.h"
#include "lib/util.h"

#define HALF 256u			/* entries of a top table */
#define MAX_TABLES 65536u		/* of what one entry leads to */
#define ATTEMPTS 3
#define NOT_COMPARED (1ull << 5 | 1ull << 6)	/* accessed and dirty are the CPU's */

struct scan {
	const struct kernel *k;
	/* A difference; not 0: enough. */
	int (*fn)(void *ctx, const char *who, uint64_t va);
	void *ctx;
	uint64_t ours[HALF];
	int error;			/* of the first that could not be told */
};

/* ---- one leaf of theirs ---- */

struct comparison {
	const struct kernel *k;
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

/* Data that the kernel's own tables lack is nothing that is read by them. */
static int on_theirs(void *ctx, const struct mapping *theirs)
{
	struct comparison *c = ctx;
	const uint64_t end = theirs->va + theirs->size;
	int r;

	if (c->ldt && theirs->nx)
		return 0;
	c->theirs = theirs;
	c->same = 0;
	r = page_leaves(&c->k->as, theirs->va, end ? end : UINT64_MAX, MAX_TABLES, on_ours, c);
	if (r || theirs->nx || c->same == theirs->size)
		return r;
	c->differs = theirs->va;
	return 1;
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

/* 1: it differs, at c->differs; 0, or -errno. */
static int compare_root(const struct scan *s, uint64_t root, struct comparison *c)
{
	const struct address_space as = { .mem = s->k->mem, .root = root, .levels = s->k->as.levels };
	uint64_t theirs[HALF];
	int r = memory_read(as.mem, root + sizeof(theirs), theirs, sizeof(theirs));

	for (uint32_t i = 0; !r && i < HALF; i++) {
		const uint64_t lo = entry_va(s->k, i), end = entry_va(s->k, i + 1);

		if (!(theirs[i] & PTE_PRESENT) || !((theirs[i] ^ s->ours[i]) & ~NOT_COMPARED))
			continue;
		c->ldt = is_ldt(s->k, i);
		r = page_leaves(&as, lo, end ? end : UINT64_MAX, MAX_TABLES, on_theirs, c);
	}
	return r;
}

/* Whose tables these are, and by which they go now; false: there is none any more. */
struct user {
	bool (*root)(const struct kernel *k, uint64_t of, bool again, uint64_t *ret_root);
	uint64_t of;
	char name[32];
};

/* Who ended since has left his tables to be another's memory: as they are now. */
static int take_user(struct scan *s, const struct user *u)
{
	struct comparison c = { .k = s->k };
	uint64_t root;
	int r = 1;

	for (int i = 0; r == 1 && i < ATTEMPTS; i++) {
		if (i)
			memory_refresh(s->k->mem);
		if (!u->root(s->k, u->of, i, &root))
			return 0;
		r = root == s->k->as.root ? 0 : compare_root(s, root, &c);
	}
	if (r == 1)
		return s->fn(s->ctx, u->name, c.differs);
	if (r == -ETIME || r == -ENODEV)
		return r;
	s->error = s->error ? s->error : r;
	return 0;
}

/* ---- all that are in use ---- */

static bool vcpu_root(const struct kernel *k, uint64_t vcpu, bool again, uint64_t *ret_root)
{
	struct kvm_warden_regs regs = { 0 };
	int r = again ? memory_registers_fresh(k->mem, vcpu, &regs) :
			memory_registers(k->mem, vcpu, &regs);

	*ret_root = regs.cr3 & PTE_ADDRESS;
	return !r && *ret_root && !(regs.flags & KVM_WARDEN_REGS_GUEST_MODE);
}

static int on_vcpu(void *ctx, const struct kvm_warden_regs *regs)
{
	struct user u = { .root = vcpu_root, .of = regs->vcpu };

	snprintf(u.name, sizeof(u.name), "vCPU %u", regs->vcpu);
	return take_user(ctx, &u);
}

static bool task_root(const struct kernel *k, uint64_t va, bool again, uint64_t *ret_root)
{
	struct task t;

	if (task_read(k, va, &t))
		return false;
	*ret_root = t.pgd & PTE_ADDRESS;
	return *ret_root;
}

static int scan_processes(struct scan *s)
{
	struct task_list list;
	int r = task_list_read(s->k, &list);

	for (uint32_t i = 0; !r && i < list.n; i++) {
		struct user u = { .root = task_root, .of = list.va[i] };
		uint64_t pid = 0;

		kernel_member(s->k, list.va[i], s->k->at.task_struct_pid, &pid);
		snprintf(u.name, sizeof(u.name), "process %u", (uint32_t)pid);
		r = take_user(s, &u);
	}
	task_list_free(&list);
	return r;
}

static int scan(struct scan *s)
{
	struct vcpus vcpus;
	int r = memory_read(s->k->mem, s->k->as.root + sizeof(s->ours), s->ours, sizeof(s->ours));

	if (!r)
		r = vcpus_walk(s->k->mem, on_vcpu, s, &vcpus);
	return r ? r : scan_processes(s);
}

static int add(void *ctx, const char *who, uint64_t va)
{
	addresses_add(ctx, va);
	return 0;
}

int roots_read(const struct kernel *k, struct addresses *ret)
{
	struct scan s = { .k = k, .fn = add, .ctx = ret };
	int r;

	ret->n = 0;
	r = scan(&s);
	return r ? r : s.error;
}

struct description {
	uint64_t va;
	char *out;
	size_t size;
};

static int describe(void *ctx, const char *who, uint64_t va)
{
	struct description *d = ctx;

	if (va != d->va)
		return 0;
	snprintf(d->out, d->size, "%s", who);
	return 1;
}

void roots_describe(const struct kernel *k, uint64_t va, char *out, size_t size)
{
	struct description d = { va, out, size };
	struct scan s = { .k = k, .fn = describe, .ctx = &d };

	snprintf(out, size, "nobody any more");
	scan(&s);
}

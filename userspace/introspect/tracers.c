// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list says which function each tracer has; what is called says the code: a
 * trampoline keeps calling whom it was made for, whatever its tracer says later.
 */
#include "introspect/tracers.h"

#include <errno.h>
#include <string.h>

#include "introspect/lists.h"
#include "lib/util.h"

#define MAX_OPS 16384u
#define MAX_HEAD 512u			/* bytes of a trampoline before its call */
#define MAX_REWRITTEN 8u		/* of them: where its tracer's address lies */
#define PATCH 5u

#define CALL 0xe8
#define INT3 0xcc

static bool has(const struct tracers *t, uint64_t to)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->to[i] == to)
			return true;
	return false;
}

/* Who has more than there is room for is found by those that there is room for. */
static void add(const struct kernel *k, struct tracers *t, uint64_t to)
{
	if (!kernel_text(k, to) && !has(t, to) && t->n < MAX_TRACERS)
		t->to[t->n++] = to;
}

void tracers_keep_common(struct tracers *t, const struct tracers *now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		if (has(now, t->to[i]))
			t->to[n++] = t->to[i];
	t->n = n;
}

/* What is no call there is somebody's own code, which is judged by where it lies. */
static int add_called(const struct kernel *k, struct tracers *t, uint64_t site)
{
	uint8_t code[PATCH];
	int32_t offset;

	if (virt_read(&k->as, site, code, sizeof(code)) || code[0] == INT3)
		return -ELOOP;
	memcpy(&offset, code + 1, sizeof(offset));
	add(k, t, code[0] == CALL ? site + PATCH + (int64_t)offset : site);
	return 0;
}

/* The two pieces of the kernel's text that trampolines are copies of, and their calls. */
static const struct {
	enum kernel_symbol start, call;
} pieces[] = {
	{ SYM_FTRACE_CALLER, SYM_FTRACE_CALL }, { SYM_FTRACE_REGS_CALLER, SYM_FTRACE_REGS_CALL },
};

/* Bytes before its call; 0: this kernel has no such piece that is known. */
static uint32_t head_of(const struct kernel *k, size_t piece)
{
	uint64_t start = k->symbol[pieces[piece].start].address;
	uint64_t call = k->symbol[pieces[piece].call].address;

	return start && call > start && call - start <= MAX_HEAD ? call - start : 0;
}

int tracers_piece(const struct kernel *k, enum kernel_symbol piece, const uint8_t *code,
		  uint32_t size, uint32_t rewritten)
{
	uint8_t original[MAX_TRAMPOLINE];
	uint32_t others = 0;

	if (!k->symbol[piece].address || virt_read(&k->as, k->symbol[piece].address, original, size))
		return -EFAULT;
	for (uint32_t i = 0; i < size; i++)
		others += code[i] != original[i];
	return others <= rewritten;
}

/* One that is a copy of neither piece is none: it counts as what is called. */
static int add_trampoline(const struct kernel *k, struct tracers *t, uint64_t trampoline)
{
	uint8_t code[MAX_HEAD];
	uint32_t known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		uint32_t head = head_of(k, i);
		int r;

		if (!head)
			continue;
		if (virt_read(&k->as, trampoline, code, head))
			return -ELOOP;
		r = tracers_piece(k, pieces[i].start, code, head, MAX_REWRITTEN);
		if (r)
			return r < 0 ? -ELOOP : add_called(k, t, trampoline + head);
		known++;
	}
	if (known == ARRAY_SIZE(pieces))
		add(k, t, trampoline);
	return 0;
}

static int add_ops(const struct kernel *k, struct tracers *t, uint64_t ops)
{
	const struct layout *at = &k->at;
	uint64_t func, trampoline = 0;
	int r = kernel_member(k, ops, at->ftrace_ops_func, &func);

	if (!r)
		add(k, t, func);
	if (!r && at->ftrace_ops_trampoline.size)
		r = kernel_member(k, ops, at->ftrace_ops_trampoline, &trampoline);
	/* What lies in the kernel's text are the pieces themselves. */
	if (!r && trampoline && !kernel_text(k, trampoline))
		r = add_trampoline(k, t, trampoline);
	return r;
}

int tracers_read(const struct kernel *k, struct tracers *ret)
{
	const struct layout *at = &k->at;
	const uint64_t end = k->symbol[SYM_FTRACE_END].address;
	uint64_t ops;
	int r, first = 0;

	ret->n = 0;
	if (!k->symbol[SYM_FTRACE_OPS].address || !end || !at->ftrace_ops_func.size ||
	    !at->ftrace_ops_next.size)
		return -ENOENT;
	r = virt_read_u64(&k->as, k->symbol[SYM_FTRACE_OPS].address, &ops);
	for (uint32_t i = 0; !r && ops && ops != end; i++) {
		int error = i == MAX_OPS ? -E2BIG : add_ops(k, ret, ops);

		first = first ? first : error;
		r = error == -E2BIG ? error : kernel_member(k, ops, at->ftrace_ops_next, &ops);
	}
	for (size_t i = 0; !r && i < ARRAY_SIZE(pieces); i++) {
		int error = head_of(k, i) ? add_called(k, ret, k->symbol[pieces[i].call].address) : 0;

		first = first ? first : error;
	}
	return r ? r : first;
}

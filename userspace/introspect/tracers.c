// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list says which function each tracer has; what is called says the code: a
 * trampoline keeps calling whom it was made for, whatever its tracer says later.
 */
#include "introspect/tracers.h"

#include <errno.h>

#include "introspect/trampoline.h"
#include "lib/util.h"

#define MAX_OPS 16384u

void tracers_add(const struct kernel *k, struct addresses *t, uint64_t to)
{
	if (!kernel_text(k, to))
		addresses_add(t, to, "");
}

/* One that is none by its code counts as what is called. */
static int add_trampoline(const struct kernel *k, struct addresses *t, uint64_t va, uint64_t size)
{
	uint8_t code[MAX_TRAMPOLINE];
	uint64_t called = va;
	int r = size <= sizeof(code) ? 0 : -EPROTO;

	if (!r && virt_read(&k->as, va, code, size))
		return -ELOOP;
	if (!r)
		r = trampoline_calls(k, va, code, size, &called);
	if (!r || r == -EPROTO)
		tracers_add(k, t, called);
	return r == -EPROTO ? 0 : r;
}

/* The kernel's own pieces call whom the one tracer there is has. */
static int add_called(const struct kernel *k, struct addresses *t, uint64_t site)
{
	uint8_t code[PATCHED_CALL];
	uint64_t called;
	int r;

	if (!site)
		return 0;
	r = virt_read(&k->as, site, code, sizeof(code)) ? -ELOOP : trampoline_target(site, code, &called);
	if (!r)
		tracers_add(k, t, called);
	return r;
}

int tracers_add_handlers(const struct kernel *k, struct addresses *t, uint64_t base,
			 const struct field *handler, size_t n)
{
	uint64_t to;
	int r = 0;

	for (size_t i = 0; !r && i < n; i++) {
		if (!handler[i].size)
			continue;
		r = kernel_member(k, base, handler[i], &to);
		if (!r && to)
			tracers_add(k, t, to);
	}
	return r;
}

/* A fprobe's own handlers are behind one function of the kernel's. */
static bool is_fprobe(const struct kernel *k, uint64_t func)
{
	static const enum kernel_symbol handlers[] = { SYM_FPROBE_HANDLER, SYM_FPROBE_KPROBE_HANDLER };

	for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
		if (func && func == k->symbol[handlers[i]].address)
			return k->at.fprobe_ops.size && k->at.fprobe_entry_handler.size &&
			       k->at.fprobe_exit_handler.size;
	return false;
}

static int add_ops(const struct kernel *k, struct addresses *t, uint64_t ops)
{
	const struct layout *at = &k->at;
	const struct field fprobe[] = { at->fprobe_entry_handler, at->fprobe_exit_handler };
	uint64_t func, trampoline = 0, size = 0;
	int r = kernel_member(k, ops, at->ftrace_ops_func, &func);

	if (!r)
		tracers_add(k, t, func);
	if (!r && is_fprobe(k, func))
		r = tracers_add_handlers(k, t, ops - at->fprobe_ops.at, fprobe, ARRAY_SIZE(fprobe));
	if (!at->ftrace_ops_trampoline.size || !at->ftrace_ops_trampoline_size.size)
		return r;
	if (!r)
		r = kernel_member(k, ops, at->ftrace_ops_trampoline, &trampoline);
	if (!r)
		r = kernel_member(k, ops, at->ftrace_ops_trampoline_size, &size);
	/* What lies in the kernel's text are the pieces themselves. */
	if (!r && trampoline && !kernel_text(k, trampoline))
		r = add_trampoline(k, t, trampoline, size);
	return r;
}

int tracers_walk(const struct kernel *k, list_fn fn, void *ctx)
{
	const uint64_t end = k->symbol[SYM_FTRACE_END].address;
	uint64_t ops;
	int r;

	if (!k->symbol[SYM_FTRACE_OPS].address || !end || !k->at.ftrace_ops_next.size)
		return -ENOENT;
	r = virt_read_u64(&k->as, k->symbol[SYM_FTRACE_OPS].address, &ops);
	for (uint32_t i = 0; !r && ops && ops != end; i++) {
		r = i == MAX_OPS ? -E2BIG : fn(ctx, ops);
		if (!r)
			r = kernel_member(k, ops, k->at.ftrace_ops_next, &ops);
	}
	return r;
}

struct reading {
	const struct kernel *k;
	struct addresses *called;
	int error;			/* the first of a tracer's, or of a piece's */
};

static int on_ops(void *ctx, uint64_t ops)
{
	struct reading *x = ctx;
	int r = add_ops(x->k, x->called, ops);

	x->error = x->error ? x->error : r;
	return 0;
}

int tracers_read(const struct kernel *k, struct addresses *ret)
{
	static const enum kernel_symbol calls[] = { SYM_FTRACE_CALL, SYM_FTRACE_REGS_CALL };
	struct reading x = { k, ret, 0 };
	int r = k->at.ftrace_ops_func.size ? 0 : -ENOENT;

	ret->n = 0;
	if (!r)
		r = tracers_walk(k, on_ops, &x);
	for (size_t i = 0; !r && i < ARRAY_SIZE(calls); i++) {
		int error = add_called(k, ret, k->symbol[calls[i]].address);

		x.error = x.error ? x.error : error;
	}
	return r ? r : x.error;
}

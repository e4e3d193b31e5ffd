// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/trampoline.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define CALL 0xe8
#define JMP 0xe9
#define JNE8 0x75
#define RET 0xc3
#define INT3 0xcc
#define MAX_RETURN 5u			/* bytes: a jump to the kernel's return thunk */
#define POINTER 8u

/* A piece as it is in the kernel's text, and what was made of it. */
struct copy {
	const struct kernel *k;
	const uint8_t *code;
	uint64_t va, piece_va;
	uint32_t length, call, size;	/* call: offset of it */
	bool regs;
	uint8_t piece[MAX_TRAMPOLINE];
};

static uint32_t word(const uint8_t *bytes)
{
	uint32_t w;

	memcpy(&w, bytes, sizeof(w));
	return w;
}

int trampoline_target(uint64_t va, const uint8_t *code, uint64_t *ret_called)
{
	if (code[0] == INT3)
		return -ELOOP;
	*ret_called = code[0] == CALL ? va + PATCHED_CALL + (int64_t)(int32_t)word(code + 1) : va;
	return 0;
}

/* Four bytes that lead where the piece's lead, from another place. */
static bool is_moved(const struct copy *c, uint32_t at)
{
	return word(c->code + at) - word(c->piece + at) == (uint32_t)(c->piece_va - c->va);
}

/* "mov offset(%rip), %rdx", of the pointer behind the code. */
static bool is_pointer_load(const struct copy *c, uint32_t at)
{
	static const uint8_t load[] = { 0x48, 0x8b, 0x15 };

	return at >= sizeof(load) && !memcmp(c->piece + at - sizeof(load), load, sizeof(load)) &&
	       !memcmp(c->code + at - sizeof(load), load, sizeof(load)) &&
	       at + 4 + word(c->code + at) == c->size - POINTER;
}

/* The way to a direct call, which no trampoline has. */
static bool is_way_closed(const struct copy *c, uint32_t at)
{
	static const uint8_t nop2[] = { 0x66, 0x90 };

	return c->regs && c->piece[at] == JNE8 && at + sizeof(nop2) <= c->length &&
	       !memcmp(c->code + at, nop2, sizeof(nop2));
}

/* Bytes that were made anew from there on, or 0: there is another byte. */
static uint32_t made_anew(const struct copy *c, uint32_t at)
{
	if (at == c->call)
		return PATCHED_CALL;
	if (is_way_closed(c, at))
		return 2;
	/* The first bytes of a word may be the same by chance. */
	for (uint32_t back = 0; back < 4 && back <= at; back++)
		if (at - back + 4 <= c->length &&
		    (is_moved(c, at - back) || is_pointer_load(c, at - back)))
			return 4 - back;
	return 0;
}

/* In old kernels (5.10) the thunk lies behind the text. */
static bool returns(const struct copy *c)
{
	const uint8_t *ret = c->code + c->length;
	const uint32_t room = c->size - POINTER - c->length;
	uint64_t to;

	if (ret[0] != JMP || room != MAX_RETURN)
		return ret[0] == RET;
	to = c->va + c->length + MAX_RETURN + (int64_t)(int32_t)word(ret + 1);
	return kernel_text(c->k, to) || to == c->k->symbol[SYM_RETURN_THUNK].address;
}

static bool is_copy(const struct copy *c)
{
	uint32_t n;

	if (c->size < c->length + POINTER + 1 || c->size > c->length + POINTER + MAX_RETURN)
		return false;
	for (uint32_t at = 0; at < c->length; at += n) {
		n = at != c->call && c->code[at] == c->piece[at] ? 1 : made_anew(c, at);
		if (!n)
			return false;
	}
	return returns(c);
}

static int read_piece(struct copy *c, bool regs)
{
	const struct symbol *s = c->k->symbol;
	uint64_t call = s[regs ? SYM_FTRACE_REGS_CALL : SYM_FTRACE_CALL].address;
	uint64_t end = s[regs ? SYM_FTRACE_REGS_CALLER_END : SYM_FTRACE_CALLER_END].address;

	c->regs = regs;
	c->piece_va = s[regs ? SYM_FTRACE_REGS_CALLER : SYM_FTRACE_CALLER].address;
	if (!c->piece_va || call <= c->piece_va || end < call + PATCHED_CALL ||
	    end - c->piece_va > sizeof(c->piece))
		return -ENOENT;
	c->length = end - c->piece_va;
	c->call = call - c->piece_va;
	return virt_read(&c->k->as, c->piece_va, c->piece, c->length) ? -EFAULT : 0;
}

int trampoline_calls(const struct kernel *k, uint64_t va, const uint8_t *code, uint32_t size,
		     uint64_t *ret_called)
{
	struct copy c = { .k = k, .code = code, .va = va, .size = size };

	for (int regs = 0; regs < 2; regs++) {
		int r = read_piece(&c, regs);

		if (r)
			return r;
		if (is_copy(&c))
			return trampoline_target(va + c.call, code + c.call, ret_called);
	}
	return -EPROTO;
}

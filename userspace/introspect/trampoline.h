/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that ftrace makes for one tracer: a copy of one of two pieces of the kernel's
 * text with a call of the tracer's function, then a return and a pointer to the tracer.
 */
#ifndef WARDEN_TRAMPOLINE_H
#define WARDEN_TRAMPOLINE_H

#include "introspect/kernel.h"

#define MAX_TRAMPOLINE 1024u
#define PATCHED_CALL 5u

/*
 * Whom the trampoline at va calls: code, of size bytes with the pointer.  All else in it
 * has to be what the kernel makes.  0, -EPROTO: it is not; -ELOOP: it is being patched;
 * -ENOENT: this kernel's pieces are not known; -EFAULT: they cannot be read.
 */
int trampoline_calls(const struct kernel *k, uint64_t va, const uint8_t *code, uint32_t size,
		     uint64_t *ret_called);

/*
 * Whom those PATCHED_CALL bytes at va call; va itself if they are no call: what stands
 * there is judged by where it lies.  0 or -ELOOP.
 */
int trampoline_target(uint64_t va, const uint8_t *code, uint64_t *ret_called);

#endif

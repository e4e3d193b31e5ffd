/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mappings of a process: maple tree from 6.1 on, a list before. */
#ifndef WARDEN_VMAS_H
#define WARDEN_VMAS_H

#include "introspect/kernel.h"

#define MAX_VMAS 65536u

#define VM_READ 0x1u
#define VM_WRITE 0x2u
#define VM_EXEC 0x4u
#define VM_SHARED 0x8u
#define VM_MAYSHARE 0x80u

struct vma {
	uint64_t va, start, end, flags, pgoff;
	uint64_t file;			/* struct file, or 0 */
	uint64_t ops, private_data;	/* 0 where the layout lacks them */
	uint64_t anon;			/* anon_vma: it has, or had, pages of its own */
};

/*
 * Calls fn for each mapping of mm in address order; fn returns 0 to go on.
 * -EPROTO: the structure does not hold together (a guest that runs, or lies);
 * -E2BIG: more than MAX_VMAS; else an errno of memory_read, or what fn returned.
 */
int vmas_walk(const struct kernel *k, uint64_t mm,
	      int (*fn)(void *ctx, const struct vma *vma), void *ctx);

#endif

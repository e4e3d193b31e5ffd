/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code of a process that is no program's file: what its mappings tell, gathered
 * while they are walked.  Engines that make code (JITs) are told apart by files of
 * root's that the process runs, so that they are no news.
 */
#ifndef WARDEN_SUSPICIOUS_H
#define WARDEN_SUSPICIOUS_H

#include "introspect/files.h"
#include "introspect/preload.h"
#include "introspect/tasks.h"
#include "introspect/vmas.h"
#include "lib/messages.h"

enum code_sign {
	CODE_RWX,		/* writable and executable at once */
	CODE_ANON,		/* of no file */
	CODE_MEMFD,
	CODE_DELETED,		/* the program itself, and nothing has its name now */
	CODE_TMPFS,		/* the program itself, in a place that anybody writes to */
	CODE_OVERLAY,		/* the program itself, written since its container's image */
	CODE_PATCHED,		/* pages of a file that are not as the file has them */
	CODE_VDSO,		/* the kernel's own page, and not as the kernel has it */
	CODE_SIGNS,
};

struct code_signs {
	const struct kernel *k;
	const struct task *t;
	uint64_t start_code;		/* as the process says: it may move it */
	struct guest_file exe;		/* its program */
	bool has_exe;			/* it is known */
	uint64_t program;		/* the inode with its pages, 0 if that is not known */
	bool stacked;			/* on a file system over another, which has the pages */
	uint32_t unread;		/* things that could not be looked at */
	uint32_t walks;			/* for tracers' code */
	struct {
		uint32_t n;
		uint64_t first, bytes;
		char path[TEXT_WHY];
	} of[CODE_SIGNS];
	char jit[TEXT_NAME];		/* the engine's file; "": none */
	uint64_t jit_room;		/* so much code of no file is its own */
	bool is_hollow;			/* what lies where the program's code began */
	char instead[TEXT_WHY];
};

void code_signs_begin(struct code_signs *s, const struct kernel *k, const struct task *t);

/* An executable mapping.  f: its file, or NULL. */
void code_signs_vma(struct code_signs *s, const struct vma *v, const struct guest_file *f);

/*
 * Walks the mappings again, and keeps what is still so: a process in the middle of
 * an exec or its end shows what never was.
 */
void code_signs_confirm(struct code_signs *s);

/* asked: in this sweep.  0, or what fn returned. */
int code_signs_tell(struct code_signs *s, struct preload_roots *asked,
		    int (*fn)(void *ctx, const struct m_sign *sign), void *ctx);

#endif

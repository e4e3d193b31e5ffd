// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/mappings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/find.h"
#include "introspect/vmas.h"
#include "lib/util.h"

#define ATTEMPTS 3
#define DELETED " (deleted)"
#define SPECIAL_NAME 32
#define DEV_MINOR_BITS 20
#define ANON_INODE_MAGIC 0x09041934u

struct listing {
	struct introspector *in;
	const struct kernel *k;
	struct task task;
	struct vma *vma;		/* MAX_VMAS */
	uint32_t n;
	uint64_t start_brk, brk, start_stack;
	uint32_t unnamed;		/* files that could not be read */
};

/* ---- names ---- */

/* The kernel's own mappings carry theirs: [vdso], [vvar]. */
static bool special_name(const struct listing *l, const struct vma *v, char *out, size_t size)
{
	uint64_t vmops = l->k->symbol[SYM_SPECIAL_MAPPING].address, text;
	char name[SPECIAL_NAME];
	int len;

	if (!vmops || v->ops != vmops || !kernel_pointer(l->k, v->private_data) ||
	    !l->k->at.vm_special_mapping_name.size ||
	    kernel_member(l->k, v->private_data, l->k->at.vm_special_mapping_name, &text) ||
	    !kernel_pointer(l->k, text))
		return false;
	len = virt_read_text(&l->k->as, text, name, sizeof(name));
	if (len <= 0)
		return false;
	text_escape(out, size, name, len);
	return true;
}

static void name_memory(const struct listing *l, const struct vma *v, char *out, size_t size)
{
	if (special_name(l, v, out, size))
		return;
	if (v->start < l->brk && v->end > l->start_brk)
		snprintf(out, size, "[heap]");
	else if (v->start <= l->start_stack && v->end >= l->start_stack)
		snprintf(out, size, "[stack]");
}

static void name_file(const struct guest_file *f, char *out, size_t size)
{
	const char *path = f->path;

	/* Neither has a path: the kernel makes a name up, and calls one of them deleted. */
	if (f->magic == ANON_INODE_MAGIC) {
		snprintf(out, size, "anon_inode:");
		path += *path == '/';
	}
	text_escape(out + strlen(out), size - strlen(out) - strlen(DELETED), path, strlen(path));
	if ((f->deleted && f->magic != ANON_INODE_MAGIC) || f->memfd)
		strcat(out, DELETED);
}

/* ---- lines ---- */

static void describe_file(struct listing *l, const struct vma *v, struct m_vma *m)
{
	struct guest_file f;
	uint64_t inode;

	if (file_read_info(l->k, v->file, &f)) {
		l->unnamed++;
		return;
	}
	m->offset = v->pgoff * FRAME_SIZE;
	m->major = f.dev >> DEV_MINOR_BITS;
	m->minor = f.dev & ((1u << DEV_MINOR_BITS) - 1);
	m->inode = f.ino;
	/* Of a device, the pages are another inode's than the file's. */
	if (kernel_member(l->k, v->file, l->k->at.file_f_inode, &inode) ||
	    kernel_member(l->k, inode, l->k->at.inode_i_ino, &m->inode))
		l->unnamed++;
	name_file(&f, m->path, sizeof(m->path));
}

static void describe(struct listing *l, const struct vma *v, struct m_vma *ret)
{
	*ret = (struct m_vma){
		.start = v->start, .end = v->end,
		.flags = (v->flags & VM_READ ? VMA_READ : 0) |
			 (v->flags & VM_WRITE ? VMA_WRITE : 0) |
			 (v->flags & VM_EXEC ? VMA_EXEC : 0) |
			 (v->flags & VM_MAYSHARE ? VMA_SHARED : 0),
	};
	if (v->file)
		describe_file(l, v, ret);
	else
		name_memory(l, v, ret->path, sizeof(ret->path));
}

/* ---- the walk ---- */

static int remember(void *ctx, const struct vma *v)
{
	struct listing *l = ctx;

	l->vma[l->n++] = *v;
	return 0;
}

/* Where the layout lacks them there is no heap and no stack. */
static void read_marks(struct listing *l)
{
	const struct layout *at = &l->k->at;

	l->start_brk = l->brk = l->start_stack = 0;
	if (at->mm_struct_start_brk.size)
		kernel_member(l->k, l->task.mm, at->mm_struct_start_brk, &l->start_brk);
	if (at->mm_struct_brk.size)
		kernel_member(l->k, l->task.mm, at->mm_struct_brk, &l->brk);
	if (at->mm_struct_start_stack.size)
		kernel_member(l->k, l->task.mm, at->mm_struct_start_stack, &l->start_stack);
}

/* All mappings of one moment, as far as a running guest has such: none is told twice. */
static int collect(struct listing *l, uint32_t pid, uint64_t start_ns)
{
	int r = find_process(l->in, pid, start_ns, &l->task);
	const uint64_t start = l->task.start_ns;

	if (r)
		return r;
	for (int i = 0; i < ATTEMPTS; i++) {
		l->n = 0;
		r = l->task.mm ? vmas_walk(l->k, l->task.mm, remember, l) : 0;
		if (r != -EPROTO && r != -EFAULT)
			break;
		memory_refresh(l->in->mem);
		if (!find_read(l->in, l->task.va, &l->task) || l->task.start_ns != start)
			return -EAGAIN;
	}
	if (l->task.mm)
		read_marks(l);
	return r;
}

static const char *problem(int error)
{
	return error == -EPROTO || error == -EFAULT ?
		"the process's mappings changed while read or are broken" :
		error == -E2BIG ? "more mappings or tasks than the limit" : find_problem(error);
}

static void end(const struct listing *l, int r, struct m_done *d)
{
	if (r == -ENOENT) {
		d->status = DONE_NOT_FOUND;
		snprintf(d->why, sizeof(d->why), "no process has this pid and start");
	} else if (r || l->in->mem->expired || l->in->gone) {
		d->status = DONE_INCOMPLETE;
		snprintf(d->why, sizeof(d->why), "incomplete; %s",
			 problem(l->in->gone ? -ENODEV : l->in->mem->expired ? -ETIME : r));
	} else if (l->unnamed) {
		d->status = DONE_INCOMPLETE;
		snprintf(d->why, sizeof(d->why), "incomplete; %u mappings' files could not be read",
			 l->unnamed);
	} else {
		d->status = DONE_COMPLETE;
	}
}

int mappings_list(struct introspector *in, uint32_t pid, uint64_t start_ns,
		  int (*fn)(void *ctx, const struct m_vma *vma), void *ctx,
		  struct m_done *ret_done)
{
	struct listing l = { .in = in, .k = &in->kernel };
	autofree struct vma *room = malloc(MAX_VMAS * sizeof(*room));
	uint64_t started = clock_now_ns();
	int r, stop = 0;

	*ret_done = (struct m_done){ .tasks = 1 };
	l.vma = room;
	memory_set_budget(in->mem, LOOK_BUDGET_MS);
	r = room ? collect(&l, pid, start_ns) : -ENOMEM;
	for (uint32_t i = 0; i < l.n && !stop && !in->mem->expired && !in->gone; i++) {
		struct m_vma m;

		describe(&l, &l.vma[i], &m);
		stop = fn(ctx, &m);
	}
	end(&l, r, ret_done);
	ret_done->tasks = r != -ENOENT;
	ret_done->elapsed_us = (clock_now_ns() - started) / 1000;
	return stop;
}

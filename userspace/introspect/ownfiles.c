// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/ownfiles.h"

#include <errno.h>

#include "introspect/overlay.h"
#include "introspect/vmas.h"
#include "lib/util.h"

#define MAX_FD (1u << 20)

/* ---- open descriptors ---- */

int descriptors_walk(const struct kernel *k, const struct task *t,
		     int (*fn)(void *ctx, uint32_t fd, uint64_t file), void *ctx)
{
	const struct layout *at = &k->at;
	uint64_t files, table, array, max, file;
	int r = kernel_member(k, t->thread, at->task_struct_files, &files);

	/* Gone already, of a process on its way out. */
	if (r || !files)
		return r;
	r = kernel_member(k, files, at->files_struct_fdt, &table);
	if (!r)
		r = kernel_member(k, table, at->fdtable_fd, &array);
	if (!r)
		r = kernel_member(k, table, at->fdtable_max_fds, &max);
	if (!r && !kernel_pointer(k, array))
		r = -EFAULT;
	for (uint64_t fd = 0; !r && fd < MIN(max, (uint64_t)MAX_FD); fd++) {
		r = virt_read_u64(&k->as, array + 8 * fd, &file);
		if (!r && file)
			r = fn(ctx, fd, file);
	}
	return r ? r : max > MAX_FD ? -E2BIG : 0;
}

/* ---- one by its path ---- */

struct search {
	const struct kernel *k;
	const char *path;
	const uint64_t *size;		/* NULL: any */
	struct guest_file *file;
	bool found;
	int unread;			/* why one could not be read: it may be the one */
};

/* Ends the search at one that has pages. */
static int consider(struct search *s, uint64_t file)
{
	struct guest_file f;
	int r = file_read_info(s->k, file, &f);

	if (r) {
		s->unread = r;
		return 0;
	}
	if (!path_is(f.path, f.deleted || f.memfd, s->path) || (s->size && *s->size != f.size) ||
	    (s->found && !f.nrpages))
		return 0;
	*s->file = f;
	s->found = true;
	return f.nrpages != 0;
}

static int on_mapping(void *ctx, const struct vma *v)
{
	return v->file ? consider(ctx, v->file) : 0;
}

static int on_descriptor(void *ctx, uint32_t fd, uint64_t file)
{
	return consider(ctx, file);
}

/* A file on an overlay has no pages of its own: those of the one that it was written to. */
static void look_beneath(const struct kernel *k, struct guest_file *f)
{
	uint64_t inode, mapping, nrpages;

	if (f->nrpages || !overlay_upper(k, f->inode, &inode) ||
	    kernel_member(k, inode, k->at.inode_i_mapping, &mapping) ||
	    kernel_member(k, mapping, k->at.address_space_nrpages, &nrpages))
		return;
	f->mapping = mapping;
	f->nrpages = nrpages;
}

static int search(struct search *s, const struct task *t)
{
	int r = 0, more;

	if (t->exe_file)
		r = consider(s, t->exe_file);
	if (!r && t->mm)
		r = vmas_walk(s->k, t->mm, on_mapping, s);
	more = r > 0 ? r : descriptors_walk(s->k, t, on_descriptor, s);
	return more ? more : r;
}

int process_file(const struct kernel *k, const struct task *t, const char *path,
		 struct guest_file *ret_file)
{
	struct search s = { .k = k, .file = ret_file };
	struct guest_file exe = { 0 };
	int r;

	if (!path) {
		r = t->exe_file ? file_read_info(k, t->exe_file, &exe) : -ENOENT;
		if (r || exe.magic != OVERLAYFS_MAGIC) {
			*ret_file = exe;
			return r;
		}
		path = exe.path;
		s.size = &exe.size;
	}
	s.path = path;
	r = search(&s, t);
	if (!s.found)
		return r < 0 ? r : s.unread ? s.unread : -ENOENT;
	look_beneath(k, ret_file);
	return 0;
}

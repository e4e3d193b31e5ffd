// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/suspicious.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/dentries.h"
#include "introspect/overlay.h"
#include "introspect/pagecache.h"
#include "lib/util.h"

#define ECRYPTFS_MAGIC 0xf15fu
#define AUFS_MAGIC 0x61756673u
#define MAX_TABLES 2048u
#define ATTEMPTS 3
#define MAX_PATCHED_PAGES 4096u		/* compared, of one mapping */
#define INT3 0xcc
#define CALL 0xe8
#define NOP5_SIZE 5u
#define MAX_WALKS 64u			/* of a process */
#define KIB 1024u
#define ALL UINT64_MAX

/* Mappings of a file there are of one beneath, in which the pages are. */
static bool is_stacked(const struct guest_file *f)
{
	return f->magic == OVERLAYFS_MAGIC || f->magic == ECRYPTFS_MAGIC || f->magic == AUFS_MAGIC;
}

void code_signs_begin(struct code_signs *s, const struct kernel *k, const struct task *t)
{
	memset(s, 0, sizeof(*s));
	s->k = k;
	s->t = t;
	if (k->at.mm_struct_start_code.size && t->mm)
		kernel_member(k, t->mm, k->at.mm_struct_start_code, &s->start_code);
	if (!t->mm || !t->exe_file)
		return;
	s->has_exe = !file_read_info(k, t->exe_file, &s->exe);
	s->unread += !s->has_exe;
	if (!s->has_exe)
		return;
	s->stacked = is_stacked(&s->exe);
	if (s->stacked)
		overlay_upper(k, s->exe.inode, &s->program);
	else
		s->program = s->exe.inode;
}

static void note(struct code_signs *s, enum code_sign sign, uint64_t at, uint64_t bytes,
		 const char *path)
{
	if (!s->of[sign].n++) {
		s->of[sign].first = at;
		text_escape(s->of[sign].path, sizeof(s->of[sign].path), path, strlen(path));
	}
	s->of[sign].bytes += bytes;
}

/* ---- engines that make code ---- */

static const struct engine {
	const char *name;		/* how the file's name begins */
	uint64_t room;			/* of code of no file */
} engines[] = {
	{ "libjvm.so", ALL }, { "node", ALL }, { "libnode.so", ALL }, { "libv8", ALL },
	{ "libclrjit.so", ALL }, { "libcoreclr.so", ALL }, { "libmonosgen", ALL },
	{ "mono-sgen", ALL }, { "libmozjs", ALL }, { "libxul.so", ALL }, { "chrom", ALL },
	{ "libjavascriptcore", ALL }, { "libQt5Qml", ALL }, { "libQt6Qml", ALL },
	{ "libluajit", ALL }, { "luajit", ALL }, { "pypy", ALL }, { "libpypy", ALL },
	{ "beam.smp", ALL }, { "llvmjit.so", ALL }, { "libLLVM", ALL }, { "opcache.so", ALL },
	{ "libruby", ALL }, { "qemu-", ALL }, { "wasmtime", ALL }, { "deno", ALL }, { "bun", ALL },
	/* Found in many programs: a little is theirs. */
	{ "libpcre", 1024 * KIB }, { "libffi", 256 * KIB }, { "libgccjit", 1024 * KIB },
};

/* Root's, and nobody else writes to it: who runs it cannot have made it. */
static bool is_installed(const struct kernel *k, const struct guest_file *f)
{
	uint64_t uid, mode;

	return !f->deleted && !f->memfd && f->magic != TMPFS_MAGIC &&
	       !kernel_member(k, f->inode, k->at.inode_i_uid, &uid) && !uid &&
	       !kernel_member(k, f->inode, k->at.inode_i_mode, &mode) && !(mode & 022);
}

static void look_for_engine(struct code_signs *s, const struct guest_file *f)
{
	const char *name = path_base(f->path);

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
		if (!text_begins(name, engines[i].name) || engines[i].room <= s->jit_room ||
		    !is_installed(s->k, f))
			continue;
		s->jit_room = engines[i].room;
		text_escape(s->jit, sizeof(s->jit), name, strlen(name));
	}
}

/* ---- a program's file ---- */

/* Where programs are dropped: anybody may write there, and it is gone with a restart. */
static bool is_drop(const struct guest_file *f)
{
	static const char *const places[] = { "/tmp/", "/var/tmp/", "/dev/shm/", "/run/" };

	for (size_t i = 0; f->magic == TMPFS_MAGIC && i < ARRAY_SIZE(places); i++)
		if (text_begins(f->path, places[i]))
			return true;
	return false;
}

/* An upgrade puts a new file in the old one's place: then the old one is no news. */
static bool is_replaced(struct code_signs *s, uint64_t file)
{
	const struct kernel *k = s->k;
	uint64_t dentry, parent, text, inode;
	char name[256];
	int r = kernel_member(k, file, k->at.file_dentry, &dentry);

	if (!r)
		r = kernel_member(k, dentry, k->at.dentry_d_parent, &parent);
	if (!r)
		r = kernel_member(k, dentry, k->at.dentry_name, &text);
	/* Not as the path ends: a file may be mounted over another of any name. */
	if (!r)
		r = !kernel_pointer(k, text) || virt_read_text(&k->as, text, name, sizeof(name)) < 0 ? -EFAULT :
		    dentry_find(k, parent, name, &dentry, &inode);
	s->unread += r && r != -ENOENT;
	return r != -ENOENT;
}

/*
 * Of an image's file the inode beneath is not known: it has the same name and size.
 * So it is where a running program's file was copied up since, by a chmod.
 */
static bool is_program(const struct code_signs *s, const struct guest_file *f)
{
	return f->inode == s->program || (s->stacked && f->size == s->exe.size &&
					  !strcmp(path_base(f->path), path_base(s->exe.path)));
}

static bool holds(const struct vma *v, uint64_t va)
{
	return va >= v->start && va < v->end;
}

static bool holds_start(const struct code_signs *s, const struct vma *v)
{
	return s->start_code && holds(v, s->start_code);
}

/* That of process 1's root: the first in the list of tasks. */
static bool system_of(const struct kernel *k, uint64_t *ret_sb)
{
	const struct field first = { k->at.task_struct_tasks.at, 8 };
	uint64_t node, task, pid, fs, root, inode;

	if (kernel_member(k, k->symbol[SYM_INIT_TASK].address, first, &node))
		return false;
	task = node - first.at;
	return !kernel_member(k, task, k->at.task_struct_pid, &pid) && pid == 1 &&
	       !kernel_member(k, task, k->at.task_struct_fs, &fs) &&
	       !kernel_member(k, fs, k->at.fs_struct_root, &root) &&
	       !kernel_member(k, root, k->at.dentry_inode, &inode) &&
	       !kernel_member(k, inode, k->at.inode_i_sb, ret_sb);
}

/* Of a system that is an overlay as a whole (a live one) the upper layer has all updates. */
static bool is_of_system(struct code_signs *s)
{
	uint64_t its, systems;

	if (kernel_member(s->k, s->exe.inode, s->k->at.inode_i_sb, &its) || !system_of(s->k, &systems)) {
		s->unread++;
		return true;
	}
	return its == systems;
}

static void look_at_program(struct code_signs *s, const struct vma *v, const struct guest_file *f)
{
	uint64_t size = v->end - v->start;

	if (f->memfd) {
		note(s, CODE_MEMFD, v->start, size, f->path);
		return;
	}
	/* Libraries are replaced under programs that run; programs are told of alone. */
	if (!is_program(s, f) && !holds_start(s, v))
		return;
	if (is_drop(f))
		note(s, CODE_TMPFS, v->start, size, f->path);
	if (s->stacked && f->inode == s->program && !is_of_system(s))
		note(s, CODE_OVERLAY, v->start, size, s->exe.path);
	if (f->deleted && !is_replaced(s, v->file))
		note(s, CODE_DELETED, v->start, size, f->path);
}

/* ---- pages that are not as the file has them ---- */

struct comparison {
	struct code_signs *s;
	const struct vma *v;
	const struct page_map *map;
	uint32_t left, patched;
	uint64_t first;
	struct vma tracers;		/* where a tracer's code was found last */
};

static bool is_special(const struct kernel *k, const struct vma *v)
{
	return v->ops && v->ops == k->symbol[SYM_SPECIAL_MAPPING].address;
}

static int find_mapping(void *ctx, const struct vma *v)
{
	struct vma *wanted = ctx;

	if (!holds(v, wanted->start))
		return 0;
	*wanted = *v;
	return 1;
}

/* Uprobes have theirs in a mapping that the kernel alone makes. */
static bool calls_tracer(struct comparison *c, uint64_t va, const uint8_t *call)
{
	int32_t distance;
	uint64_t to;

	memcpy(&distance, call + 1, sizeof(distance));
	to = va + NOP5_SIZE + (int64_t)distance;
	if (holds(&c->tracers, to))
		return true;
	/* All calls lead to few of them, unless they are no tracer's. */
	if (c->s->walks == MAX_WALKS)
		return false;
	c->s->walks++;
	c->tracers.start = to;
	if (vmas_walk(c->s->k, c->s->t->mm, find_mapping, &c->tracers) == 1 &&
	    is_special(c->s->k, &c->tracers))
		return true;
	c->tracers = (struct vma){ 0 };
	return false;
}

/* A debugger's or a tracer's mark: a breakpoint, or a call where nothing was. */
static size_t probe_at(struct comparison *c, uint64_t va, const uint8_t *now, const uint8_t *file,
		       size_t room)
{
	static const uint8_t nop5[NOP5_SIZE] = { 0x0f, 0x1f, 0x44, 0x00, 0x00 };

	if (now[0] == INT3)
		return 1;
	if (room >= NOP5_SIZE && now[0] == CALL && !memcmp(file, nop5, NOP5_SIZE) &&
	    calls_tracer(c, va, now))
		return NOP5_SIZE;
	return 0;
}

static bool is_patched(struct comparison *c, uint64_t va, const uint8_t *now, const uint8_t *file,
		       size_t *ret_at)
{
	for (size_t i = 0; i < FRAME_SIZE; i++) {
		size_t probe;

		if (now[i] == file[i])
			continue;
		probe = probe_at(c, va + i, now + i, file + i, FRAME_SIZE - i);
		if (!probe) {
			*ret_at = i;
			return true;
		}
		i += probe - 1;
	}
	return false;
}

static void compare_page(struct comparison *c, uint64_t va, uint64_t frame, uint64_t file_frame)
{
	uint8_t now[FRAME_SIZE], file[FRAME_SIZE];
	size_t at;

	if (memory_read(c->s->k->mem, frame, now, sizeof(now)) ||
	    memory_read(c->s->k->mem, file_frame, file, sizeof(file)) || !is_patched(c, va, now, file, &at))
		return;
	if (!c->patched++)
		c->first = va + at;
}

static int compare_leaf(void *ctx, const struct mapping *leaf)
{
	struct comparison *c = ctx;
	uint64_t va = MAX(leaf->va, c->v->start), end = MIN(leaf->va + leaf->size, c->v->end);

	for (; va < end; va += FRAME_SIZE) {
		uint64_t page = c->v->pgoff + (va - c->v->start) / FRAME_SIZE;
		uint64_t frame = leaf->pa + (va - leaf->va);

		if (page >= c->map->pages || c->map->frame[page] == NO_FRAME ||
		    c->map->frame[page] == frame)
			continue;
		if (!c->left--)
			return -E2BIG;
		compare_page(c, va, frame, c->map->frame[page]);
	}
	return 0;
}

static bool compare(struct comparison *c, const struct guest_file *f)
{
	const struct address_space as = task_space(c->s->k, c->s->t);
	struct page_map map = { 0 };
	bool patched;

	c->left = MAX_PATCHED_PAGES;
	c->patched = 0;
	c->map = &map;
	if (!page_map_init(&map, (f->size + FRAME_MASK) / FRAME_SIZE) &&
	    !pagecache_read(c->s->k, f->mapping, &map))
		page_leaves(&as, c->v->start, c->v->end, MAX_TABLES, compare_leaf, c);
	patched = c->patched;
	page_map_free(&map);
	return patched;
}

/* Only what has pages of its own can differ; pages move, so it is looked at twice. */
static void look_at_pages(struct code_signs *s, const struct vma *v, const struct guest_file *f)
{
	struct comparison c = { .s = s, .v = v };

	if (!v->anon || (v->flags & VM_SHARED) || !f->nrpages || !compare(&c, f))
		return;
	memory_refresh(s->k->mem);
	if (compare(&c, f))
		note(s, CODE_PATCHED, c.first, (uint64_t)c.patched * FRAME_SIZE, f->path);
}

/* ---- memory of no file ---- */

static int find_foreign(void *ctx, const struct mapping *leaf)
{
	const struct kernel *k = *(const struct kernel **)ctx;

	for (int i = 0; i < MAX_VDSO; i++)
		if (leaf->pa >= k->vdso[i].gpa && leaf->pa - k->vdso[i].gpa < k->vdso[i].size)
			return 0;
	return 1;
}

static bool is_named(const struct kernel *k, const struct vma *v, const char *name)
{
	char text[32];
	uint64_t at;

	return k->at.vm_special_mapping_name.size &&
	       !kernel_member(k, v->private_data, k->at.vm_special_mapping_name, &at) &&
	       kernel_pointer(k, at) && virt_read_text(&k->as, at, text, sizeof(text)) > 0 &&
	       !strcmp(text, name);
}

static void look_at_special(struct code_signs *s, const struct vma *v)
{
	const struct address_space as = task_space(s->k, s->t);

	/* Without the kernel's own image of it there is nothing to compare with. */
	if (s->k->vdso[0].size && is_named(s->k, v, "[vdso]") &&
	    page_leaves(&as, v->start, v->end, MAX_TABLES, find_foreign, (void *)&s->k) == 1)
		note(s, CODE_VDSO, v->start, v->end - v->start, "[vdso]");
}

static void look_at_start(struct code_signs *s, const struct vma *v, const struct guest_file *f)
{
	if (!holds_start(s, v) || !s->has_exe || (f && is_program(s, f)))
		return;
	s->is_hollow = true;
	if (f)
		text_escape(s->instead, sizeof(s->instead), f->path, strlen(f->path));
	else
		snprintf(s->instead, sizeof(s->instead), "memory of no file");
}

void code_signs_vma(struct code_signs *s, const struct vma *v, const struct guest_file *f)
{
	uint64_t size = v->end - v->start;

	look_at_start(s, v, f);
	if (f) {
		look_for_engine(s, f);
		look_at_program(s, v, f);
		look_at_pages(s, v, f);
	} else if (is_special(s->k, v)) {
		look_at_special(s, v);
		return;
	} else if (!(v->flags & VM_WRITE)) {
		note(s, CODE_ANON, v->start, size, "");
	}
	if (v->flags & VM_WRITE)
		note(s, CODE_RWX, v->start, size, f ? f->path : "");
}

/* ---- looking again ---- */

static bool any(const struct code_signs *s)
{
	for (int i = 0; i < CODE_SIGNS; i++)
		if (s->of[i].n)
			return true;
	return s->is_hollow;
}

static int see_again(void *ctx, const struct vma *v)
{
	struct code_signs *s = ctx;
	struct guest_file f;

	if (!(v->flags & VM_EXEC))
		return 0;
	if (!v->file)
		code_signs_vma(s, v, NULL);
	else if (!file_read_info(s->k, v->file, &f))
		code_signs_vma(s, v, &f);
	else
		s->unread++;
	return 0;
}

static bool is_same(const struct code_signs *s, struct task *ret_now)
{
	memory_refresh(s->k->mem);
	return !task_read(s->k, s->t->va, ret_now) && task_is_same(ret_now, s->t) && !ret_now->dying;
}

/* -ESRCH: the process ended, or runs another program; else -errno: it could not be walked. */
static int walk_again(const struct code_signs *s, struct task *now, struct code_signs *again)
{
	int r = -EPROTO;

	for (int i = 0; i < ATTEMPTS && (r == -EPROTO || r == -EFAULT); i++) {
		if (!is_same(s, now))
			return -ESRCH;
		code_signs_begin(again, s->k, now);
		r = vmas_walk(s->k, now->mm, see_again, again);
	}
	return is_same(s, now) ? r : -ESRCH;
}

/* What is not confirmed because it could not be looked at is no news, but is said. */
void code_signs_confirm(struct code_signs *s)
{
	struct code_signs again;
	struct task now;
	int r;

	if (!any(s))
		return;
	r = walk_again(s, &now, &again);
	for (int i = 0; i < CODE_SIGNS; i++)
		if (r || !again.of[i].n)
			s->of[i].n = 0;
	s->is_hollow = s->is_hollow && !r && again.is_hollow;
	if (r)
		s->unread += r != -ESRCH;
	else
		s->unread += again.unread;
}

/* ---- what is said ---- */

struct teller {
	struct code_signs *s;
	struct preload_roots *asked;
	int (*fn)(void *ctx, const struct m_sign *sign);
	void *ctx;
	char comm[TEXT_COMM], exe[TEXT_PATH];
};

static int tell(const struct teller *t, const char *name, uint64_t address, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int tell(const struct teller *t, const char *name, uint64_t address, const char *format, ...)
{
	struct m_sign m = {
		.kind = SIGN_SUSPICIOUS, .pid = t->s->t->pid, .start_ns = t->s->t->start_ns,
		.address = address,
	};
	va_list args;

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.comm, sizeof(m.comm), "%s", t->comm);
	snprintf(m.exe, sizeof(m.exe), "%s", t->exe);
	snprintf(m.subject, sizeof(m.subject), "%s", t->exe[0] ? t->exe : t->comm);
	va_start(args, format);
	vsnprintf(m.detail, sizeof(m.detail), format, args);
	va_end(args);
	return t->fn(t->ctx, &m);
}

static bool is_jits_own(const struct code_signs *s, enum code_sign sign)
{
	return (sign == CODE_ANON || sign == CODE_RWX || sign == CODE_MEMFD) &&
	       s->of[sign].bytes <= s->jit_room;
}

/* Process 1 begins in an initramfs, which it deletes behind itself (switch_root). */
static bool is_start(const struct teller *t, enum code_sign sign)
{
	return sign == CODE_DELETED && t->s->t->pid == 1;
}

static int tell_code(const struct teller *t)
{
	static const struct {
		const char *name, *text;
	} words[CODE_SIGNS] = {
		[CODE_RWX] = { "Code.RWX", "memory that is writable and executable at once" },
		[CODE_ANON] = { "Code.Anonymous", "executable memory of no file" },
		[CODE_MEMFD] = { "Code.Memfd", "code of a file that exists in memory alone" },
		[CODE_DELETED] = { "Code.Deleted", "a program whose file was deleted, and not replaced" },
		[CODE_TMPFS] = { "Code.Tmpfs", "a program in a place that anybody writes to" },
		[CODE_OVERLAY] = { "Code.Overlay", "a program that was written, or changed, since its container's image" },
		[CODE_PATCHED] = { "Code.Patched", "code that is not as its file has it" },
		[CODE_VDSO] = { "Code.VDSO", "a vDSO that is not the kernel's" },
	};
	int r = 0;

	for (int i = 0; !r && i < CODE_SIGNS; i++) {
		const char *path = t->s->of[i].path;

		if (t->s->of[i].n && !is_jits_own(t->s, i) && !is_start(t, i))
			r = tell(t, words[i].name, t->s->of[i].first,
				 "process %u (%s) runs %s: %llu KiB in %u mappings, the first at"
				 " %llx%s%s", t->s->t->pid, t->comm, words[i].text,
				 (unsigned long long)t->s->of[i].bytes / KIB, t->s->of[i].n,
				 (unsigned long long)t->s->of[i].first, path[0] ? ", of " : "", path);
	}
	return r;
}

static int tell_hollow(const struct teller *t)
{
	const struct code_signs *s = t->s;

	if (!s->is_hollow)
		return 0;
	return tell(t, "Process.Hollowed", s->start_code, "process %u (%s): where the code of its"
		    " program was loaded, at %llx, now lies %s", s->t->pid, t->comm,
		    (unsigned long long)s->start_code, s->instead);
}

struct traced {
	const struct kernel *k;
	uint64_t thread;
};

static int find_traced(void *ctx, uint64_t node)
{
	struct traced *t = ctx;
	uint64_t va = node - t->k->at.task_struct_thread_node.at, ptrace;
	int r = kernel_member(t->k, va, t->k->at.task_struct_ptrace, &ptrace);

	if (r || !ptrace)
		return r;
	t->thread = va;
	return 1;
}

/*
 * Any of its threads will do to put code into it; 0 if none is traced.  One that could not
 * be looked at may be the one.
 */
static uint64_t traced_thread(struct code_signs *s)
{
	const struct kernel *k = s->k;
	struct traced t = { .k = k };
	uint64_t signal;
	int r = kernel_member(k, s->t->va, k->at.task_struct_signal, &signal);

	if (!r && signal)
		r = threads_walk(k, signal, find_traced, &t);
	s->unread += r < 0;
	return t.thread;
}

static int tell_tracer(const struct teller *t)
{
	const struct kernel *k = t->s->k;
	char name[17] = "", comm[TEXT_COMM];
	uint64_t thread, parent, tracer, real;

	if (!k->at.task_struct_ptrace.size || !k->at.task_struct_parent.size)
		return 0;
	thread = traced_thread(t->s);
	if (!thread ||
	    kernel_member(k, thread, k->at.task_struct_parent, &parent) ||
	    kernel_member(k, thread, k->at.task_struct_real_parent, &real) ||
	    kernel_member(k, parent, k->at.task_struct_tgid, &tracer) ||
	    virt_read(&k->as, parent + k->at.task_struct_comm.at, name,
		      MIN(k->at.task_struct_comm.size, 16u)))
		return 0;
	text_escape(comm, sizeof(comm), name, strlen(name));
	return tell(t, "Process.Traced", thread, "process %u (%s) is traced (ptrace) by process"
		    " %llu (%s)%s", t->s->t->pid, t->comm, (unsigned long long)tracer, comm,
		    parent == real ? ", its parent" : "");
}

static int tell_preload(const struct teller *t)
{
	char library[GUEST_PATH_SIZE], path[TEXT_WHY];
	int by_file, r = 0;

	if (preload_by_environment(t->s->k, t->s->t, library, sizeof(library))) {
		text_escape(path, sizeof(path), library, strlen(library));
		r = tell(t, "Process.Preloaded", 0, "process %u (%s) was started with the library"
			 " %s before all others (LD_PRELOAD or LD_AUDIT)", t->s->t->pid, t->comm, path);
	}
	by_file = preload_by_file(t->s->k, t->s->t, t->asked, library, sizeof(library));
	t->s->unread += by_file < 0;
	if (!r && by_file > 0) {
		text_escape(path, sizeof(path), library, strlen(library));
		r = tell(t, "Process.Preloaded", 0, "all programs below the root of process %u (%s) start with"
			 " %s before all others (/etc/ld.so.preload)", t->s->t->pid, t->comm,
			 path);
	}
	return r;
}

int code_signs_tell(struct code_signs *s, struct preload_roots *asked,
		    int (*fn)(void *ctx, const struct m_sign *sign), void *ctx)
{
	static int (*const all[])(const struct teller *t) = {
		tell_code, tell_hollow, tell_tracer, tell_preload,
	};
	struct teller t = { .s = s, .asked = asked, .fn = fn, .ctx = ctx };
	int r = 0;

	if (!s->t->mm)
		return 0;
	text_escape(t.comm, sizeof(t.comm), s->t->comm, strlen(s->t->comm));
	text_escape(t.exe, sizeof(t.exe), s->exe.path, strlen(s->exe.path));
	for (size_t i = 0; !r && i < ARRAY_SIZE(all); i++)
		r = all[i](&t);
	return r;
}

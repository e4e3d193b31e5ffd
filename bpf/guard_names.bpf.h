/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is done by a file's name, without opening it: files moved, linked, removed or cut,
 * folders, links and nodes made, owners and modes changed; and what is mounted, as that
 * changes what all names mean.  A part of guard.bpf.c: its maps and what it does of a finding
 * are there.
 */
#ifndef WARDEN_GUARD_NAMES_H
#define WARDEN_GUARD_NAMES_H

#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFCHR 0020000
#define S_IFBLK 0060000
#define STACK_BYTES 32768		/* of a task at the most: KASAN doubles it */
#define NAME_DEEP 64			/* components and mounts of a path */
#define NAMES 64			/* looked at in one moment, by all CPUs */
#define NAMES_TRIED 16

/*
 * What the stack has no room for, and no CPU's own as programs may be preempted.  Where the
 * text begins is here so that the verifier, which knows nothing of what lies in a map, need
 * not follow all the ways to come there.
 */
struct guard_name {
	__u64 taken;
	__u32 at;
	struct warden_guard_key key;
	char text[2 * GUARD_PATH];	/* written from GUARD_PATH - 1 back; 0 from there on */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAMES);
	__type(key, __u32);
	__type(value, struct guard_name);
} names SEC(".maps");

/* NULL: all that were looked at are taken by programs that do not run just now. */
static __always_inline struct guard_name *take_name(void)
{
	__u32 slot = bpf_get_smp_processor_id();
	struct guard_name *n;

	for (int i = 0; i < NAMES_TRIED; i++) {
		slot = (slot + 1) % NAMES;
		n = bpf_map_lookup_elem(&names, &slot);
		if (n && !__sync_lock_test_and_set(&n->taken, 1))
			return n;
	}
	return NULL;
}

static __always_inline void give_name_back(struct guard_name *n)
{
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&n->taken = 0;
}

/* "/" and the dentry's name, before what is there.  False: there is no room. */
static __always_inline int prepend(struct guard_name *n, struct dentry *d)
{
	const char *name = (const char *)BPF_CORE_READ(d, d_name.name);
	__u32 len = BPF_CORE_READ(d, d_name.len), from = n->at;

	if (len >= from)
		return 0;
	from -= len + 1;
	n->at = from;
	/* So that the bounds are seen by the verifier, too. */
	asm volatile("" : "+r"(from), "+r"(len));
	from &= GUARD_PATH - 1;
	len &= GUARD_PATH - 1;
	n->text[from] = '/';
	return !bpf_probe_read_kernel(&n->text[from + 1], len, name);
}

struct walk {
	struct guard_name *n;
	struct dentry *d, *root;
	struct vfsmount *v, *root_mnt;
	int whole;			/* it has come to the root */
};

/* 1: no further. */
static long step_up(__u32 i, struct walk *w)
{
	struct dentry *d = w->d, *top;
	struct vfsmount *v = w->v;
	struct mount *self = mount_of(v), *parent = BPF_CORE_READ(self, mnt_parent);

	top = BPF_CORE_READ(v, mnt_root);
	if ((d == w->root && v == w->root_mnt) || (d == top && parent == self)) {
		w->whole = 1;
		return 1;
	}
	if (d == top) {
		w->d = BPF_CORE_READ(self, mnt_mountpoint);
		w->v = (void *)parent + bpf_core_field_offset(struct mount, mnt);
		return 0;
	}
	if (!prepend(w->n, d))
		return 1;
	w->d = BPF_CORE_READ(d, d_parent);
	return 0;
}

/*
 * The key of what d_path would say: it is for hooks that may sleep alone.  As seen from the
 * task's own root.  False: it does not fit.
 */
static __always_inline int name_key(struct guard_name *n, struct dentry *d, struct vfsmount *v)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct walk walk = {
		.n = n, .d = d, .v = v,
		.root = BPF_CORE_READ(task, fs, root.dentry),
		.root_mnt = BPF_CORE_READ(task, fs, root.mnt),
	};
	__u32 at;

	n->at = GUARD_PATH - 1;
	/* Its step is verified once: a loop would be 64 times, in each program. */
	bpf_loop(NAME_DEEP, step_up, &walk, 0);
	if (!walk.whole)
		return 0;
	at = n->at & (GUARD_PATH - 1);
	if (at == GUARD_PATH - 1)
		n->text[--at] = '/';
	n->key.bits = GUARD_PATH * 8;
	return !bpf_probe_read_kernel(n->key.path, GUARD_PATH, &n->text[at]);
}

/* Not a helper's, which is watched with less, and not what is part of a start. */
static __always_inline struct warden_guard_mark *mark_of_changer(void)
{
	struct warden_guard_mark *m = mark_of_current();

	return !m || m->helper || is_starting(m) ? NULL : m;
}

/* 0: it is within the profile; 1: found; -EPERM: found, and refused. */
static __noinline int judge(struct warden_guard_mark *m, struct dentry *d, struct vfsmount *v,
			    __u32 change, int can_deny)
{
	struct guard_name *n = take_name();
	int fits = n && name_key(n, d, v), own = is_in_own_tree(v), r = 0;

	if (!fits || !own || change >= GUARD_DEVICE || !(rights_of(&n->key) & GUARD_WRITE))
		r = found(m, change < GUARD_MOUNTED ? GUARD_CHANGE : GUARD_MOUNT, change, 0, 0,
			  fits ? n->key.path : NULL,
			  (n && !fits ? GUARD_LONG_PATH : 0) | (own ? 0 : GUARD_ELSEWHERE), can_deny) ?
		    -EPERM : 1;
	if (n)
		give_name_back(n);
	return r;
}

/* ---- in a folder ---- */

static __always_inline long on_made(const struct path *dir, struct dentry *d, __u32 change, int can_deny)
{
	struct warden_guard_mark *m = mark_of_changer();

	return m ? refusal(judge(m, d, BPF_CORE_READ(dir, mnt), change, can_deny) < 0) : 0;
}

SEC("lsm/path_symlink")
long BPF_PROG(lsm_symlink, const struct path *dir, struct dentry *d, const char *old, int ret)
{
	return ret ? earlier(ret) : on_made(dir, d, GUARD_SYMLINK, 1);
}

SEC("fentry/security_path_symlink")
int BPF_PROG(see_symlink, const struct path *dir, struct dentry *d)
{
	on_made(dir, d, GUARD_SYMLINK, 0);
	return 0;
}

SEC("lsm/path_mkdir")
long BPF_PROG(lsm_mkdir, const struct path *dir, struct dentry *d, unsigned short mode, int ret)
{
	return ret ? earlier(ret) : on_made(dir, d, GUARD_FOLDER, 1);
}

SEC("fentry/security_path_mkdir")
int BPF_PROG(see_mkdir, const struct path *dir, struct dentry *d)
{
	on_made(dir, d, GUARD_FOLDER, 0);
	return 0;
}

/*
 * Files too: of one that is made and opened the open is found, but where that is refused
 * the empty file would stay, and some are heeded for their name alone (/etc/nologin).
 */
static __always_inline long on_node(const struct path *dir, struct dentry *d, __u32 mode, int can_deny)
{
	const struct warden_guard_settings *s = get_settings();
	__u32 type = mode & S_IFMT;

	if ((!type || type == S_IFREG) && (!can_deny || !s || !s->deny))
		return 0;
	/* Of a device the name says nothing: by one among its images it reaches the host's disk. */
	return on_made(dir, d, type == S_IFBLK || type == S_IFCHR ? GUARD_DEVICE : GUARD_NODE, can_deny);
}

SEC("lsm/path_mknod")
long BPF_PROG(lsm_mknod, const struct path *dir, struct dentry *d, unsigned short mode, unsigned int dev,
	     int ret)
{
	return ret ? earlier(ret) : on_node(dir, d, mode, 1);
}

SEC("fentry/security_path_mknod")
int BPF_PROG(see_mknod, const struct path *dir, struct dentry *d, unsigned short mode)
{
	on_node(dir, d, mode, 0);
	return 0;
}

SEC("lsm/path_unlink")
long BPF_PROG(lsm_unlink, const struct path *dir, struct dentry *d, int ret)
{
	return ret ? earlier(ret) : on_made(dir, d, GUARD_REMOVED, 1);
}

SEC("fentry/security_path_unlink")
int BPF_PROG(see_unlink, const struct path *dir, struct dentry *d)
{
	on_made(dir, d, GUARD_REMOVED, 0);
	return 0;
}

SEC("lsm/path_rmdir")
long BPF_PROG(lsm_rmdir, const struct path *dir, struct dentry *d, int ret)
{
	return ret ? earlier(ret) : on_made(dir, d, GUARD_REMOVED, 1);
}

SEC("fentry/security_path_rmdir")
int BPF_PROG(see_rmdir, const struct path *dir, struct dentry *d)
{
	on_made(dir, d, GUARD_REMOVED, 0);
	return 0;
}

/* Both its names: it would be read or written by the other one. */
static __always_inline long on_two(struct dentry *from, struct vfsmount *from_mount,
				  struct dentry *to, struct vfsmount *to_mount, __u32 change, int can_deny)
{
	struct warden_guard_mark *m = mark_of_changer();
	int verdict;

	if (!m)
		return 0;
	verdict = judge(m, to, to_mount, change, can_deny);
	if (!verdict)
		verdict = judge(m, from, from_mount, change, can_deny);
	return refusal(verdict < 0);
}

SEC("lsm/path_rename")
long BPF_PROG(lsm_rename, const struct path *old_dir, struct dentry *old, const struct path *dir,
	     struct dentry *d, unsigned int flags, int ret)
{
	return ret ? earlier(ret) :
	       on_two(old, BPF_CORE_READ(old_dir, mnt), d, BPF_CORE_READ(dir, mnt), GUARD_MOVED, 1);
}

SEC("fentry/security_path_rename")
int BPF_PROG(see_rename, const struct path *old_dir, struct dentry *old, const struct path *dir,
	     struct dentry *d)
{
	on_two(old, BPF_CORE_READ(old_dir, mnt), d, BPF_CORE_READ(dir, mnt), GUARD_MOVED, 0);
	return 0;
}

/* No link leads from one mount to another. */
SEC("lsm/path_link")
long BPF_PROG(lsm_link, struct dentry *old, const struct path *dir, struct dentry *d, int ret)
{
	struct vfsmount *v = BPF_CORE_READ(dir, mnt);

	return ret ? earlier(ret) : on_two(old, v, d, v, GUARD_LINKED, 1);
}

SEC("fentry/security_path_link")
int BPF_PROG(see_link, struct dentry *old, const struct path *dir, struct dentry *d)
{
	struct vfsmount *v = BPF_CORE_READ(dir, mnt);

	on_two(old, v, d, v, GUARD_LINKED, 0);
	return 0;
}

/* ---- of a path ---- */

static __always_inline long on_path(const struct path *path, __u32 change, int can_deny)
{
	return on_made(path, BPF_CORE_READ(path, dentry), change, can_deny);
}

SEC("lsm/path_chmod")
long BPF_PROG(lsm_chmod, const struct path *path, unsigned short mode, int ret)
{
	return ret ? earlier(ret) : on_path(path, GUARD_MODE, 1);
}

SEC("fentry/security_path_chmod")
int BPF_PROG(see_chmod, const struct path *path)
{
	on_path(path, GUARD_MODE, 0);
	return 0;
}

SEC("lsm/path_chown")
long BPF_PROG(lsm_chown, const struct path *path, unsigned long uid, unsigned long gid, int ret)
{
	return ret ? earlier(ret) : on_path(path, GUARD_OWNER, 1);
}

SEC("fentry/security_path_chown")
int BPF_PROG(see_chown, const struct path *path)
{
	on_path(path, GUARD_OWNER, 0);
	return 0;
}

/*
 * 6.1 asks the same of ftruncate() and of an open that empties: there the path is the open
 * file's, whose open has been judged, or was by who passed it on.  truncate() has looked it
 * up just now, and keeps it on the stack.
 */
static __always_inline long on_truncate(unsigned long long *ctx, const struct path *path, int can_deny)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (argument(ctx, 0) - (__u64)BPF_CORE_READ(task, stack) >= STACK_BYTES)
		return 0;
	return on_path(path, GUARD_EMPTIED, can_deny);
}

SEC("lsm/path_truncate")
long BPF_PROG(lsm_truncate, const struct path *path, int ret)
{
	return ret ? earlier(ret) : on_truncate(ctx, path, 1);
}

SEC("fentry/security_path_truncate")
int BPF_PROG(see_truncate, const struct path *path)
{
	on_truncate(ctx, path, 0);
	return 0;
}

/* ---- what names mean ---- */

SEC("lsm/sb_mount")
long BPF_PROG(lsm_mount, const char *name, const struct path *path, const char *type,
	     unsigned long flags, void *data, int ret)
{
	return ret ? earlier(ret) : on_path(path, GUARD_MOUNTED, 1);
}

SEC("fentry/security_sb_mount")
int BPF_PROG(see_mount, const char *name, const struct path *path)
{
	on_path(path, GUARD_MOUNTED, 0);
	return 0;
}

static __always_inline long on_umount(struct vfsmount *v, int can_deny)
{
	struct warden_guard_mark *m = mark_of_changer();

	return m ? refusal(judge(m, BPF_CORE_READ(v, mnt_root), v, GUARD_UNMOUNTED, can_deny) < 0) : 0;
}

SEC("lsm/sb_umount")
long BPF_PROG(lsm_umount, struct vfsmount *v, int flags, int ret)
{
	return ret ? earlier(ret) : on_umount(v, 1);
}

SEC("fentry/security_sb_umount")
int BPF_PROG(see_umount, struct vfsmount *v)
{
	on_umount(v, 0);
	return 0;
}

SEC("lsm/move_mount")
long BPF_PROG(lsm_move_mount, const struct path *from, const struct path *to, int ret)
{
	return ret ? earlier(ret) : on_path(to, GUARD_MOUNTED, 1);
}

SEC("fentry/security_move_mount")
int BPF_PROG(see_move_mount, const struct path *from, const struct path *to)
{
	on_path(to, GUARD_MOUNTED, 0);
	return 0;
}

SEC("lsm/sb_pivotroot")
long BPF_PROG(lsm_pivot, const struct path *old, const struct path *root, int ret)
{
	return ret ? earlier(ret) : on_path(root, GUARD_ROOT, 1);
}

SEC("fentry/security_sb_pivotroot")
int BPF_PROG(see_pivot, const struct path *old, const struct path *root)
{
	on_path(root, GUARD_ROOT, 0);
	return 0;
}

SEC("lsm/path_chroot")
long BPF_PROG(lsm_chroot, const struct path *path, int ret)
{
	return ret ? earlier(ret) : on_path(path, GUARD_ROOT, 1);
}

SEC("fentry/security_path_chroot")
int BPF_PROG(see_chroot, const struct path *path)
{
	on_path(path, GUARD_ROOT, 0);
	return 0;
}

#endif
